"""The files of a fitted or interrupted estimator: plain data, written whole, read without code."""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dclib import schedules


def fingerprint(x: Tensor) -> str:
    """Hash the shape, dtype and bytes of a tensor."""
    digest = hashlib.sha256(f"{tuple(x.shape)} {x.dtype}".encode())
    digest.update(x.cpu().contiguous().numpy())
    return digest.hexdigest()


def encode(values: dict) -> dict:
    """Schedules as plain dicts, NumPy's numbers as Python's: a file must hold no code.

    Of a setting that is code, a network or a function, only the name is kept; `decode` asks for it.
    """
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {"schedule": type(value).__name__, **encode(asdict(value))}
    if isinstance(value, tuple | list):
        return type(value)(map(_plain, value))
    if callable(value):
        return {"given": getattr(value, "__qualname__", type(value).__name__)}
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def decode(values: dict, given: dict) -> dict:
    """Undo `encode`; what was code has to be `given` again, by its name.

    Raises ValueError where something is missing, or given that the file holds itself.
    """
    code = {n: v["given"] for n, v in values.items() if isinstance(v, dict) and "given" in v}
    for name, kind in code.items():
        if name not in given:
            raise ValueError(f"{name} was {kind}, code, which no file holds; expected {name}=...")
    for name, value in given.items():
        if name not in code:
            raise ValueError(f"{name}={value!r} given, expected only {sorted(code)}")
    return {name: given[name] if name in code else _rich(v) for name, v in values.items()}


def _rich(value: Any) -> Any:
    if isinstance(value, dict):
        numbers = dict(value)
        return getattr(schedules, numbers.pop("schedule"))(**numbers)
    return type(value)(map(_rich, value)) if isinstance(value, tuple | list) else value


def write(state: dict, path: Path) -> None:
    """Write whole or not at all: an interrupted write leaves the old file as it was."""
    unfinished = path.with_name(path.name + ".unfinished")
    torch.save(state, unfinished)
    os.replace(unfinished, path)


def read(path: Path) -> dict:
    """Read what `write` wrote.

    Raises ValueError naming the path where the file is damaged or of another kind.
    """
    expected = "expected a file that dclib wrote"
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged file makes its reader fail in many ways
        raise ValueError(f"{path} cannot be read ({type(error).__name__}); {expected}") from error
    if not isinstance(state, dict) or "algorithm" not in state:
        raise ValueError(f"{path} holds a {type(state).__name__}; {expected}")
    return state
