"""Time series whose class is the shape of a wave, whatever its phase, speed and recording."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dclib.check import whole
from dclib.data.base import Data, float_type, generator, number, settled, shuffled_labels

# One cycle each, as a function of the place t in [0, 1); brought to mean 0 and deviation 1 below.
WAVEFORMS = {
    "sine": lambda t: np.sin(2 * np.pi * t),
    "triangle": lambda t: -np.abs(t - 0.5),
    "square": lambda t: np.where(t < 0.5, 1.0, 0.0),
    "sawtooth": lambda t: t,
    "pulse": lambda t: np.where(t < 0.125, 1.0, 0.0),
    "chirp": lambda t: np.sin(2 * np.pi * t * (1 + t)),  # two turns, the second one faster
    "burst": lambda t: np.where(t < 0.5, np.sin(8 * np.pi * t), 0.0),  # two turns, then silence
}
SLOW = (0.5, 1.0)  # cycles a series that a recording's disturbance is made of


def waves(
    n: int = 600,
    length: int = 64,
    waveforms: Sequence[str] = ("sine", "square", "sawtooth", "pulse", "burst"),
    cycles: float = 2.0,
    *,
    phase: float = 0.5,
    speed: float = 0.2,
    amplitude: float = 0.3,
    noise: float = 0.3,
    correlation: float = 0.1,
    n_groups: int = 10,
    shortest: float = 1.0,
    random_state: int = 0,
    dtype: object = np.float64,
) -> Data:
    """Draw waves of several shapes, started, sped up, sized, noised and recorded in known ways.

    Returns n series of d=`length` values in k=`len(waveforms)` classes, names of `WAVEFORMS`, the
    sizes of which differ by one at most. Over a cycle, every waveform has mean 0 and standard
    deviation 1, so that its shape alone is the class. Values have six decimals, which makes the
    bytes the same on every CPU. `factors` has n values of each, drawn independently, and uniformly
    unless said otherwise:

    - `phase`: cycles by which the wave starts late, within ±`phase`; ±0.5 is all there is
    - `speed`: cycles in `length` values, within `cycles` · (1 ± `speed`)
    - `amplitude`: standard deviation of the wave, within 1 ± `amplitude`
    - `noise`: standard deviation of this series' noise, from 0 to `noise`
    - `group`: recording of 0 to `n_groups` - 1, all as large, give or take one. Whatever their
      class, series of one recording share a disturbance of at most one cycle: the same values are
      added to all of them. It is the share `correlation` of the mean square of disturbance and
      wave, and so the mean correlation of two noiseless series of one recording
    - `length`: whole number of values before the series ends, from the share `shortest` of
      `length`; the rest of the row is 0

    Any strength may be 0. For one seed, changing one factor leaves the others alone.

    >>> data = waves(n=100)
    >>> data
    Data('waves', n=100, d=64, k=5, float64)
    >>> data.classes
    ('sine', 'square', 'sawtooth', 'pulse', 'burst')
    >>> sorted(data.factors)
    ['amplitude', 'group', 'length', 'noise', 'phase', 'speed']
    """
    _check_waveforms(waveforms)
    k, length, n_groups = len(waveforms), whole("length", length, 2), whole("n_groups", n_groups, 1)
    n, dtype = whole("n", n, k), float_type(dtype)
    cycles, phase, noise = number("cycles", cycles), number("phase", phase), number("noise", noise)
    speed, amplitude = number("speed", speed, below=1), number("amplitude", amplitude, below=1)
    correlation = number("correlation", correlation, below=1)
    if number("shortest", shortest) > 1:
        raise ValueError(f"shortest={shortest!r}, expected a share of the length, from 0 to 1")

    rng = generator(random_state)
    y, group = shuffled_labels(n, k, rng), shuffled_labels(n, n_groups, rng)
    later, faster, larger, noisier, shorter = rng.uniform(-1, 1, (5, n))
    removable = length - max(1, round(shortest * length))
    factors = {
        "phase": phase * later,
        "speed": cycles * (1 + speed * faster),
        "amplitude": 1 + amplitude * larger,
        "noise": noise * (1 + noisier) / 2,
        "group": group,
        "length": length - np.floor((removable + 1) * (1 + shorter) / 2).astype(np.int64),
    }
    time = np.arange(length) / length
    place = (factors["speed"][:, None] * time - factors["phase"][:, None]) % 1
    x = np.empty((n, length))
    for label, name in enumerate(waveforms):
        x[y == label] = _wave(name, place[y == label])
    x *= factors["amplitude"][:, None]
    x += factors["noise"][:, None] * rng.standard_normal(x.shape)
    x += np.sqrt(correlation / (1 - correlation)) * _disturbances(n_groups, time, rng)[group]
    x[np.arange(length) >= factors["length"][:, None]] = 0
    return Data(
        settled(x).astype(dtype),
        y,
        "waves",
        classes=tuple(waveforms),
        factors=factors,
        source="Drawn by dclib.data.waves",
    )


def _wave(name: str, place: np.ndarray) -> np.ndarray:
    """Read a waveform at places of its cycle, brought to mean 0 and standard deviation 1."""
    cycle = WAVEFORMS[name]((np.arange(4096) + 0.5) / 4096)
    return (WAVEFORMS[name](place) - cycle.mean()) / cycle.std()


def _disturbances(n_groups: int, time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a slow curve (n_groups, length) for every recording, with mean square 1."""
    angle = 2 * np.pi * np.outer(SLOW, time)
    weights = rng.standard_normal((n_groups, 2 * len(SLOW)))
    curves = weights @ np.vstack([np.cos(angle), np.sin(angle)])
    return curves / np.sqrt(np.square(curves).mean(axis=1, keepdims=True))


def _check_waveforms(waveforms: Sequence[str]) -> None:
    """Refuse what is not a sequence of different names of WAVEFORMS."""
    named = isinstance(waveforms, tuple | list) and all(w in tuple(WAVEFORMS) for w in waveforms)
    if not named or not waveforms or len(set(waveforms)) < len(waveforms):
        raise ValueError(f"waveforms={waveforms!r}, expected different names of {tuple(WAVEFORMS)}")
