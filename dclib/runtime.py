"""Device, dtype and seed: each decided here and nowhere else."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor


def device(name: str, dtype: torch.dtype) -> torch.device:
    """Choose where to compute: "auto" takes the GPU where there is one that knows the dtype.

    Raises ValueError for a device that PyTorch does not know or this machine does not have,
    and for float64 on a device without it.

    >>> device("cpu", torch.float64)
    device(type='cpu')
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        if torch.backends.mps.is_available() and dtype != torch.float64:
            return torch.device("mps")
        return torch.device("cpu")
    try:
        chosen = torch.device(name)
        torch.empty(0, device=chosen).cpu()  # "meta" holds no numbers to bring back
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0]
        usable = "expected 'auto', 'cpu' or a device of this machine"
        raise ValueError(f"device={name!r} cannot be used here ({reason}); {usable}") from None
    if chosen.type == "mps" and dtype == torch.float64:
        raise ValueError("device='mps' has no float64; expected float32 data or device='cpu'")
    return chosen


def seed(random_state: int | np.random.RandomState | None) -> int:
    """Turn scikit-learn's `random_state` into one whole number; None draws a fresh one.

    NumPy's global generator is never touched, so None does not disturb the caller.

    >>> seed(3)
    3
    """
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    whole = isinstance(random_state, int | np.integer) and not isinstance(random_state, bool)
    if whole and random_state >= 0:
        return int(random_state)
    raise ValueError(
        f"random_state={random_state!r}, expected None, a whole number of at least 0 "
        "or a numpy RandomState"
    )


@contextlib.contextmanager
def seeded(*parts: object, device: torch.device | None = None) -> Iterator[None]:
    """Fix PyTorch's random numbers inside the block by `parts`; outside nothing changes.

    >>> with seeded(0, "refine"):
    ...     a = torch.rand(1)
    >>> with seeded(0, "refine"):
    ...     b = torch.rand(1)
    >>> bool(a == b)
    True
    """
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    with untouched(device):
        _manual_seed(int.from_bytes(digest[:7], "big"), device)
        yield


def _manual_seed(number: int, device: torch.device | None) -> None:
    """Seed the CPU and `device`; `torch.manual_seed` would seed every other GPU too."""
    torch.default_generator.manual_seed(number)
    if device is not None and device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(number)
    elif device is not None and device.type == "mps":
        torch.mps.manual_seed(number)


def untouched(device: torch.device | None = None) -> contextlib.AbstractContextManager:
    """Restore PyTorch's random state at the end of the block, whatever the block draws."""
    on_gpu = device is not None and device.type == "cuda"
    return torch.random.fork_rng(devices=[device] if on_gpu else [])


def draw_seed() -> int:
    """Draw a seed for another library from PyTorch's current random state."""
    return int(torch.randint(2**31 - 1, ()))


def random_states(device: torch.device) -> list[Tensor]:
    """Read the state of every generator that training draws from, to continue it later."""
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


def set_random_states(states: list[Tensor], device: torch.device) -> None:
    """Put back what `random_states` read."""
    torch.set_rng_state(states[0].cpu())
    if device.type == "cuda" and len(states) > 1:
        torch.cuda.set_rng_state(states[1].cpu(), device)
