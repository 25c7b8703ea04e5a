"""Internal scores: compactness and separation, without true labels; three are scikit-learn's own.

Silhouette, Calinski-Harabasz and Davies-Bouldin need 2 to n - 1 clusters; the gap statistic can
also say 1. All judge the space they are computed in. On a code that the algorithm itself has
pulled together they are nearly perfect whatever the clusters are: compare them within one space
only. Silhouette and Calinski-Harabasz: high is good. Davies-Bouldin: low.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

from dclib import runtime
from dclib.check import whole

__all__ = [
    "calinski_harabasz_score",
    "davies_bouldin_score",
    "gap_choice",
    "gap_statistic",
    "silhouette_score",
    "within_dispersion",
]


def within_dispersion(x: ArrayLike, labels: ArrayLike) -> float:
    """Squared distances of the samples to the mean of their cluster, summed.

    Shapes: x (n, d), labels (n,), any numbers; -1 is a cluster like the others. Returns a number
    of at least 0, in squared units of x: what k-means minimises, and the height of the elbow plot.
    It falls with the number of clusters whatever the data, so compare it for one k only. Source:
    Tibshirani et al. 2001, W_k for squared Euclidean distances. Low is good.

    >>> within_dispersion([[0.0], [2.0], [9.0]], [0, 0, 1])
    2.0
    """
    x, labels = read_samples(x), np.asarray(labels)
    if labels.shape != (len(x),):
        raise ValueError(f"labels have shape {labels.shape}, expected ({len(x)},)")
    groups = (x[labels == j] for j in np.unique(labels))
    return float(sum(((group - group.mean(0)) ** 2).sum() for group in groups))


def gap_statistic(
    x: ArrayLike,
    cluster: Callable[[np.ndarray, int], ArrayLike],
    max_clusters: int = 10,
    n_references: int = 10,
    box: str = "principal",
    random_state: int | np.random.RandomState | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """How much tighter k clusters are than on data that has none, for k = 1 ... `max_clusters`.

    `cluster(x, k)` returns labels (n,). The comparison is with `n_references` sets of n samples,
    uniform in the smallest box around x (n, d): along its features ("data") or along its principal
    axes ("principal"). Returns gaps and their standard errors, both (max_clusters,), in nats:
    Gap(k) = mean of log W_k over the references - log W_k of x, and sd of that mean's terms times
    sqrt(1 + 1 / n_references). `gap_choice` reads k from them.

    Source: Tibshirani, Walther, Hastie 2001, where the boxes are (a) and (b). Ours takes any
    function `cluster`, and W_k is `within_dispersion` of its labels. High is good.

    Raises ValueError where k clusters leave no dispersion: its logarithm would be infinite.

    >>> x, halves = [[0.0], [1.0], [8.0], [9.0]], lambda x, k: (x[:, 0] > 4.5) * (k > 1)
    >>> gaps, errors = gap_statistic(x, halves, max_clusters=2, random_state=0)
    >>> bool(gaps[1] > gaps[0] + errors[1])
    True
    """
    x, rng = read_samples(x), np.random.default_rng(runtime.seed(random_state))
    max_clusters = whole("max_clusters", max_clusters, 1)
    n_references = whole("n_references", n_references, 2)
    if box not in ("data", "principal"):
        raise ValueError(f"box={box!r}, expected 'data' or 'principal'")
    center = x.mean(0)
    axes = np.eye(x.shape[1])
    if box == "principal":
        axes = np.linalg.svd(x - center, full_matrices=False)[2]
    turned = (x - center) @ axes.T
    low, high = turned.min(0), turned.max(0)
    drawn = (rng.uniform(low, high, turned.shape) for _ in range(n_references))
    sets = [x, *(reference @ axes + center for reference in drawn)]
    logs = np.array([_log_dispersions(samples, cluster, max_clusters) for samples in sets])
    errors = logs[1:].std(0) * np.sqrt(1 + 1 / n_references)
    return logs[1:].mean(0) - logs[0], errors


def gap_choice(gaps: ArrayLike, errors: ArrayLike) -> int:
    """The smallest k whose gap is not beaten by that of k + 1 by more than its standard error.

    Shapes: both (largest k,), as `gap_statistic` returns them, from k = 1. Returns the smallest k
    with Gap(k) >= Gap(k+1) - s_(k+1); the largest k, if there is none: then ask for more. Source:
    Tibshirani et al. 2001.

    >>> gap_choice([0.1, 0.8, 0.7], [0.1, 0.1, 0.1])
    2
    """
    gaps, errors = np.asarray(gaps, dtype=float), np.asarray(errors, dtype=float)
    if gaps.ndim != 1 or gaps.shape != errors.shape or len(gaps) == 0:
        raise ValueError(
            f"gaps have shape {gaps.shape}, errors {errors.shape}, expected both (k,), k at least 1"
        )
    enough = gaps[:-1] >= gaps[1:] - errors[1:]
    return int(enough.argmax()) + 1 if enough.any() else len(gaps)


def _log_dispersions(x: np.ndarray, cluster: Callable, max_clusters: int) -> list[float]:
    logs = []
    for k in range(1, max_clusters + 1):
        dispersion = within_dispersion(x, cluster(x, k))
        if dispersion == 0:
            raise ValueError(
                f"k={k} clusters of {len(x)} samples leave no dispersion, expected some"
            )
        logs.append(float(np.log(dispersion)))
    return logs


def read_samples(x: ArrayLike) -> np.ndarray:
    """Read x as a finite matrix (n, d) of floats; raises ValueError for anything else."""
    x = np.asarray(x, dtype=float)
    if x.ndim != 2 or x.size == 0:
        raise ValueError(f"x has shape {x.shape}, expected (n, d), both at least 1")
    if not np.isfinite(x).all():
        raise ValueError("x holds a number that is not finite, expected finite numbers")
    return x
