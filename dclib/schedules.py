"""How a setting moves during training: frozen functions of progress t, from 0 to 1.

`Step(0, 1, at=0.5)` is pre-training followed by fine-tuning, `Constant(0.1)` is joint training,
`Linear(0, 1)` and `Cosine(0, 1)` are ramps. Wherever a weight is accepted, a schedule is too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Constant:
    """The same value all the time.

    >>> Constant(0.1)(0.7)
    0.1
    """

    value: float

    def __call__(self, t: float) -> float:
        return self.value


@dataclass(frozen=True)
class Step:
    """One value before `at`, another from there on.

    >>> Step(0, 1, at=0.5)(0.4), Step(0, 1, at=0.5)(0.5)
    (0, 1)
    """

    start: float
    end: float
    at: float = 0.5

    def __call__(self, t: float) -> float:
        return self.start if t < self.at else self.end


@dataclass(frozen=True)
class Linear:
    """A straight line from `start` to `end`.

    >>> Linear(0, 1)(0.25)
    0.25
    """

    start: float
    end: float

    def __call__(self, t: float) -> float:
        return self.start + (self.end - self.start) * t


@dataclass(frozen=True)
class Cosine:
    """Half a cosine wave from `start` to `end`: slow, fast, slow.

    >>> Cosine(0, 1)(0.5)
    0.5
    """

    start: float
    end: float

    def __call__(self, t: float) -> float:
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * t)) / 2


Schedule = Constant | Step | Linear | Cosine


def schedule(value: float | Schedule) -> Schedule:
    """Read a number as a constant schedule and leave a schedule as it is.

    >>> schedule(0.1)
    Constant(value=0.1)
    """
    return value if callable(value) else Constant(value)
