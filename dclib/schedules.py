"""How the two losses are weighed: over time, and in the letters of different papers.

A schedule is a frozen function of progress t, from 0 to 1. `Step(0, 1, at=0.5)` is pre-training
followed by fine-tuning, `Constant(0.1)` is joint training, `Linear(0, 1)` and `Cosine(0, 1)` are
ramps. Wherever a weight is accepted, a schedule is too.

A convention says what a paper's letter multiplies, and turns its value into our alpha and back:
`CONVENTIONS["IDEC, code"].alpha(0.1, d=784)`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import NamedTuple


@dataclass(frozen=True)
class _Move:
    """A schedule: its numbers are finite, and t runs from 0 to 1."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not _finite(value):
                found = f"{type(self).__name__}: {field.name}={value!r}"
                raise ValueError(f"{found}, expected a finite number")


def _finite(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True)
class Constant(_Move):
    """The same value all the time.

    >>> Constant(0.1)(0.7)
    0.1
    """

    value: float

    def __call__(self, t: float) -> float:
        return self.value


@dataclass(frozen=True)
class Step(_Move):
    """One value before `at`, another from there on; `at` from 0 (always the end) to 1.

    >>> Step(0, 1, at=0.5)(0.4), Step(0, 1, at=0.5)(0.5)
    (0, 1)
    """

    start: float
    end: float
    at: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.at <= 1:
            raise ValueError(f"Step: at={self.at!r}, expected a number from 0 to 1")

    def __call__(self, t: float) -> float:
        return self.start if t < self.at else self.end


@dataclass(frozen=True)
class Linear(_Move):
    """A straight line from `start` to `end`, both met exactly.

    >>> Linear(0, 1)(0.25)
    0.25
    """

    start: float
    end: float

    def __call__(self, t: float) -> float:
        return (1 - t) * self.start + t * self.end


@dataclass(frozen=True)
class Cosine(_Move):
    """Half a cosine wave from `start` to `end`, both met exactly: slow, fast, slow.

    >>> Cosine(0, 1)(0.5)
    0.5
    """

    start: float
    end: float

    def __call__(self, t: float) -> float:
        remaining = (1 + math.cos(math.pi * t)) / 2
        return remaining * self.start + (1 - remaining) * self.end


Schedule = Constant | Step | Linear | Cosine


def schedule(value: float | Schedule) -> Schedule:
    """Read a number as a constant schedule and leave a schedule as it is.

    >>> schedule(0.1)
    Constant(value=0.1)
    """
    return value if callable(value) else Constant(value)


# ---- one weight, many letters


@dataclass(frozen=True)
class Convention:
    """What a paper or a program does with the letter that balances its two losses.

    The letter and the number `factor` multiply the loss `on`, "clustering" or "network"; `other`
    stands before the other loss, with `convex` times 1 - letter. The clustering loss is a sum
    over clusters or code units, the network loss a sum over the d features, with `mean` their
    mean; whatever else a source multiplies or divides by goes into `factor` and `other`.

    `weights` writes the loss with the reductions of this book, c L_c + r L_n; `alpha` is its
    balance c / (c + r) and `scale` its size c + r, so that the loss is
    scale * (alpha L_c + (1 - alpha) L_n); a source that sums over n samples, where we average,
    is larger by n, with the same alpha. `value` goes back from alpha to the letter.

    >>> idec = Convention("gamma", on="clustering")  # L_n + gamma L_c
    >>> min_et_al = Convention("lambda", on="network", convex=True)
    >>> alpha = idec.alpha(0.1)
    >>> round(alpha, 4), round(min_et_al.value(alpha), 4), round(idec.value(alpha), 4)
    (0.0909, 0.9091, 0.1)
    """

    letter: str
    on: str
    factor: float = 1.0
    other: float = 1.0
    convex: bool = False
    mean: bool = False

    def __post_init__(self) -> None:
        if self.on not in ("clustering", "network"):
            raise ValueError(f"on={self.on!r}, expected 'clustering' or 'network'")
        for name in ("factor", "other"):
            value = getattr(self, name)
            if not (_finite(value) and value > 0):
                raise ValueError(f"{name}={value!r}, expected a finite number above 0")

    def weights(self, value: float, d: int | None = None) -> tuple[float, float]:
        """Weights of the clustering and of the network loss, both reduced as in this book.

        value: the letter's, at least 0, with `convex` at most 1; d: the number of features, asked
        for only where the network loss is a mean over them.

        >>> Convention("gamma", on="clustering", mean=True).weights(0.5, d=64)
        (0.5, 0.015625)
        """
        most = 1 if self.convex else math.inf
        if not (_finite(value) and 0 <= value <= most):
            expected = "from 0 to 1" if self.convex else "of at least 0"
            raise ValueError(f"{self.letter}={value!r}, expected a finite number {expected}")
        own, rest = self.factor * value, self.other * (1 - value if self.convex else 1)
        clustering, network = (own, rest) if self.on == "clustering" else (rest, own)
        return clustering, network / self._features(d)

    def alpha(self, value: float, d: int | None = None) -> float:
        """Share of the clustering loss, from 0 to 1.

        >>> Convention("lambda", on="clustering", factor=0.5).alpha(2.0)
        0.5
        """
        clustering, network = self.weights(value, d)
        return clustering / (clustering + network)

    def scale(self, value: float, d: int | None = None) -> float:
        """Size of the loss in units of ours: plain SGD's rate for it, times this, is ours.

        >>> Convention("gamma", on="clustering").scale(0.1)
        1.1
        """
        return sum(self.weights(value, d))

    def value(self, alpha: float, d: int | None = None) -> float:
        """Value of the letter that gives this alpha.

        Raises ValueError where no finite value does: L_n + gamma L_c never gets rid of L_n.

        >>> Convention("gamma", on="clustering").value(0.5)
        1.0
        """
        if not (_finite(alpha) and 0 <= alpha <= 1):
            raise ValueError(f"alpha={alpha!r}, expected a number from 0 to 1")
        clustering, network = alpha, (1 - alpha) * self._features(d)
        own, rest = (clustering, network) if self.on == "clustering" else (network, clustering)
        own, rest = own / self.factor, rest / self.other
        if self.convex:
            return own / (own + rest)
        if rest == 0:
            raise ValueError(f"alpha={alpha!r}, expected one that a finite {self.letter} can give")
        return own / rest

    def _features(self, d: int | None) -> int:
        if not self.mean:
            return 1
        if not isinstance(d, Integral) or d < 1:
            raise ValueError(f"d={d!r}, expected the number of features that the loss averages")
        return d


CONVENTIONS = {
    "this book": Convention("alpha", "clustering", convex=True),
    "Aljalbout et al.": Convention("alpha", "clustering", convex=True),
    "Min et al.": Convention("lambda", "network", convex=True),
    "IDEC, paper": Convention("gamma", "clustering"),
    "IDEC, code": Convention("gamma", "clustering", mean=True),
    "IDEC in ClustPy, to 2025": Convention("weight", "clustering", mean=True),
    "DCN, paper": Convention("lambda", "clustering", factor=0.5),
    "DCN, code": Convention("lbd", "network"),
    "DCN in ClustPy, from 2025": Convention("weight", "clustering", factor=0.5),
    "Deep k-means, code": Convention("lambda", "clustering"),
    "DEPICT, code": Convention("clus_mult", "clustering", mean=True),
    "IMSAT, code": Convention("lam", "clustering"),
    "VaDE, code": Convention("alpha", "network"),
    "DSC-Nets, code": Convention("reg2", "clustering", factor=0.5, other=0.5),
    "DEN in ClustPy": Convention("alpha", "clustering"),
}
"""Whose letter stands where.

Read off the released programs, where a row says "code"; ClustPy's DCN and DEN as of 2025.
L_n is a squared error, but for two. IMSAT: self-augmentation, with L_c = H(Y|X) - 4 H(Y). VaDE:
d times the mean of a cross-entropy on MNIST, of a squared error on HHAR and Reuters; L_c is the
divergence of code and mixture. DCN: the state of the program that its scripts run; an earlier
one took a cross-entropy. DEPICT: the error of the pixels, in [-1, 1]; those of two hidden layers
come on top, times 0.1; L_c is a cross-entropy, with the gradient of the divergence. DSC-Nets, DEN:
of three terms, reconstruction against self-expression and locality.
"""


class Published(NamedTuple):
    """A value that a program or a paper gives to its letter; d features where that matters."""

    convention: str
    data: str
    d: int | None
    value: float

    @property
    def alpha(self) -> float:
        return CONVENTIONS[self.convention].alpha(self.value, self.d)


PUBLISHED = (
    Published("IDEC, paper", "all", None, 0.1),
    Published("IDEC, code", "MNIST", 784, 0.1),
    Published("IDEC, code", "USPS", 256, 0.1),
    Published("IDEC, code", "Reuters-10k", 2000, 0.1),
    Published("IDEC in ClustPy, to 2025", "MNIST", 784, 0.1),
    Published("DCN, code", "MNIST", None, 0.05),
    Published("DCN, code", "Pendigits", None, 0.5),
    Published("DCN, code", "20 Newsgroups", None, 10.0),
    Published("DCN in ClustPy, from 2025", "any", None, 0.1),
    Published("Deep k-means, code", "any", None, 1.0),
    Published("DEPICT, code", "MNIST", 784, 1.0),
    Published("IMSAT, code", "MNIST", None, 0.1),
    Published("VaDE, code", "MNIST", None, 1.0),
    Published("VaDE, code", "HHAR", None, 5.0),
    Published("DSC-Nets, code", "ORL", None, 0.2),
    Published("DSC-Nets, code", "COIL-20", None, 150.0),
    Published("DEN in ClustPy", "any", None, 0.5),
)
"""Values as the released programs set them, and IDEC's paper; not a judgement of which is good.

data: "all" is what the paper uses throughout, "any" a default of the program.
"""
