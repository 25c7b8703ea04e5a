"""Stability: how much several clusterings of the same samples agree, without true labels."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import adjusted_rand_score

from dclib import runtime
from dclib.check import whole
from dclib.metrics.internal import read_samples


def mean_agreement(clusterings: ArrayLike) -> float:
    """Mean adjusted Rand index over all pairs of clusterings, say of several seeds.

    Shapes: clusterings (r, n), r of at least 2. Returns a number in [-0.5, 1], 0 for unrelated
    clusterings. Stable is not the same as right: a method can repeat the same mistake. High is
    good.

    >>> mean_agreement([[0, 0, 1, 1], [1, 1, 0, 0]])
    1.0
    """
    runs = np.asarray(clusterings)
    if runs.ndim != 2 or len(runs) < 2:
        raise ValueError(f"clusterings has shape {runs.shape}, expected (r, n), r of at least 2")
    return float(np.mean([adjusted_rand_score(a, b) for a, b in combinations(runs, 2)]))


def resampling_stability(
    x: ArrayLike,
    cluster: Callable[[np.ndarray, int], ArrayLike],
    n_clusters: int,
    share: float = 0.8,
    n_pairs: int = 10,
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray:
    """Cluster two random subsamples, compare them on the samples in both; once a pair.

    x is (n, d); each subsample holds a `share` of it, drawn without replacement; `cluster(x, k)`
    returns labels, one a row. Returns the adjusted Rand index of each pair, (n_pairs,), numbers
    in [-0.5, 1]. For k=1 it is always 1. The scheme is that of Ben-Hur, Elisseeff, Guyon 2002, who
    compare by other similarities of two clusterings and look at their whole distribution, not at
    the mean alone. High is good; but stable is not the same as right.

    >>> x, halves = [[0.0], [1.0], [8.0], [9.0], [9.5]], lambda x, k: x[:, 0] > 4.5
    >>> resampling_stability(x, halves, n_clusters=2, n_pairs=3, random_state=0).tolist()
    [1.0, 1.0, 1.0]
    """
    x, rng = read_samples(x), np.random.default_rng(runtime.seed(random_state))
    n_clusters, n_pairs = whole("n_clusters", n_clusters, 1), whole("n_pairs", n_pairs, 1)
    size = round(share * len(x))
    if not 0.5 < share < 1 or size < n_clusters:
        raise ValueError(
            f"share={share!r} of {len(x)} samples, expected above 0.5, for two subsamples to "
            f"meet, below 1, and enough for {n_clusters} clusters"
        )
    agreements = []
    for _ in range(n_pairs):
        rows = [np.sort(rng.choice(len(x), size, replace=False)) for _ in range(2)]
        _, *shared = np.intersect1d(*rows, assume_unique=True, return_indices=True)
        labels = [np.asarray(cluster(x[i], n_clusters)) for i in rows]
        shapes = {found.shape for found in labels}
        if shapes != {(size,)}:
            raise ValueError(f"cluster returns labels of shapes {shapes}, expected {(size,)}")
        agreements.append(adjusted_rand_score(labels[0][shared[0]], labels[1][shared[1]]))
    return np.array(agreements)
