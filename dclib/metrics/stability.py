"""Stability: how much several clusterings of the same samples agree, without true labels."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import adjusted_rand_score


def mean_agreement(clusterings: ArrayLike) -> float:
    """Mean adjusted Rand index over all pairs of clusterings, say of several seeds.

    Shapes: clusterings (r, n), r of at least 2. Returns a number in [-1, 1], 0 for unrelated
    clusterings. Stable is not the same as right: a method can repeat the same mistake. High is
    good.

    >>> mean_agreement([[0, 0, 1, 1], [1, 1, 0, 0]])
    1.0
    """
    runs = np.asarray(clusterings)
    if runs.ndim != 2 or len(runs) < 2:
        raise ValueError(f"clusterings has shape {runs.shape}, expected (r, n), r of at least 2")
    return float(np.mean([adjusted_rand_score(a, b) for a, b in combinations(runs, 2)]))
