"""DMC: what our reading of its two terms says, checked against loops."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs

from dclib.algorithms import DMC

N = 40
X = np.random.default_rng(0).normal(size=(N, 5))


def started(**changes):
    """A model that stands before its refinement."""
    settings = {"layers": (8, 2), "pretrain_epochs": 5, "pretrain_lr": 0.1, "batch_size": N}
    settings |= {"refine_epochs": 2, "tol": 0, "lr": 0.01, "n_neighbors": 3}
    settings |= {"locality": 0.7, "gamma": 0.3, "random_state": 0}
    model = DMC(n_clusters=3, **settings | changes).build(X)
    return model.pretrain(X).place_centers(X)


def test_two_steps_equal_steps_by_hand():
    model = started()
    net, x = deepcopy(model.net_), torch.from_numpy(X)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    squared = (x[:, None] - x).square().sum(2).fill_diagonal_(torch.inf)
    near = squared.argsort(1)[:, :3]
    s = torch.exp(-squared.gather(1, near) / squared.gather(1, near).median())
    losses = []

    for _ in range(2):
        z, mu = net.auto.encoder(x), net.centers.position
        distance = (z[:, None] - mu).square().sum(2)
        variance = distance.detach().min(1).values.mean() / 2  # of a code of two numbers
        q = torch.exp(-distance.detach() / (2 * variance))  # Gaussians of this width
        q = q / q.sum(1, keepdim=True)
        x_hat = net.auto.decoder(z)
        rebuilt = (x_hat - x).square().sum() / N
        near_by = sum(s[i, c] * (x_hat[i] - x[near[i, c]]).square().sum() for i in range(N)
                      for c in range(3)) / N  # fmt: skip
        scatter = (q * distance).sum() / N
        optimizer.zero_grad()
        (rebuilt + 0.7 * near_by + 0.3 * scatter).backward()
        optimizer.step()
        losses.append([rebuilt.item(), near_by.item(), scatter.item()])

    model.refine(X)
    for record, by_hand in zip(model.history_[-2:], losses, strict=True):
        ours = [record[name] for name in ("reconstruction", "locality", "scatter")]
        assert ours == pytest.approx(by_hand)
    for ours, by_hand in zip(model.net_.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(ours, by_hand)


@pytest.mark.parametrize(("weight", "name"), [("locality", "locality"), ("gamma", "scatter")])
def test_each_weight_lowers_its_own_term(weight, name):
    ends = [
        started(**{"locality": 0.0, "gamma": 0.0, weight: value}, refine_epochs=80)
        .refine(X)
        .history_[-1][name]
        for value in (0.0, 5.0)
    ]
    assert ends[1] < 0.8 * ends[0]


def test_the_shares_of_new_samples_are_those_of_the_fit():
    model = started().refine(X)
    z, centers = model.transform(X), model.cluster_centers_
    distance = ((z[:, None] - centers) ** 2).sum(2)
    q = np.exp(-distance / distance.min(1).mean())
    expected = q / q.sum(1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-6)
    np.testing.assert_allclose(model.predict_proba(X[:3]), expected[:3], rtol=1e-6)


def test_the_centers_do_not_merge():
    blobs, _ = make_blobs(90, 5, centers=3, cluster_std=0.1, random_state=0)
    settings = {"layers": (8, 2), "pretrain_epochs": 50, "pretrain_lr": 0.01, "random_state": 0}
    model = DMC(3, **settings, refine_epochs=300, tol=0, lr=0.003, gamma=1.0).fit(blobs)
    z = model.transform(blobs)
    apart = np.linalg.norm(model.cluster_centers_[:, None] - model.cluster_centers_, axis=2)
    within = np.linalg.norm(z - model.cluster_centers_[model.labels_], axis=1).mean()
    assert apart[np.triu_indices(3, 1)].min() > 3 * within


def test_without_weights_the_network_only_rebuilds():
    model = started(locality=0.0, gamma=0.0)
    before = model.cluster_centers_.copy()
    model.refine(X)
    np.testing.assert_array_equal(model.cluster_centers_, before)


def test_stops_when_few_labels_move():
    model = started(tol=1.0).refine(X)
    assert [record["phase"] for record in model.history_].count("refine") == 1
    assert model.stop_reason_.endswith(" of the labels moved, tol=100.00%")


def test_labels_are_those_after_the_last_step():
    model = started(lr=0.5).refine(X)
    np.testing.assert_array_equal(model.labels_, model.predict(X))


def test_neighbours_of_images_are_compared_pixel_by_pixel():
    images = np.random.default_rng(0).random((12, 1, 8, 8))
    settings = {"pretrain_epochs": 2, "pretrain_lr": 0.1, "refine_epochs": 2, "random_state": 0}
    model = DMC(2, network="cnn", layers=(3, 4), **settings).fit(images)
    assert model.transform(images).shape == (12, 4)
