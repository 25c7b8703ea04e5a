"""Readable errors for the public doors: each names the thing, its value and what was expected."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Annotated, Any, get_type_hints

import torch


@dataclass(frozen=True)
class Rule:
    """What a setting may be: in words for the error, and as a test."""

    expected: str
    accepts: Callable[[Any], bool]


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number; True and False are not."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def whole(name: str, value: object, least: int) -> int:
    """Return a setting that has to be a whole number, or say what is wrong with it."""
    if not is_whole(value) or value < least:
        raise ValueError(f"{name}={value!r}, expected a whole number of at least {least}")
    return int(value)


def _number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _sizes(value: Any) -> bool:
    if not isinstance(value, tuple | list) or not value:
        return False
    return all(is_whole(size) and size >= 1 for size in value)


# An algorithm annotates its settings with these; `settings` below reads the annotations.
Count = Annotated[int, Rule("a whole number of at least 0", lambda v: is_whole(v) and v >= 0)]
Size = Annotated[int, Rule("a whole number of at least 1", lambda v: is_whole(v) and v >= 1)]
Sizes = Annotated[tuple, Rule("a tuple of whole numbers of at least 1", _sizes)]
Rate = Annotated[float, Rule("a finite number above 0", lambda v: _number(v) and v > 0)]
Share = Annotated[float, Rule("a number from 0 to 1", lambda v: _number(v) and 0 <= v <= 1)]
Flag = Annotated[bool, Rule("True or False", lambda v: isinstance(v, bool))]
Network = Annotated[str, Rule("'mlp' or 'cnn'", lambda v: v in ("mlp", "cnn"))]
Likelihood = Annotated[
    str, Rule("'gaussian' or 'bernoulli'", lambda v: v in ("gaussian", "bernoulli"))
]
Views = Annotated[
    Callable | None, Rule("a function of a batch or None", lambda v: v is None or callable(v))
]
Weight = Annotated[
    float,
    Rule("a number of at least 0 or a schedule", lambda v: callable(v) or (_number(v) and v >= 0)),
]


def settings(estimator: Any) -> None:
    """Compare every annotated setting of an estimator with its rule.

    Raises ValueError naming the class, the setting, its value and what was expected.
    """
    hints = get_type_hints(type(estimator), include_extras=True)
    for field in fields(estimator):
        for rule in getattr(hints[field.name], "__metadata__", ()):
            value = getattr(estimator, field.name)
            if not rule.accepts(value):
                raise ValueError(
                    f"{type(estimator).__name__}: {field.name}={value!r}, expected {rule.expected}"
                )


def memory(samples: torch.Tensor, squares: int, limit: float) -> None:
    """Refuse more samples than leave room for so many n x n matrices in `limit` gigabytes."""
    n = len(samples)
    needed = squares * n * n * samples.element_size() / 1e9
    if needed > limit:
        found = f"n_samples={n} take {needed:.1f} GB for n x n numbers"
        raise ValueError(f"{found}, expected at most memory={limit} GB")


def matrices(**tensors: Any) -> None:
    """Refuse tensors that are not matrices: `matrices(z=z, centers=centers)`."""
    for name, tensor in tensors.items():
        if tensor.ndim != 2:
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}, expected two dimensions")


def square(**tensors: Any) -> None:
    """Refuse tensors that are not square matrices: `square(c=c)`."""
    for name, tensor in tensors.items():
        shape = tuple(tensor.shape)
        if len(shape) != 2 or shape[0] != shape[1]:
            raise ValueError(f"{name} has shape {shape}, expected as many rows as columns")


def same_shape(**tensors: Any) -> None:
    """Refuse tensors whose shapes differ: `same_shape(p=p, q=q)`."""
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if len(set(shapes.values())) > 1:
        found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"shapes differ: {found}; expected the same shape")


def labels(labels: Any, n: int, k: int) -> None:
    """Refuse labels that are not whole numbers 0..k-1, one for each of n samples."""
    if labels.shape != (n,) or not n:
        raise ValueError(f"labels have shape {tuple(labels.shape)}, expected ({n},), n at least 1")
    if labels.dtype != torch.int64:
        raise ValueError(f"labels are {labels.dtype}, expected torch.int64")
    if labels.device.type == "cpu":  # on a GPU, looking would stall every step
        low, high = labels.min().item(), labels.max().item()
        if low < 0 or high >= k:
            raise ValueError(f"labels from {low} to {high}, expected within 0 to {k - 1}")


def same_width(**tensors: Any) -> None:
    """Refuse matrices whose numbers of columns differ: `same_width(z=z, centers=centers)`."""
    matrices(**tensors)
    widths = {name: tensor.shape[1] for name, tensor in tensors.items()}
    if len(set(widths.values())) > 1:
        found = ", ".join(f"{name} has {width}" for name, width in widths.items())
        raise ValueError(f"numbers of columns differ: {found}; expected the same number")
