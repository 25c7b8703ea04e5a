"""DCN: what its paper says about the steps by turns."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from dclib.algorithms import DCN
from dclib.schedules import Linear

N = 50
X = np.random.default_rng(0).normal(size=(N, 5))


def started(**changes):
    """A model that stands before its refinement."""
    settings = {"layers": (8, 2), "pretrain_epochs": 5, "pretrain_lr": 0.1, "batch_size": N}
    settings |= {"refine_epochs": 2, "tol": 0, "lr": 0.01, "weight": 0.6, "random_state": 0}
    model = DCN(n_clusters=3, **settings | changes).build(X)
    return model.pretrain(X).place_centers(X)


def nearest(z, centers):
    return (z[:, None] - centers).square().sum(2).argmin(1)


def test_two_epochs_equal_steps_by_hand():
    model = started()
    net, x = deepcopy(model.net_), torch.from_numpy(X)
    auto, centers = net.auto, net.centers.position.detach().clone()
    optimizer = torch.optim.Adam(auto.parameters(), lr=0.01)
    counts, losses = [100.0] * 3, []

    for _ in range(2):
        labels = nearest(auto.encoder(x), centers)
        z = auto.encoder(x)
        rebuilt = sum((a - b).square().sum() for a, b in zip(auto.decoder(z), x, strict=True)) / N
        scatter = sum((a - centers[j]).square().sum() for a, j in zip(z, labels, strict=True)) / N
        optimizer.zero_grad()
        (rebuilt + 0.6 / 2 * scatter).backward()
        optimizer.step()
        z = auto.encoder(x).detach()
        given = nearest(z, centers)
        for code, j in zip(z, given.tolist(), strict=True):  # one by one, each nearer to its mean
            counts[j] += 1
            centers[j] -= (centers[j] - code) / counts[j]
        losses.append((rebuilt.item(), scatter.item()))

    model.refine(X)
    logged = [(record["reconstruction"], record["kmeans"]) for record in model.history_[-2:]]
    assert logged == [pytest.approx(pair) for pair in losses]
    torch.testing.assert_close(model.net_.centers.position.detach(), centers)
    torch.testing.assert_close(model.net_.counts, torch.tensor(counts, dtype=torch.float64))
    for ours, by_hand in zip(model.net_.auto.parameters(), auto.parameters(), strict=True):
        torch.testing.assert_close(ours, by_hand)


def test_every_center_moves_and_counts_stay_floats():
    model = started(batch_size=10)
    before = model.cluster_centers_.copy()
    model.refine(X)
    assert (np.abs(model.cluster_centers_ - before).sum(1) > 0).all()
    assert model.net_.counts.is_floating_point()
    assert model.net_.counts.sum() == 300 + 2 * N


def test_without_weight_the_network_only_rebuilds():
    ours = started(weight=0.0)
    net, x = deepcopy(ours.net_.auto), torch.from_numpy(X)
    ours.refine(X)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        (net(x) - x).square().sum(1).mean().backward()
        optimizer.step()
    torch.testing.assert_close(ours.net_.auto.encoder[0].weight, net.encoder[0].weight)


def test_the_weight_tightens_the_clusters():
    scatter = [
        started(weight=weight, refine_epochs=100).refine(X).history_[-1]["kmeans"]
        for weight in (0.0, 10.0)
    ]
    assert scatter[1] < scatter[0] / 2


def test_the_weight_may_be_a_schedule():
    model = started(weight=Linear(0, 1), refine_epochs=3).refine(X)
    assert model.stop_reason_ == "refine: all 3 epochs done"


def test_stops_when_few_labels_move():
    model = started(tol=1.0).refine(X)
    assert [record["phase"] for record in model.history_].count("refine") == 1
    assert model.stop_reason_.endswith(" of the labels moved, tol=100.00%")


def test_labels_are_those_of_the_nearest_centers_after_the_last_step():
    model = started(lr=0.5).refine(X)
    codes = torch.from_numpy(model.transform(X))
    by_hand = nearest(codes, torch.from_numpy(model.cluster_centers_))
    np.testing.assert_array_equal(model.labels_, by_hand)
    np.testing.assert_array_equal(model.labels_, model.predict(X))
