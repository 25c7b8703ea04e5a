"""DNC: clusters open and close, and how many there are is said in the end."""

import copy

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from dclib.algorithms import DNC
from dclib.data import blobs
from dclib.losses import margin_loss

SETTINGS = {"layers": (20,), "batch_size": 32, "random_state": 0}


@pytest.fixture(scope="module")
def fitted():
    data = blobs(300, 4, n_features=5, separation=7.0, random_state=10)
    return data, DNC(n_clusters=1, **SETTINGS).fit(data.x)


def test_infers_the_number_of_blobs_from_one_cluster(fitted):
    data, model = fitted
    assert abs(model.n_clusters_ - 4) <= 2
    assert adjusted_rand_score(data.y, model.labels_) > 0.7
    assert sorted(set(model.labels_)) == list(range(model.n_clusters_))


@pytest.mark.parametrize("groups", [4, 8])
def test_two_machines_infer_about_as_many_clusters_as_there_are_blobs(groups):
    found = []
    for seed in range(3):
        x = blobs(200, groups, n_features=5, separation=7.0, random_state=10 + seed).x
        model = DNC(layers=(40, 10), pretrain_epochs=50, batch_size=50, random_state=seed)
        model.build(x).pretrain(x)
        net = copy.deepcopy(model.net_.state_dict())
        for start in (1, 8):
            model.net_.load_state_dict(net)
            model.set_params(n_clusters=start).open(x).cluster(x).refine(x)
            found.append(model.n_clusters_)
    assert abs(np.mean(found[::2]) - groups) <= 2  # from one cluster
    assert abs(np.mean(found[1::2]) - groups) <= 2  # from eight


def test_the_second_machine_learns_more_than_one_direction():
    x = blobs(150, 3, n_features=10, random_state=1).x
    model = DNC(1, layers=(16, 4), pretrain_epochs=20, pretrain_lr=0.1, random_state=0)
    z = model.build(x).pretrain(x).transform(x)
    first, second, *_ = np.linalg.svd(z - z.mean(0), compute_uv=False)
    assert second > 0.3 * first  # three blobs span two


def test_probabilities_are_those_of_sizes_and_scores(fitted):
    data, model = fitted
    z = np.column_stack([model.transform(data.x), np.ones(len(data.x))])
    weight = model.net_.head.weight.detach().numpy()
    odds = np.bincount(model.labels_) * np.exp(z @ weight.T)
    expected = odds / odds.sum(1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(data.x), expected, atol=1e-12)


def test_a_larger_concentration_opens_more():
    x = blobs(150, 3, n_features=4, separation=4.0, random_state=1).x
    settings = SETTINGS | {"precision": 0.15, "pretrain_epochs": 20, "refine_epochs": 0}
    found = [DNC(1, **settings, concentration=c).fit(x).n_clusters_ for c in (1e-6, 1.0, 1e6)]
    assert found == sorted(found)
    assert found[0] < found[2]


def test_codes_have_mean_zero_and_variance_one_before_the_refinement():
    x = blobs(150, 3, n_features=4, random_state=1).x
    z = DNC(3, **SETTINGS).build(x).pretrain(x).transform(x)
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-10)
    assert z.var() == pytest.approx(1)


def test_the_refinement_lowers_the_margin_loss_through_the_network():
    x = blobs(150, 3, n_features=4, separation=3.0, random_state=1).x
    model = DNC(3, **SETTINGS, pretrain_epochs=20, lr=0.003).build(x).pretrain(x).open(x)
    model.cluster(x)

    def loss():
        z = torch.from_numpy(np.column_stack([model.transform(x), np.ones(len(x))]))
        labels = torch.from_numpy(model.labels_)
        return margin_loss(z, model.net_.head.weight.detach(), labels, model.margin).item()

    before, weight = loss(), model.net_.encoder[0].weight.detach().clone()
    model.refine(x)
    assert loss() < before
    assert not torch.equal(weight, model.net_.encoder[0].weight)


def test_a_file_brings_back_as_many_clusters_as_were_inferred(fitted, tmp_path):
    data, model = fitted
    model.save(tmp_path / "a.pt")
    again = DNC.load(tmp_path / "a.pt")
    assert again.n_clusters_ == model.n_clusters_
    np.testing.assert_array_equal(again.predict_proba(data.x), model.predict_proba(data.x))
