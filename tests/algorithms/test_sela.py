"""SeLa: labels in equal parts, learned from changed samples."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from dclib.algorithms import SeLa
from dclib.assign import sinkhorn

N = 60
X, Y = make_blobs(N, 5, centers=3, random_state=0)
SETTINGS = {"layers": (8, 4), "train_epochs": 1, "batch_size": N, "random_state": 0}
LOG_Q = torch.from_numpy(np.random.default_rng(0).normal([2, 1, 0], size=(N, 3))).log_softmax(1)


def shrink(x):
    return 0.9 * x


def test_one_step_equals_a_step_by_hand():
    model = SeLa(3, **SETTINGS, views=shrink).build(X)
    net, x = deepcopy(model.net_), torch.from_numpy(X)
    log_q = net.head(net.body(x)).log_softmax(1).detach()
    labels = sinkhorn(log_q / log_q.std(0).mean(), 1 / 25, 100).argmax(1)
    q = net.head(net.body(shrink(x))).softmax(1)
    model.train(X)
    by_hand = -q[range(N), labels].log().mean().item()
    assert model.history_[0]["classification"] == pytest.approx(by_hand)


def test_sharp_labels_are_those_of_the_exact_transport():
    assert LOG_Q.argmax(1).bincount().max() > 30  # they want the first cluster
    seats = LOG_Q.repeat_interleave(N // 3, dim=1)
    exact = linear_sum_assignment(seats.numpy(), maximize=True)[1] // (N // 3)
    assert SeLa(3, sharpness=1000.0, rounds=10_000).share_out(LOG_Q).tolist() == exact.tolist()


@pytest.mark.parametrize("unit", [0.01, 1, 100])
def test_parts_are_as_equal_for_a_sure_network_as_for_an_unsure_one(unit):
    labels = SeLa(3).share_out(unit * LOG_Q)
    assert labels.equal(SeLa(3).share_out(LOG_Q))
    assert np.ptp(labels.bincount().numpy()) <= 2  # the transport is not quite hard


def test_too_few_rounds_leave_parts_unequal():
    sizes = SeLa(3, sharpness=1000.0, rounds=1).share_out(LOG_Q).bincount()
    assert np.ptp(sizes.numpy()) > 10


def test_it_learns_the_labels_that_were_shared_out():
    class ByFirstNumber(SeLa):
        def share_out(self, log_q):
            return torch.arange(len(log_q)) // 20

    by_first, thirds = X[:, 0].argsort(), np.arange(N) // 20
    assert adjusted_rand_score(Y[by_first], thirds) < 0.8  # not what it would find by itself
    model = ByFirstNumber(3, **SETTINGS | {"train_epochs": 100, "lr": 0.05}, views=shrink)
    assert adjusted_rand_score(thirds, model.fit(X[by_first]).labels_) > 0.9


def test_finds_blobs():
    settings = SETTINGS | {"train_epochs": 40, "batch_size": 20, "lr": 0.01}
    assert adjusted_rand_score(Y, SeLa(3, **settings).fit(X).labels_) > 0.9
