"""DBC: DEC's refinement with the boosted target."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from dclib.algorithms import DBC, DEC
from dclib.data import glyphs

N = 50
X = np.random.default_rng(0).normal(size=(N, 5))
SETTINGS = {"layers": (8, 2), "pretrain_epochs": 5, "pretrain_lr": 0.1, "batch_size": N}
SETTINGS |= {"refine_epochs": 2, "tol": 0, "lr": 0.1, "random_state": 0}


def started(cls=DBC, **changes):
    """A model that stands before its refinement."""
    return cls(n_clusters=3, **SETTINGS | changes).build(X).pretrain(X).place_centers(X)


@pytest.mark.parametrize("power", [1.5, 3.0])
def test_two_steps_equal_steps_by_hand(power):
    model = started(power=power)
    net, x = deepcopy(model.net_), torch.from_numpy(X)
    moving = [*net.auto.encoder.parameters(), *net.centers.parameters()]
    optimizer, losses = torch.optim.SGD(moving, lr=0.1, momentum=0.9), []
    for _ in range(2):
        s = 1 / (1 + (net.auto.encoder(x)[:, None] - net.centers.position).square().sum(2))
        s = s / s.sum(1, keepdim=True)
        r = s.detach() ** power
        r = r / r.sum(0)
        r = r / r.sum(1, keepdim=True)
        loss = (r * (r / s).log()).sum() / N
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    model.refine(X)
    assert [record["kl"] for record in model.history_[-2:]] == pytest.approx(losses)
    torch.testing.assert_close(model.net_.centers.position, net.centers.position)


def test_begins_where_dec_begins_and_ends_elsewhere():
    ours, theirs = started(), started(DEC)
    np.testing.assert_array_equal(ours.transform(X), theirs.transform(X))
    ours.refine(X), theirs.refine(X)
    assert not np.allclose(ours.transform(X), theirs.transform(X))


def test_a_larger_power_makes_surer():
    sure = [
        started(power=p, refine_epochs=30).refine(X).predict_proba(X).max(1).mean()
        for p in (1.5, 4.0)
    ]
    assert sure[0] < sure[1]


def test_images():
    x = glyphs(60, size=8).x.reshape(60, 1, 8, 8)
    model = DBC(3, network="cnn", layers=(4, 5), pretrain_epochs=1, refine_epochs=1).fit(x)
    assert model.transform(x).shape == (60, 5)
