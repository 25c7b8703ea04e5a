"""A schedule is a frozen function of progress t in [0, 1]; a convention reads a paper's letter."""

from dataclasses import FrozenInstanceError
from math import inf, nan

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.preprocessing import StandardScaler

from dclib.algorithms import IDEC
from dclib.assign import sharpen, student_t
from dclib.losses import assignment_kl, kmeans_loss, squared_error
from dclib.networks import Autoencoder
from dclib.runtime import seeded
from dclib.schedules import (
    CONVENTIONS,
    PUBLISHED,
    Constant,
    Convention,
    Cosine,
    Linear,
    Step,
    schedule,
)


@pytest.mark.parametrize(
    ("move", "expected"),  # at t = 0, 1/4, 1/2, 3/4, 1
    [
        (Constant(3), [3, 3, 3, 3, 3]),
        (Step(1, 5), [1, 1, 5, 5, 5]),
        (Step(1, 5, at=0.75), [1, 1, 1, 5, 5]),
        (Step(1, 5, at=0), [5, 5, 5, 5, 5]),
        (Linear(1, 5), [1, 2, 3, 4, 5]),
        (Linear(5, 1), [5, 4, 3, 2, 1]),
        (Cosine(1, 5), [1, 3 - 2**0.5, 3, 3 + 2**0.5, 5]),  # 3 - 2 cos(pi t)
    ],
    ids=repr,
)
def test_values(move, expected):
    assert [move(t) for t in (0, 0.25, 0.5, 0.75, 1)] == pytest.approx(expected)


@pytest.mark.parametrize(("start", "end"), [(0, 0.2), (0.1, 0.3), (0.8, 0.3), (1e-6, 1 / 11)])
@pytest.mark.parametrize("kind", [Step, Linear, Cosine])
def test_both_ends_are_met_exactly(kind, start, end):
    assert (kind(start, end)(0.0), kind(start, end)(1.0)) == (start, end)


@pytest.mark.parametrize("kind", [Linear, Cosine])
def test_a_ramp_between_equal_ends_is_constant_and_others_never_turn_back(kind):
    grid = np.linspace(0, 1, 101)
    assert np.ptp([kind(0.5, 0.5)(t) for t in grid]) == 0
    assert (np.diff([kind(0.1, 0.7)(t) for t in grid]) > 0).all()
    assert (np.diff([kind(0.7, 0.1)(t) for t in grid]) < 0).all()


def test_number_becomes_constant_and_schedule_stays():
    ramp = Linear(0, 1)
    assert schedule(0.1) == Constant(0.1)
    assert schedule(ramp) is ramp


def test_compares_and_prints():
    assert Linear(0, 1) == Linear(0, 1) != Linear(0, 2)
    assert repr(Step(0, 1)) == "Step(start=0, end=1, at=0.5)"


@pytest.mark.parametrize("move", [Constant(1), Step(0, 1), Linear(0, 1), Cosine(0, 1)], ids=repr)
def test_is_frozen(move):
    with pytest.raises(FrozenInstanceError):
        move.end = 2


@pytest.mark.parametrize("bad", [nan, inf, "1", None, True, [1]])
def test_a_number_that_is_none_is_refused(bad):
    for make, name in ((Constant, "value"), (lambda v: Linear(0, v), "end")):
        with pytest.raises(ValueError, match=f"{name}=.*, expected a finite number"):
            make(bad)
    with pytest.raises(ValueError, match="Cosine: start="):
        Cosine(bad, 1)


@pytest.mark.parametrize("at", [-0.1, 1.1, 30])
def test_a_step_outside_the_run_is_refused(at):
    with pytest.raises(ValueError, match=f"Step: at={at}, expected a number from 0 to 1"):
        Step(0, 1, at=at)


def test_numbers_of_numpy_are_numbers():
    assert Linear(np.float32(0), np.int64(2))(0.5) == 1


# ---- a schedule in a run


X = StandardScaler().fit_transform(make_blobs(60, 5, centers=3, random_state=0)[0])
RAMP = Linear(0, 0.2)


def small(gamma=RAMP):
    settings = {"pretrain_lr": 0.1, "lr": 0.05, "tol": 0, "batch_size": 16, "random_state": 0}
    return IDEC(3, layers=(8, 2), pretrain_epochs=3, refine_epochs=6, gamma=gamma, **settings)


@pytest.mark.parametrize("epoch", range(6))
def test_a_resumed_run_goes_on_where_its_schedule_stood(epoch, tmp_path):
    def interrupt(estimator, record):
        if (record["phase"], record["epoch"]) == ("refine", epoch):
            raise KeyboardInterrupt

    whole = small().fit(X)
    with pytest.raises(KeyboardInterrupt):
        small().fit(X, watch=interrupt, checkpoint=tmp_path / "a.pt")
    resumed = small().fit(X, checkpoint=tmp_path / "a.pt")
    assert resumed.history_ == whole.history_
    assert (resumed.labels_ == whole.labels_).all()
    for name, weights in whole.net_.state_dict().items():
        assert torch.equal(resumed.net_.state_dict()[name], weights)
    assert whole.history_ != small(0.2).fit(X).history_  # the ramp is felt


def test_a_checkpoint_of_another_schedule_is_refused(tmp_path):
    small().fit(X, checkpoint=tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"was written with gamma=\{'schedule': 'Linear'"):
        small(Cosine(0, 0.2)).fit(X, checkpoint=tmp_path / "a.pt")


# ---- one weight, many letters


def gradients(loss, auto):
    grads = torch.autograd.grad(loss, list(auto.parameters()), retain_graph=True)
    return torch.cat([g.flatten() for g in grads])


D = 7
with seeded(0):
    x = torch.rand(12, D, dtype=torch.float64)
    auto = Autoencoder((D, 5, 2), dtype=torch.float64)
    centers = torch.randn(3, 2, dtype=torch.float64)
z = auto.encoder(x)
x_hat = auto.decoder(z)
q = student_t(z, centers)
kl = assignment_kl(sharpen(q), q)
km = kmeans_loss(z, centers, q.argmax(1))
SUM = (x_hat - x).square().sum(1).mean()
MEAN = (x_hat - x).square().mean()
WRITTEN = {  # each loss as its source writes it, with the letter v
    "this book": lambda v: (v * kl + (1 - v) * SUM, kl),
    "Aljalbout et al.": lambda v: (v * kl + (1 - v) * SUM, kl),
    "Min et al.": lambda v: (v * SUM + (1 - v) * kl, kl),
    "IDEC, paper": lambda v: (SUM + v * kl, kl),
    "IDEC, code": lambda v: (MEAN + v * kl, kl),
    "IDEC in ClustPy, to 2025": lambda v: (MEAN + v * kl, kl),
    "DCN, paper": lambda v: (SUM + v / 2 * km, km),
    "DCN, code": lambda v: (km + v * SUM, km),
    "DCN in ClustPy, from 2025": lambda v: (SUM + 0.5 * v * km, km),
    "Deep k-means, code": lambda v: (SUM + v * km, km),
    "DEPICT, code": lambda v: (MEAN + v * kl, kl),
    "IMSAT, code": lambda v: (SUM + v * km, km),
    "VaDE, code": lambda v: (v * D * MEAN + km, km),
    "DSC-Nets, code": lambda v: (0.5 * SUM + v * 0.5 * km, km),
    "DEN in ClustPy": lambda v: (SUM + v * km, km),
}


@pytest.mark.parametrize("name", CONVENTIONS)
@pytest.mark.parametrize("letter", [0.05, 0.3, 0.9])
def test_the_converted_loss_is_the_written_loss_but_for_its_scale(name, letter):
    theirs, clustering = WRITTEN[name](letter)
    convention = CONVENTIONS[name]
    alpha, scale = convention.alpha(letter, D), convention.scale(letter, D)
    ours = alpha * clustering + (1 - alpha) * squared_error(x_hat, x)
    torch.testing.assert_close(gradients(theirs, auto), scale * gradients(ours, auto))


@pytest.mark.parametrize("name", CONVENTIONS)
@pytest.mark.parametrize("letter", [1e-4, 0.1, 0.5, 0.999])
def test_there_and_back(name, letter):
    convention = CONVENTIONS[name]
    assert convention.value(convention.alpha(letter, d=64), d=64) == pytest.approx(letter)


def test_one_weight_in_four_notations():
    alpha = CONVENTIONS["IDEC, paper"].alpha(0.1)
    assert alpha == pytest.approx(1 / 11)
    assert CONVENTIONS["Min et al."].value(alpha) == pytest.approx(10 / 11)
    assert CONVENTIONS["DCN, paper"].value(alpha) == pytest.approx(0.2)
    assert CONVENTIONS["DCN, code"].value(alpha) == pytest.approx(10)
    assert CONVENTIONS["IDEC, code"].value(alpha, d=784) == pytest.approx(0.1 / 784)


def test_a_mean_over_features_counts_the_clustering_d_times():
    code, paper = CONVENTIONS["IDEC, code"], CONVENTIONS["IDEC, paper"]
    assert code.alpha(0.1, d=64) == pytest.approx(paper.alpha(6.4)) == pytest.approx(6.4 / 7.4)
    assert code.alpha(0.1, d=1) == paper.alpha(0.1)


def test_the_ends():
    for name, convention in CONVENTIONS.items():
        only = 1 if convention.on == "network" else 0  # the letter's own loss is gone at 0
        assert convention.alpha(0, d=9) == only, name
        assert convention.value(only, d=9) == 0, name
        if convention.convex:
            assert convention.alpha(1, d=9) == 1 - only
            assert convention.value(1 - only, d=9) == 1
        else:
            with pytest.raises(ValueError, match=f"finite {convention.letter} can give"):
                convention.value(1 - only, d=9)


def test_published_values_belong_to_a_convention_and_have_the_d_they_need():
    alphas = {(row.convention, row.data): row.alpha for row in PUBLISHED}
    assert len(alphas) == len(PUBLISHED)
    assert alphas["IDEC, code", "MNIST"] == pytest.approx(78.4 / 79.4)
    assert alphas["DCN, code", "MNIST"] == pytest.approx(1 / 1.05)
    assert alphas["VaDE, code", "HHAR"] == pytest.approx(1 / 6)
    assert alphas["DSC-Nets, code", "COIL-20"] == pytest.approx(150 / 151)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"on": "both"}, "on='both', expected 'clustering' or 'network'"),
        ({"factor": 0}, "factor=0, expected a finite number above 0"),
        ({"other": nan}, "other=nan, expected a finite number above 0"),
    ],
)
def test_a_bad_convention_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Convention(**{"letter": "a", "on": "network"} | settings)


def test_bad_values_are_refused():
    gamma, convex = Convention("gamma", "clustering", mean=True), CONVENTIONS["Min et al."]
    for bad in (-0.1, nan, inf, "0.1"):
        with pytest.raises(ValueError, match=f"gamma={bad!r}, expected a finite number of at"):
            gamma.alpha(bad, d=4)
    with pytest.raises(ValueError, match=r"lambda=1\.5, expected a finite number from 0 to 1"):
        convex.alpha(1.5)
    for bad in (-0.1, 1.1, nan, None):
        with pytest.raises(ValueError, match=f"alpha={bad!r}, expected a number from 0 to 1"):
            gamma.value(bad, d=4)
    for bad in (None, 0, 2.5):
        with pytest.raises(ValueError, match=f"d={bad!r}, expected the number of features"):
            gamma.alpha(0.1, d=bad)
        with pytest.raises(ValueError, match=f"d={bad!r}, expected the number of features"):
            gamma.value(0.1, d=bad)
