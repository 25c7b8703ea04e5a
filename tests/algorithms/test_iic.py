"""IIC: the information of two views by hand, the choice of a head, and what the views change."""

import itertools
from copy import deepcopy

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from dclib.algorithms import IIC

N = 60
X, Y = make_blobs(N, 5, centers=3, random_state=0)
SETTINGS = {"layers": (8, 4), "train_epochs": 1, "batch_size": N, "random_state": 0}


def shrink(x):
    return 0.9 * x


def information(q, q_view):
    joint = (q.T @ q_view + q_view.T @ q) / (2 * len(q))
    shares = joint.sum(0)
    return (joint * (joint / shares[:, None] / shares).log()).sum()


def test_one_step_equals_a_step_by_hand():
    model = IIC(3, **SETTINGS, n_heads=2, n_over=5, views=shrink).build(X)
    net, x = deepcopy(model.net_), torch.from_numpy(X)
    optimizer = torch.optim.Adam(net.parameters(), lr=model.lr)
    z, z_view = net.body(x), net.body(shrink(x))
    own, over = (
        [information(head(z)[:, h], head(z_view)[:, h]) for h in range(2)] for head in net.heads
    )
    (-sum(own) / 2 - sum(over) / 2).backward()
    optimizer.step()

    model.train(X)
    assert model.history_[0]["information"] == pytest.approx(sum(own).item() / 2)
    assert model.net_.best == np.argmax([one.item() for one in own])
    for ours, by_hand in zip(model.net_.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(ours, by_hand)


def test_copies_of_a_sample_meet_the_sample_itself():
    seen = []

    def views(x):
        seen.append(x.clone())
        return x

    IIC(3, **SETTINGS, n_copies=2, views=views).fit(X)
    assert seen[0].shape == (2 * N, 5)
    torch.testing.assert_close(seen[0][:N], seen[0][N:])


def test_the_rate_falls_from_lr_towards_0():
    rates = []

    def watch(estimator, record):
        rates.append(estimator.net_.body[0].weight.clone())

    IIC(3, **SETTINGS | {"train_epochs": 10}, views=shrink).fit(X, watch=watch)
    steps = [(b - a).abs().max().item() for a, b in itertools.pairwise(rates)]
    assert steps[-1] < 0.2 * max(steps)


def test_finds_blobs():
    settings = SETTINGS | {"train_epochs": 60, "batch_size": 20, "lr": 0.01}
    assert adjusted_rand_score(Y, IIC(3, **settings).fit(X).labels_) > 0.9


def test_a_view_that_says_nothing_leaves_nothing_to_agree_on():
    def erase(x):
        return torch.zeros_like(x)

    model = IIC(3, **SETTINGS | {"train_epochs": 20}, views=erase).fit(X)
    assert model.history_[-1]["information"] < 0.01
