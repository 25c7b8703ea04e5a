"""The files of a fitted or interrupted estimator: plain data, written whole, read without code."""

from __future__ import annotations

import hashlib
import os
import pickle
from dataclasses import asdict, is_dataclass
from pathlib import Path

import torch
from torch import Tensor

from dclib import schedules


def fingerprint(x: Tensor) -> str:
    """Hash the shape, dtype and bytes of a tensor."""
    digest = hashlib.sha256(f"{tuple(x.shape)} {x.dtype}".encode())
    digest.update(x.cpu().contiguous().numpy())
    return digest.hexdigest()


def encode(settings: dict) -> dict:
    """Schedules as plain dicts: a file must hold no code."""
    return {
        name: {"schedule": type(value).__name__, **asdict(value)} if is_dataclass(value) else value
        for name, value in settings.items()
    }


def decode(settings: dict) -> dict:
    """Undo `encode`."""
    return {name: _schedule(**v) if isinstance(v, dict) else v for name, v in settings.items()}


def _schedule(schedule: str, **numbers: float) -> schedules.Schedule:
    return getattr(schedules, schedule)(**numbers)


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
    except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        reason = str(error).splitlines()[0] if str(error) else "empty"
        raise ValueError(f"{path} cannot be read ({reason}); {expected}") from None
    if not isinstance(state, dict) or "algorithm" not in state:
        raise ValueError(f"{path} holds a {type(state).__name__}; {expected}")
    return state
