"""What every loader returns, and the few steps that loaders share."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from numbers import Real

import numpy as np

from dclib.check import whole


@dataclass(frozen=True, eq=False, repr=False)
class Data:
    """Samples with their true labels, which serve for scoring only.

    `x` (n, d) holds one sample a row, `y` (n,) int64 the classes 0 to k - 1, `shape` the height
    and width of a sample that is an image, `classes` the k names, and `factors` what is known
    about each row besides its class, each an array of n rows.

    >>> data = Data(np.eye(4), np.array([0, 0, 1, 1]), "eye", shape=(2, 2))
    >>> data
    Data('eye', n=4, d=4, k=2, shape=(2, 2), float64)
    >>> data.images.shape
    (4, 2, 2)
    """

    x: np.ndarray
    y: np.ndarray
    name: str
    shape: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()
    factors: dict[str, np.ndarray] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        if self.x.ndim != 2 or self.x.dtype.kind != "f":
            raise ValueError(
                f"x is {self.x.dtype} of shape {self.x.shape}, expected floats of shape (n, d)"
            )
        if self.y.shape != (len(self),) or self.y.dtype != np.int64:
            raise ValueError(
                f"y is {self.y.dtype} of shape {self.y.shape}, "
                f"expected int64 of shape ({len(self)},)"
            )
        if len(self) and self.y.min() < 0:
            raise ValueError(f"y has the label {self.y.min()}, expected labels from 0")
        if self.classes and len(self) and self.y.max() >= len(self.classes):
            raise ValueError(
                f"y has the label {self.y.max()}, expected labels below {len(self.classes)}, "
                "the number of class names"
            )
        if self.shape and np.prod(self.shape) != self.x.shape[1]:
            raise ValueError(f"shape={self.shape}, expected {self.x.shape[1]} pixels, one a column")
        for name, values in self.factors.items():
            if len(values) != len(self):
                raise ValueError(f"factor {name!r} has {len(values)} rows, expected {len(self)}")

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        shape = f", shape={self.shape}" if self.shape else ""
        n, d = self.x.shape
        return f"Data({self.name!r}, n={n}, d={d}, k={self.n_classes}{shape}, {self.x.dtype})"

    @property
    def n_classes(self) -> int:
        """Count the classes: the names, or the labels up to the largest where there are none."""
        return len(self.classes) or int(self.y.max(initial=-1)) + 1

    @property
    def images(self) -> np.ndarray:
        """View the rows as images (n, h, w); ValueError where the samples are not images."""
        if not self.shape:
            raise ValueError(f"{self.name} has rows of {self.x.shape[1]} numbers, expected images")
        return self.x.reshape(-1, *self.shape)

    @property
    def sha256(self) -> str:
        """Fingerprint x and y, with their dtypes and shapes: equal only for equal data."""
        digest = hashlib.sha256()
        for array in (self.x, self.y):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array))
        return digest.hexdigest()


def number(name: str, value: object, least: float = 0.0, below: float = float("inf")) -> float:
    """Return a setting that has to be a number, or say what is wrong with it."""
    if not isinstance(value, Real) or isinstance(value, bool) or not least <= value < below:
        limit = "" if below == float("inf") else f" and below {below:g}"
        raise ValueError(f"{name}={value!r}, expected a finite number of at least {least:g}{limit}")
    return float(value)


def float_type(dtype: object) -> np.dtype:
    """Return the dtype asked for, which has to be float32 or float64."""
    if dtype is not None:  # NumPy reads None as float64
        try:
            chosen = np.dtype(dtype)
        except TypeError:
            pass
        else:
            if chosen in (np.float32, np.float64):
                return chosen
    raise ValueError(f"dtype={dtype!r}, expected float32 or float64")


def generator(random_state: object) -> np.random.Generator:
    """Start a stream of random numbers of its own, apart from NumPy's global one."""
    return np.random.default_rng(whole("random_state", random_state, 0))


def shuffled_labels(n: int, n_classes: int, rng: np.random.Generator) -> np.ndarray:
    """Draw n labels in random order, each class as often as the others, give or take one."""
    return rng.permutation(np.arange(n) % n_classes)


def settled(x: np.ndarray) -> np.ndarray:
    """Keep six decimals: in the last of sixteen, sine, exponential and products depend on the CPU.

    >>> settled(np.array([0.1234567891, -1e-17]))
    array([0.123457, 0.      ])
    """
    return np.round(x, 6) + 0.0  # -0.0 becomes 0.0, which has other bytes
