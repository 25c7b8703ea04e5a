"""IDEC: DEC that keeps its decoder."""

from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from dclib.algorithms import IDEC, idec
from dclib.loop import epochs
from dclib.networks import train_end_to_end
from dclib.runtime import seeded
from dclib.schedules import Linear, Step

N = 50
X = np.random.default_rng(0).normal(size=(N, 5))


def small(**changes):
    settings = {"layers": (8, 2), "pretrain_epochs": 5, "pretrain_lr": 0.1, "batch_size": 16}
    settings |= {"refine_epochs": 3, "tol": 0, "random_state": 0}
    return IDEC(n_clusters=3, **settings | changes)


def started(**changes):
    """A model that stands before its refinement."""
    return small(**changes).build(X).pretrain(X).place_centers(X)


def weights(part):
    return torch.nn.utils.parameters_to_vector(part.parameters()).detach()


def test_one_step_equals_a_step_by_hand():
    model = started(refine_epochs=1, batch_size=N, gamma=0.3, lr=0.01)
    net, x = deepcopy(model.net_), torch.from_numpy(X)

    z = net.auto.encoder(x)
    q = 1 / (1 + (z[:, None] - net.centers.position).square().sum(2))
    q = q / q.sum(1, keepdim=True)
    p = q.detach() ** 2 / q.detach().sum(0)
    p = p / p.sum(1, keepdim=True)
    reconstruction = torch.nn.functional.mse_loss(net.auto.decoder(z), x)
    kl = (p * (p / q).log()).sum() / N
    (reconstruction + 0.3 * kl).backward()
    torch.optim.Adam(net.parameters(), lr=0.01).step()

    model.refine(X)
    record = model.history_[-1]
    assert record["reconstruction"] == pytest.approx(reconstruction.item())
    assert record["kl"] == pytest.approx(kl.item())
    torch.testing.assert_close(weights(model.net_), weights(net))


def test_targets_are_computed_on_all_samples_once_an_epoch(monkeypatch):
    rows = []
    sharpen = idec.sharpen
    monkeypatch.setattr(idec, "sharpen", lambda q: rows.append(len(q)) or sharpen(q))
    started().refine(X)
    assert rows == [N, N, N]


def test_without_gamma_the_refinement_is_training_of_the_autoencoder():
    model = started(gamma=0)
    rival = deepcopy(model.net_)
    with seeded(model.seed_, "refine"):
        optimizer = torch.optim.Adam(rival.auto.parameters(), lr=model.lr)
        train_end_to_end(rival.auto, torch.from_numpy(X), epochs(3), optimizer, batch_size=16)
    model.refine(X)
    torch.testing.assert_close(weights(model.net_.auto), weights(rival.auto))
    assert torch.equal(weights(model.net_.centers), weights(rival.centers))


def test_fit_goes_from_layer_by_layer_to_the_refinement():
    model = small(layer_epochs=1, pretrain_epochs=1, refine_epochs=2).fit(X)
    phases = [record["phase"] for record in model.history_]
    assert phases == ["layer 1", "layer 2", "pretrain", "refine", "refine"]


def test_the_decoder_stays_in_training():
    model = started()
    before = deepcopy(model.net_)
    model.refine(X)
    assert not torch.equal(weights(model.net_.auto.encoder), weights(before.auto.encoder))
    assert not torch.equal(weights(model.net_.auto.decoder), weights(before.auto.decoder))
    assert not torch.equal(weights(model.net_.centers), weights(before.centers))


def paths(gamma):
    """The weights after every epoch of the refinement."""
    seen = []

    def watch(model, record):
        if record["phase"] == "refine":
            seen.append(weights(model.net_))

    small(gamma=gamma, refine_epochs=4).fit(X, watch=watch)
    return seen


def test_a_schedule_of_gamma_is_followed():
    never, late = paths(gamma=0), paths(gamma=Step(0, 1, at=0.5))  # t = 0, 1/3, 2/3, 1
    same = [torch.equal(a, b) for a, b in zip(never, late, strict=True)]
    assert same == [True, True, False, False]


@dataclass
class Recorder:
    seen: list = field(default_factory=list)

    def __call__(self, t):
        self.seen.append(t)
        return 0.1


def test_progress_runs_from_0_to_1_over_the_refinement():
    gamma = Recorder()
    started(gamma=gamma, batch_size=25).refine(X)
    assert gamma.seen == [0, 0, 0.5, 0.5, 1, 1]


def test_a_number_is_a_constant_schedule():
    for constant, ramp in zip(paths(gamma=0.2), paths(gamma=Linear(0.2, 0.2)), strict=True):
        assert torch.equal(constant, ramp)


def test_stops_when_few_labels_move():
    model = started(tol=1.0).refine(X)
    assert [record["phase"] for record in model.history_].count("refine") == 1
    assert model.stop_reason_.endswith(" of the labels moved, tol=100.00%")


def test_a_schedule_is_saved(tmp_path):
    model = small(gamma=Linear(0, 0.2)).fit(X)
    model.save(tmp_path / "a.pt")
    loaded = IDEC.load(tmp_path / "a.pt")
    assert loaded.gamma == Linear(0, 0.2)
    np.testing.assert_array_equal(loaded.predict(X), model.labels_)


def test_a_fit_with_a_schedule_resumes_where_the_schedule_was(tmp_path):
    def interrupt(model, record):
        if (record["phase"], record["epoch"]) == ("refine", 2):
            raise KeyboardInterrupt

    def model(gamma):
        return small(gamma=gamma, refine_epochs=4)

    whole = model(Linear(0, 0.2)).fit(X)
    with pytest.raises(KeyboardInterrupt):
        model(Linear(0, 0.2)).fit(X, watch=interrupt, checkpoint=tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"gamma=.*'end': 0\.2.* \(now .*'end': 0\.3"):
        model(Linear(0, 0.3)).fit(X, checkpoint=tmp_path / "a.pt")
    resumed = model(Linear(0, 0.2)).fit(X, checkpoint=tmp_path / "a.pt")
    assert torch.equal(weights(resumed.net_), weights(whole.net_))
    assert resumed.history_ == whole.history_
