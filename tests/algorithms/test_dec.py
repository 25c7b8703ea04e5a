"""DEC: what its paper says about the refinement."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from dclib.algorithms import DEC, dec

N = 50
X = np.random.default_rng(0).normal(size=(N, 5))


def started(**changes):
    """A model that stands before its refinement."""
    settings = {"layers": (8, 2), "pretrain_epochs": 5, "pretrain_lr": 0.1, "batch_size": 16}
    settings |= {"refine_epochs": 3, "tol": 0, "lr": 0.1, "random_state": 0}
    model = DEC(n_clusters=3, **settings | changes).build(X)
    return model.pretrain(X).place_centers(X)


def weights(part):
    return torch.nn.utils.parameters_to_vector(part.parameters()).detach()


def test_two_steps_equal_steps_by_hand():
    model = started(refine_epochs=2, batch_size=N)
    net, x = deepcopy(model.net_), torch.from_numpy(X)
    moving = [*net.auto.encoder.parameters(), *net.centers.parameters()]
    speeds, losses = [0] * len(moving), []

    for _ in range(2):
        q = 1 / (1 + (net.auto.encoder(x)[:, None] - net.centers.position).square().sum(2))
        q = q / q.sum(1, keepdim=True)
        p = q.detach() ** 2 / q.detach().sum(0)
        p = p / p.sum(1, keepdim=True)
        loss = (p * (p / q).log()).sum() / N
        gradients = torch.autograd.grad(loss, moving)
        speeds = [0.9 * v + g for v, g in zip(speeds, gradients, strict=True)]
        for weight, speed in zip(moving, speeds, strict=True):
            weight.data -= 0.1 * speed
        losses.append(loss.item())

    model.refine(X)
    assert [record["kl"] for record in model.history_[-2:]] == pytest.approx(losses)
    after = [*model.net_.auto.encoder.parameters(), *model.net_.centers.parameters()]
    for ours, by_hand in zip(after, moving, strict=True):
        torch.testing.assert_close(ours, by_hand)


def test_targets_are_computed_on_all_samples_once_an_epoch(monkeypatch):
    rows = []
    sharpen = dec.sharpen
    monkeypatch.setattr(dec, "sharpen", lambda q: rows.append(len(q)) or sharpen(q))
    started().refine(X)
    assert rows == [N, N, N]


def test_the_decoder_is_dropped():
    model = started()
    before = deepcopy(model.net_)
    model.refine(X)
    assert torch.equal(weights(model.net_.auto.decoder), weights(before.auto.decoder))
    assert not torch.equal(weights(model.net_.auto.encoder), weights(before.auto.encoder))
    assert not torch.equal(weights(model.net_.centers), weights(before.centers))


def test_the_target_draws_the_assignments_to_it():
    model = started(refine_epochs=20)
    before = model.predict_proba(X).max(1).mean()
    model.refine(X)
    assert model.predict_proba(X).max(1).mean() > before


def test_stops_when_few_labels_move():
    model = started(tol=1.0).refine(X)  # fewer than all of them
    assert [record["phase"] for record in model.history_].count("refine") == 1
    assert model.stop_reason_.startswith("refine: ")
    assert model.stop_reason_.endswith(" of the labels moved, tol=100.00%")


def test_does_not_stop_for_no_tolerance():
    model = started(tol=0, refine_epochs=4).refine(X)
    assert model.stop_reason_ == "refine: all 4 epochs done"


def test_the_first_epoch_never_stops():
    # Nothing has moved yet between the placing of the centers and the first epoch.
    assert started(tol=0.5).refine(X).history_[-1]["phase"] == "refine"


def test_labels_are_those_after_the_last_step():
    model = started(lr=5.0).refine(X)
    np.testing.assert_array_equal(model.labels_, model.predict(X))


def test_centers_start_at_the_means_of_kmeans():
    model = started()
    z = model.transform(X)
    means = [z[model.labels_ == j].mean(0) for j in range(3)]
    np.testing.assert_allclose(model.cluster_centers_, means, atol=1e-3)


def test_fit_goes_from_layer_by_layer_to_the_refinement():
    model = DEC(3, layers=(8, 2), layer_epochs=2, pretrain_epochs=1, refine_epochs=1).fit(X)
    phases = [record["phase"] for record in model.history_]
    assert phases == ["layer 1", "layer 1", "layer 2", "layer 2", "pretrain", "refine"]
