"""DEPICT: what its paper says about the noisy path, the targets and the start."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from dclib.algorithms import DEPICT, depict
from dclib.losses import agglomerate, directed_graph, nearest_components

N = 60
X, Y = make_blobs(N, 5, centers=3, random_state=0)
X = X / X.std()


def started(**changes):
    """A model whose softmax stands before the refinement."""
    settings = {"layers": (8, 6, 2), "pretrain_epochs": 5, "head_epochs": 3, "refine_epochs": 2}
    settings |= {"tol": 0, "lr": 0.01, "batch_size": N, "random_state": 0}
    model = DEPICT(n_clusters=3, **settings | changes).build(X)
    return model.pretrain(X).place_head(X)


def rebuilding(auto, x, hidden_weight):
    """The sum over layers of the paper's second term, for a network without noise."""
    e, d = auto.encoder, auto.decoder
    h1 = e[1](e[0](x))
    h2 = e[3](e[2](h1))
    z = e[4](h2)
    r2 = d[1](d[0](z))
    r1 = d[3](d[2](r2))
    r0 = d[4](r1)
    errors = [(r0 - x).square().mean(), (r1 - h1.detach()).square().mean()]
    errors.append((r2 - h2.detach()).square().mean())
    return errors[0] + hidden_weight * (errors[1] + errors[2]), z


@pytest.mark.parametrize("target", ["root", "square"])
def test_two_steps_equal_steps_by_hand(target):
    model = started(drop=0.0, hidden_weight=0.3, gamma=0.7, target=target)
    net, x = deepcopy(model.net_), torch.from_numpy(X)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    losses = []

    for _ in range(2):
        rebuilt, z = rebuilding(net.auto, x, 0.3)
        p = torch.exp(z @ net.head.weight.T + net.head.bias)
        p = p / p.sum(1, keepdim=True)
        sizes = p.detach().sum(0)
        q = p.detach() / sizes**0.5 if target == "root" else p.detach() ** 2 / sizes
        q = q / q.sum(1, keepdim=True)
        clustering = -(q * p.log()).sum() / N
        optimizer.zero_grad()
        (rebuilt + 0.7 * clustering).backward()
        optimizer.step()
        losses.append([rebuilt.item(), clustering.item()])

    model.refine(X)
    for record, by_hand in zip(model.history_[-2:], losses, strict=True):
        assert [record["reconstruction"], record["clustering"]] == pytest.approx(by_hand)
    for ours, by_hand in zip(model.net_.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(ours, by_hand)


def test_noise_enters_the_prediction_that_is_trained_and_not_the_target(monkeypatch):
    targets, noisy = [], []
    layer_outputs = depict.layer_outputs

    def spy(net, x, drop=()):
        if any(drop):
            noisy.append(drop)
        return layer_outputs(net, x, drop)

    model = started(drop=0.3)
    monkeypatch.setattr(depict, "layer_outputs", spy)
    monkeypatch.setitem(depict.TARGETS, "root", lambda p: targets.append(p) or p)
    model.refine(X)
    assert noisy == [[0.3, 0.3]] * 2  # input and first hidden layer, not what the code is made of
    assert len(targets) == 2
    clean = started(drop=0.3).assign(torch.from_numpy(X))
    torch.testing.assert_close(targets[0], clean)


def test_the_softmax_starts_at_the_directions_of_the_mean_codes():
    model = started()
    z = model.transform(X)
    means = np.stack([z[model.labels_ == j].mean(0) for j in range(3)])
    expected = means / np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(model.net_.head.weight.detach(), expected, atol=1e-6)
    assert not model.net_.head.bias.any()


def test_the_agglomerative_start_merges_codes_on_a_graph_that_counts_both_ways():
    model = started(start="agglomerative", n_neighbors=5)
    graph = directed_graph(torch.from_numpy(model.transform(X)), 5)
    merged = agglomerate(graph + graph.T, nearest_components(graph), 3)
    assert adjusted_rand_score(model.labels_, merged) == 1


def test_many_samples_are_merged_by_the_means_of_small_clusters(monkeypatch):
    merged = []

    def graph(z, n_neighbors):
        merged.append(len(z))
        return directed_graph(z, n_neighbors)

    whole = started(start="agglomerative", n_neighbors=5)
    monkeypatch.setattr("dclib.algorithms.depict.directed_graph", graph)
    model = started(start="agglomerative", n_neighbors=5, n_merged=30)
    assert merged == [30]
    assert adjusted_rand_score(model.labels_, whole.labels_) > 0.9


def test_fewer_small_clusters_than_clusters_are_refused():
    model = DEPICT(n_clusters=3, start="agglomerative", n_merged=2)
    with pytest.raises(ValueError, match="n_merged=2, expected at least n_clusters=3"):
        model.fit(np.zeros((10, 2)))


def test_the_head_learns_the_labels_of_its_start():
    model = started(head_epochs=200, drop=0.0)
    start = model.labels_.copy()
    model.fit_head(X)
    assert adjusted_rand_score(start, model.assign(torch.from_numpy(X)).argmax(1)) > 0.9


def test_finds_blobs():
    settings = {"layers": (16, 2), "pretrain_epochs": 60, "refine_epochs": 20, "lr": 0.01}
    model = DEPICT(3, **settings, batch_size=20, random_state=0).fit(X)
    assert adjusted_rand_score(Y, model.labels_) > 0.9


def test_stops_when_few_labels_move():
    model = started(tol=1.0).refine(X)
    assert [record["phase"] for record in model.history_].count("refine") == 1
    assert model.stop_reason_.endswith(" of the labels moved, tol=100.00%")


@pytest.mark.parametrize(("name", "expected"), [
    ("start", "'kmeans' or 'agglomerative'"), ("target", "'root' or 'square'"),
])  # fmt: skip
def test_what_is_not_offered_is_refused(name, expected):
    with pytest.raises(ValueError, match=f"DEPICT: {name}='other', expected {expected}"):
        DEPICT(3, **{name: "other"}).fit(X)


def test_images_go_through_convolutions():
    images = np.random.default_rng(0).random((12, 1, 8, 8))
    settings = {"pretrain_epochs": 2, "head_epochs": 1, "refine_epochs": 2, "random_state": 0}
    model = DEPICT(2, network="cnn", layers=(3, 4, 2), **settings).fit(images)
    assert model.predict_proba(images).shape == (12, 2)
