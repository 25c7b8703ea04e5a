"""Sets that need no download: small digits, and clusters whose making is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import cdist, pdist
from scipy.special import expit
from sklearn.datasets import load_digits

from dclib.check import whole
from dclib.data.base import Data, float_type, generator, number, settled, shuffled_labels


def digits(*, dtype: object = np.float64) -> Data:
    """Load scikit-learn's 1,797 handwritten digits of 8×8 pixels, scaled to [0, 1].

    Returns n=1797 samples of d=64 pixels in k=10 classes; the pixels are whole sixteenths.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository, 1998, CC BY 4.0; the part that scikit-learn ships is the UCI test set.

    >>> digits()
    Data('digits', n=1797, d=64, k=10, shape=(8, 8), float64)
    """
    dtype = float_type(dtype)
    bunch = load_digits()
    return Data(
        x=(bunch.data / 16).astype(dtype),
        y=bunch.target.astype(np.int64),
        name="digits",
        shape=(8, 8),
        classes=tuple("0123456789"),
        source="Alpaydin and Kaynak 1998, UCI Machine Learning Repository, CC BY 4.0",
    )


def blobs(
    n: int = 500,
    n_classes: int = 3,
    n_features: int = 2,
    spread: float | Sequence[float] = 1.0,
    separation: float = 6.0,
    weights: Sequence[float] | None = None,
    *,
    random_state: int = 0,
    dtype: object = np.float64,
) -> Data:
    """Draw round Gaussian clusters whose two nearest centres are exactly `separation` apart.

    Returns n samples of d=`n_features` numbers in k=`n_classes` classes. `spread` is the standard
    deviation of every cluster, or k of them; `weights` are the k relative class sizes, equal for
    None. For one seed, another spread or separation stretches the same picture.

    >>> data = blobs(n=300, n_classes=3)
    >>> data.x.shape, np.bincount(data.y).tolist()
    ((300, 2), [100, 100, 100])
    >>> np.bincount(blobs(n=100, n_classes=2, weights=[9, 1]).y).tolist()
    [90, 10]
    """
    k, d = whole("n_classes", n_classes, 1), whole("n_features", n_features, 1)
    n, separation, dtype = whole("n", n, k), number("separation", separation), float_type(dtype)
    spreads = _one_per_class("spread", spread, k)
    weights = _one_per_class("weights", 1.0 if weights is None else weights, k)
    rng = generator(random_state)
    y = rng.permutation(_weighted_labels(n, weights))
    centers = _spaced_centers(k, d, rng)
    centers *= separation / pdist(centers).min(initial=np.inf)  # a single centre goes to 0
    x = centers[y] + spreads[y, None] * rng.standard_normal((n, d))
    return Data(settled(x).astype(dtype), y, "blobs", source="Drawn by dclib.data.blobs")


def moons(
    n: int = 500, noise: float = 0.05, *, random_state: int = 0, dtype: object = np.float64
) -> Data:
    """Draw two half circles of radius 1 that reach into each other.

    Returns n samples of d=2 numbers in k=2 classes, evenly spaced along the arcs, plus Gaussian
    noise of standard deviation `noise`; `factors["angle"]` in [0, π] is the place on the arc.

    Source: the curves of scikit-learn's `make_moons`.

    >>> data = moons(n=100, noise=0.0)
    >>> upper = data.x[data.y == 0]
    >>> bool(np.allclose(np.hypot(upper[:, 0], upper[:, 1]), 1))
    True
    """
    n, noise, dtype = whole("n", n, 2), number("noise", noise), float_type(dtype)
    rng = generator(random_state)
    y = shuffled_labels(n, 2, rng)
    angle = _evenly(y, 0, np.pi, endpoint=True)
    arc = np.column_stack([np.cos(angle), np.sin(angle)])
    x = np.where(y[:, None] == 0, arc, [1.0, 0.5] - arc)
    x = settled(x + noise * rng.standard_normal(x.shape))
    return Data(
        x.astype(dtype), y, "moons", factors={"angle": angle}, source="Drawn by dclib.data.moons"
    )


def rings(
    n: int = 500,
    n_rings: int = 2,
    noise: float = 0.05,
    *,
    random_state: int = 0,
    dtype: object = np.float64,
) -> Data:
    """Draw circles around the origin with radii 1, 2, 3, ..., one class a ring.

    Returns n samples of d=2 numbers in k=`n_rings` classes, evenly spaced on each ring, plus
    Gaussian noise of standard deviation `noise`; `factors["angle"]` is the place in [0, 2π).

    >>> data = rings(n=90, n_rings=3, noise=0.0)
    >>> sorted(set(np.hypot(data.x[:, 0], data.x[:, 1]).round(3).tolist()))
    [1.0, 2.0, 3.0]
    """
    k = whole("n_rings", n_rings, 1)
    n, noise, dtype = whole("n", n, k), number("noise", noise), float_type(dtype)
    rng = generator(random_state)
    y = shuffled_labels(n, k, rng)
    angle = _evenly(y, 0, 2 * np.pi, endpoint=False)
    x = (1 + y[:, None]) * np.column_stack([np.cos(angle), np.sin(angle)])
    x = settled(x + noise * rng.standard_normal(x.shape))
    return Data(
        x.astype(dtype), y, "rings", factors={"angle": angle}, source="Drawn by dclib.data.rings"
    )


def lifted_blobs(
    n: int = 2000,
    n_classes: int = 4,
    n_features: int = 100,
    spread: float = 0.3,
    separation: float = 2.0,
    offset: float = 8.0,
    *,
    random_state: int = 0,
    dtype: object = np.float64,
) -> Data:
    """Bend clusters of the plane into a space of many dimensions, where k-means misses them.

    Returns n samples of d=`n_features` numbers in (0, 1) in k=`n_classes` classes. The hidden
    points h of the plane, `factors["hidden"]` (n, 2), are round Gaussian clusters of standard
    deviation `spread` at the corners of a regular polygon with sides of length `separation` around
    the point (`offset`, `offset`). Far from the origin the sigmoids are flat: the larger `offset`,
    the more the directions shrink, each in its own measure, and the longer the clusters get.

    Source: the map x = σ(U σ(W h)), with Gaussian matrices W (10, 2) and U (d, 10), is that of the
    synthetic experiment of DCN (Yang et al. 2017, arXiv 1610.04794), with k=4 and d=100 as here.
    Where the clusters lie and how wide they are is ours, as is rounding to six decimals.

    >>> data = lifted_blobs(n=200)
    >>> data.x.shape, data.factors["hidden"].shape
    ((200, 100), (200, 2))
    """
    k, d = whole("n_classes", n_classes, 2), whole("n_features", n_features, 1)
    n, dtype = whole("n", n, k), float_type(dtype)
    spread, separation = number("spread", spread), number("separation", separation)
    offset = number("offset", offset)
    rng = generator(random_state)
    y = shuffled_labels(n, k, rng)
    turn = np.pi * (2 * np.arange(k) + 1) / k  # for k=4: a square with sides along the axes
    radius = separation / (2 * np.sin(np.pi / k))
    corners = offset + radius * np.column_stack([np.cos(turn), np.sin(turn)])
    hidden = settled(corners[y] + spread * rng.standard_normal((n, 2)))
    w, u = rng.standard_normal((10, 2)), rng.standard_normal((d, 10))
    x = settled(expit(expit(hidden @ w.T) @ u.T))
    return Data(
        x.astype(dtype),
        y,
        "lifted_blobs",
        factors={"hidden": hidden},
        source="Drawn by dclib.data.lifted_blobs, after Yang et al. 2017, arXiv 1610.04794",
    )


def _one_per_class(name: str, value: object, k: int) -> np.ndarray:
    """Read one number for all k classes, or k numbers, all above 0."""
    try:
        values = np.broadcast_to(np.asarray(value, dtype=float), k)
    except (TypeError, ValueError):
        values = np.zeros(1)
    if not np.all((values > 0) & np.isfinite(values)):
        raise ValueError(f"{name}={value!r}, expected a number above 0, or {k} of them")
    return values


def _weighted_labels(n: int, weights: np.ndarray) -> np.ndarray:
    """Share n sorted labels out by weight, to the nearest sample."""
    y = np.searchsorted(np.cumsum(weights / weights.sum())[:-1], (np.arange(n) + 0.5) / n)
    sizes = np.bincount(y, minlength=len(weights))
    if sizes.min() == 0:
        raise ValueError(
            f"weights={weights.tolist()} share n={n} samples out as {sizes.tolist()}, "
            "expected at least one a class"
        )
    return y


def _spaced_centers(k: int, d: int, rng: np.random.Generator) -> np.ndarray:
    """Place k centres in a cube, each the farthest from the others among fifty drawn."""
    centers = rng.uniform(-1, 1, (1, d))
    while len(centers) < k:
        drawn = rng.uniform(-1, 1, (50, d))
        farthest = cdist(drawn, centers).min(axis=1).argmax()
        centers = np.vstack([centers, drawn[farthest]])
    return centers


def _evenly(y: np.ndarray, start: float, stop: float, *, endpoint: bool) -> np.ndarray:
    """Space each class evenly from start to stop."""
    places = np.empty(len(y))
    for j in np.unique(y):
        places[y == j] = np.linspace(start, stop, np.sum(y == j), endpoint=endpoint)
    return places
