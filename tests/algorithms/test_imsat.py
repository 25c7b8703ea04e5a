"""IMSAT: information and steps by hand, and what the worst step is for."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from dclib.algorithms import IMSAT
from dclib.losses import adaptive_radius, adversarial_perturbation, random_perturbation
from dclib.runtime import seeded

N = 60
X, Y = make_blobs(N, 5, centers=3, random_state=0)
SETTINGS = {"layers": (8, 4), "train_epochs": 1, "batch_size": N, "random_state": 0}


def shrink(x):
    return 0.9 * x


@pytest.mark.parametrize(
    ("step", "views"),
    [("adversarial", None), ("random", None), ("views", shrink), ("adversarial", shrink)],
)
def test_one_step_equals_a_step_by_hand(step, views):
    model = IMSAT(3, **SETTINGS, step=step, views=views, head_scale=1.0).build(X)
    net, x = deepcopy(model.net_), torch.from_numpy(X)

    def say(rows):
        return net.head(net.body(rows)).softmax(1)

    radius = adaptive_radius(x, 10, 0.25)
    optimizer = torch.optim.Adam(net.parameters(), lr=model.lr)
    with seeded(0, "train"):
        i = torch.randperm(N)
        q, moved = say(x[i]), views(x[i]) if views else x[i]
        if step == "random":
            moved = moved + random_perturbation(moved, radius[i])
        if step == "adversarial":
            moved = moved + adversarial_perturbation(say, moved, radius[i], 3.5 * radius[i])
    moved, target, shares = say(moved), q.detach(), q.mean(0)
    stays = (target * (target / moved).log()).sum(1).mean()
    information = -4 * (shares * shares.log()).sum() + (q * q.log()).sum(1).mean()
    (stays - 0.1 * information).backward()
    optimizer.step()

    model.train(X)
    record = model.history_[0]
    assert record["self_augmentation"] == pytest.approx(stays.item())
    assert record["information"] == pytest.approx(information.item())
    torch.testing.assert_close(model.net_.head.weight, net.head.weight)


def test_begins_without_an_opinion():
    model = IMSAT(3, **SETTINGS).build(X)
    np.testing.assert_allclose(model.assign(torch.from_numpy(X)), 1 / 3, atol=0.01)


def test_finds_blobs():
    settings = SETTINGS | {"layers": (32, 16), "train_epochs": 40, "batch_size": 20}
    assert adjusted_rand_score(Y, IMSAT(3, **settings).fit(X).labels_) > 0.9


def test_an_unknown_step_is_refused():
    with pytest.raises(ValueError, match=r"step=.worst., expected one of .*adversarial"):
        IMSAT(3, step="worst").fit(X)
