"""A schedule is a frozen function of progress t in [0, 1]."""

from dataclasses import FrozenInstanceError

import pytest

from dclib.schedules import Constant, Cosine, Linear, Step, schedule


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
