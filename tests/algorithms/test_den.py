"""DEN: reconstruction, neighbours and groups, then k-means."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from dclib.algorithms import DEN

N = 40
X = np.random.default_rng(0).normal(size=(N, 5))


def started(**changes):
    """A model that stands before its refinement."""
    settings = {"hidden": (8,), "group_size": 2, "pretrain_epochs": 5, "pretrain_lr": 0.1}
    settings |= {"refine_epochs": 2, "lr": 0.01, "n_neighbors": 3, "batch_size": N}
    settings |= {"locality": 0.7, "sparsity": 0.3, "random_state": 0}
    return DEN(n_clusters=3, **settings | changes).build(X).pretrain(X)


def neighbours(x):
    """The three nearest of every row and their heat kernel, by sorting."""
    squared = ((x[:, None] - x) ** 2).sum(2)
    np.fill_diagonal(squared, np.inf)
    near = squared.argsort(1)[:, :3]
    to_near = np.take_along_axis(squared, near, 1)
    # PyTorch's median of an even count is the lower of the two in the middle
    return near, np.exp(-to_near / np.sort(to_near.ravel())[(to_near.size - 1) // 2])


def test_two_steps_equal_steps_by_hand():
    model = started()
    auto, x = deepcopy(model.net_.auto), torch.from_numpy(X)
    optimizer = torch.optim.Adam(auto.parameters(), lr=0.01)
    near, s = neighbours(X)
    losses = []

    for _ in range(2):
        z = auto.encoder(x)
        rebuilt = (auto.decoder(z) - x).square().sum() / N
        apart = sum(s[i, c] * (z[i] - z[near[i, c]]).square().sum() for i in range(N)
                    for c in range(3)) / N  # fmt: skip
        awake = sum(2**0.5 * z[i, g : g + 2].norm() for i in range(N) for g in (0, 2, 4)) / N
        losses.append([rebuilt.item(), apart.item(), awake.item()])
        e_r, e_g, e_s = losses[0]  # weights of 1 make the terms equal at the start
        optimizer.zero_grad()
        (rebuilt + 0.7 * e_r / e_g * apart + 0.3 * e_r / e_s * awake).backward()
        optimizer.step()

    model.refine(X)
    for record, by_hand in zip(model.history_[-2:], losses, strict=True):
        ours = [record[name] for name in ("reconstruction", "locality", "sparsity")]
        assert ours == pytest.approx(by_hand)
    for ours, by_hand in zip(model.net_.auto.parameters(), auto.parameters(), strict=True):
        torch.testing.assert_close(ours, by_hand)


def test_the_units_are_those_of_the_first_refinement():
    model = started().refine(X)
    units = model.net_.units.clone()
    assert (units > 0).all()
    assert torch.equal(model.refine(X).net_.units, units)


def test_equal_samples_are_no_division_by_zero():
    model = DEN(2, hidden=(4,), pretrain_epochs=1, refine_epochs=2, random_state=0)
    model.build(np.ones((6, 3))).pretrain(np.ones((6, 3))).refine(np.ones((6, 3)))
    assert all(np.isfinite(list(record.values())[2:]).all() for record in model.history_)


@pytest.mark.parametrize("name", ["locality", "sparsity"])
def test_each_weight_lowers_its_own_term(name):
    ends = [
        started(**{"locality": 0.0, "sparsity": 0.0, name: weight}, refine_epochs=60)
        .refine(X)
        .history_[-1][name]
        for weight in (0.0, 5.0)
    ]
    assert ends[1] < ends[0] / 2


def test_the_code_has_a_group_for_each_cluster():
    assert started(group_size=4).transform(X).shape == (N, 3 * 4)


def test_labels_are_those_of_kmeans_on_the_codes():
    model = started(n_init=200).refine(X).place_centers(X)
    rival = KMeans(3, n_init=200, random_state=1).fit_predict(model.transform(X))
    assert adjusted_rand_score(model.labels_, rival) == 1


def test_fewer_samples_than_neighbours_take_all_there_are():
    model = DEN(2, hidden=(4,), n_neighbors=9, pretrain_epochs=1, refine_epochs=1).fit(X[:6])
    assert model.labels_.shape == (6,)


def test_images_go_through_convolutions():
    images = np.random.default_rng(0).random((12, 1, 8, 8))
    settings = {"pretrain_epochs": 2, "pretrain_lr": 0.1, "refine_epochs": 2, "random_state": 0}
    model = DEN(2, network="cnn", hidden=(3, 4), **settings).fit(images)
    assert model.transform(images).shape == (12, 4)
