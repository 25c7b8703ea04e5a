"""ASPC-DA: easy samples first, changed samples towards the centers of the clean ones."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from dclib.algorithms import ASPCDA

N = 60
X = np.random.default_rng(0).normal(size=(N, 5))
SETTINGS = {"layers": (8, 2), "pretrain_epochs": 5, "pretrain_lr": 0.1, "batch_size": N}
SETTINGS |= {"refine_epochs": 2, "tol": 0, "lr": 0.01, "random_state": 0}


def shrink(x):
    return 0.9 * x


def started(**changes):
    """A model that stands before its refinement."""
    return ASPCDA(3, **SETTINGS | changes).build(X).pretrain(X).place_centers(X)


def test_two_steps_equal_steps_by_hand():
    model = started(views=shrink)
    encoder, x = deepcopy(model.net_.auto.encoder), torch.from_numpy(X)
    centers = torch.from_numpy(model.cluster_centers_)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=0.01)
    losses = []
    for t in (0, 1):
        distance = (encoder(x)[:, None] - centers).square().sum(2).detach()
        own, labels = distance.min(1)
        easy = own <= own.mean() + t * own.std()
        far = (encoder(shrink(x)) - centers[labels]).square().sum(1)
        loss = far[easy].sum() / N
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append((loss.item(), easy.double().mean().item()))

    model.refine(X)
    found = [(record["scatter"], record["share"]) for record in model.history_[-2:]]
    assert found == [pytest.approx(pair) for pair in losses]


def test_centers_stay_where_they_were_placed():
    model = started()
    before = model.cluster_centers_
    np.testing.assert_array_equal(model.refine(X).cluster_centers_, before)


def test_pre_training_rebuilds_the_changed_samples():
    model = ASPCDA(3, **SETTINGS | {"pretrain_epochs": 1}, views=shrink).build(X)
    x = shrink(torch.from_numpy(X))
    error = (model.net_.auto(x) - x).square().mean().item()
    assert model.pretrain(X).history_[0]["reconstruction"] == pytest.approx(error)
