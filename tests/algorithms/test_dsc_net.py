"""DSC-Nets: what the paper says about the coefficients, and what a transductive method refuses."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from dclib.algorithms import DSCNet
from dclib.data import subspaces
from dclib.losses import ridge_expression

N = 20
X = np.random.default_rng(0).normal(size=(N, 5))


def started(x=X, **changes):
    """A model that stands before its refinement."""
    settings = {"layers": (8, 3), "pretrain_epochs": 5, "refine_epochs": 2, "lr": 0.01}
    settings |= {"penalty": 0.4, "weight": 0.7, "random_state": 0}
    return DSCNet(n_clusters=3, **settings | changes).build(x).pretrain(x)


@pytest.mark.parametrize("norm", [1, 2])
def test_two_steps_equal_steps_by_hand(norm):
    model = started(norm=norm)
    auto, x = deepcopy(model.net_.auto), torch.from_numpy(X)
    c = torch.full((N, N), 1e-8, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([c, *auto.parameters()], lr=0.01)

    for _ in range(2):
        free = c if norm == 2 else c * (1 - torch.eye(N))  # diag(C) = 0
        z = auto.encoder(x)
        rebuilt = 0.5 * (auto.decoder(free @ z) - x).square().sum()
        size = c.square().sum() if norm == 2 else free.abs().sum()
        loss = rebuilt + 0.4 * size + 0.7 / 2 * (z - free @ z).square().sum()
        optimizer.zero_grad()
        (loss / N).backward()
        optimizer.step()

    model.refine(X)
    assert model.history_[-1]["reconstruction"] == pytest.approx(rebuilt.item() / N)
    ours = model.net_.c.detach()
    if norm == 1:
        ours, c = ours - ours.diagonal().diag(), c - c.diagonal().diag()
    torch.testing.assert_close(ours, c.detach())
    for mine, by_hand in zip(model.net_.auto.parameters(), auto.parameters(), strict=True):
        torch.testing.assert_close(mine, by_hand)


def test_the_decoder_is_given_the_combined_codes():
    model = started(weight=1e-9, penalty=1e-9, refine_epochs=300).refine(X)
    z = torch.from_numpy(model.transform(X))
    rebuilt = model.net_.auto.decoder(model.net_.c @ z).detach()
    error = (rebuilt - torch.from_numpy(X)).square().sum(1).mean().item() / 2
    assert error == pytest.approx(model.history_[-1]["reconstruction"], rel=0.1)


def test_a_frozen_network_stays_and_its_coefficients_do_not():
    model = started(frozen=True)
    before, c = deepcopy(model.net_.auto.state_dict()), model.net_.c.detach().clone()
    model.refine(X)
    torch.testing.assert_close(model.net_.auto.state_dict(), before, rtol=0, atol=0)
    assert not torch.equal(model.net_.c, c)


def test_coefficients_tend_to_the_closed_form_of_their_codes():
    model = started(refine_epochs=2000, lr=0.003, penalty=1.0, weight=50.0).refine(X)
    z = torch.from_numpy(model.transform(X))
    closed = ridge_expression(z, 2 * 1.0 / 50.0, zero_diagonal=False)
    c = model.net_.c.detach()
    assert (c - closed).norm() < 0.3 * closed.norm()  # rebuilding pulls at them too


def test_finds_subspaces():
    data = subspaces(100, dim=3, noise=0.02, overlap=0)
    settings = {"layers": (20,), "pretrain_epochs": 300, "refine_epochs": 300, "lr": 0.01}
    model = DSCNet(data.n_classes, **settings, penalty=0.05, random_state=0).fit(data.x)
    assert adjusted_rand_score(data.y, model.labels_) > 0.9


def test_images_give_codes_of_the_last_convolution():
    images = np.random.default_rng(0).random((12, 1, 8, 8))
    settings = {"pretrain_epochs": 2, "refine_epochs": 2, "random_state": 0}
    model = DSCNet(2, network="cnn", layers=(3, 5), **settings).fit(images)
    assert model.transform(images).shape == (12, 5 * 2 * 2)
    assert (model.transform(images) >= 0).all()


def test_the_paper_s_steps_change_the_cut_alone():
    plain, tuned = (started(**changes) for changes in ({}, {"keep": 0.5, "rank": 1, "power": 2.0}))
    for model in (plain, tuned):
        model.refine(X).cut(X)
    assert torch.equal(plain.net_.c, tuned.net_.c)
    assert set(tuned.labels_) <= {0, 1, 2}


def test_memory_is_checked_before_anything_is_allocated():
    model = DSCNet(2, memory=1.0, random_state=0)
    many = np.broadcast_to(np.arange(2.0), (40_000, 2))
    message = "n_samples=40000 take 51.2 GB for n x n numbers, expected at most memory=1.0 GB"
    with pytest.raises(ValueError, match=message):
        model.fit(many)
    assert not hasattr(model, "net_")


def test_new_samples_have_no_door():
    model = started().refine(X).cut(X)
    for name in ("predict", "predict_proba"):
        assert not hasattr(model, name)
        with pytest.raises(AttributeError, match="DSCNet"):
            getattr(model, name)
    assert model.transform(X[:3]).shape == (3, 3)  # the encoder knows no samples
