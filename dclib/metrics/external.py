"""External scores: a clustering against the true labels, held by whoever calls these."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import precision_recall_fscore_support


def contingency(labels_true: ArrayLike, labels_pred: ArrayLike) -> np.ndarray:
    """Count the samples of each class in each cluster.

    Shapes: both (n,). Returns whole numbers (classes, clusters), in sorted order of the labels
    that occur.

    >>> contingency([0, 0, 1], [1, 1, 0]).tolist()
    [[0, 2], [1, 0]]
    """
    (true, classes), (pred, clusters) = map(_number, _read(labels_true, labels_pred))
    counts = np.bincount(true * clusters + pred, minlength=classes * clusters)
    table = counts.reshape(classes, clusters)
    return table[np.ix_(table.any(1), table.any(0))]


def clustering_accuracy(labels_true: ArrayLike, labels_pred: ArrayLike) -> float:
    """Share of samples that are right under the best one-to-one matching of clusters to classes.

    Shapes: both (n,). Returns a fraction in [0, 1]. Surplus clusters (or classes) stay unmatched
    and count as wrong. Source: Xie et al. 2016 (DEC), Eq. 10; the matching is Kuhn's Hungarian
    method, here SciPy's. High is good.

    >>> clustering_accuracy([0, 0, 1, 1], [1, 1, 0, 1])
    0.75
    """
    table = contingency(labels_true, labels_pred)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / table.sum())


def majority_accuracy(labels_true: ArrayLike, labels_pred: ArrayLike) -> float:
    """Share of samples that are right when every cluster takes its most frequent class.

    Shapes: both (n,). Returns a fraction in [0, 1]. Many clusters may take one class, so the
    score grows with their number and is 1 when each sample is its own cluster: never compare it
    with `clustering_accuracy`. Also called purity. High is good.

    >>> majority_accuracy([0, 0, 1, 1], [0, 1, 2, 2])
    1.0
    """
    table = contingency(labels_true, labels_pred)
    return float(table.max(0).sum() / table.sum())


def matched_confusion(labels_true: ArrayLike, labels_pred: ArrayLike) -> np.ndarray:
    """Order the contingency table so that matched clusters stand on the diagonal.

    Shapes: both (n,). Returns whole numbers (classes, clusters): row i is class i, column i its
    matched cluster, empty where none is left for it; clusters without a class follow.

    >>> matched_confusion([0, 0, 1], [1, 1, 0]).tolist()
    [[2, 0], [0, 1]]
    """
    table = _pad(contingency(labels_true, labels_pred))
    return table[:, _column_order(table)]


def precision_recall_f1(
    labels_true: ArrayLike, labels_pred: ArrayLike, average: str = "macro"
) -> tuple[float, float, float]:
    """Precision, recall and F1 after the best one-to-one matching of clusters to classes.

    Shapes: both (n,). `average="macro"` is the mean over the classes, each class counting the
    same; "micro" pools all decisions, so that, with every cluster matched, all three equal the
    accuracy. Returns three fractions in [0, 1]. High is good.

    >>> precision_recall_f1([0, 0, 1, 1], [1, 1, 0, 0])
    (1.0, 1.0, 1.0)
    """
    if average not in ("macro", "micro"):
        raise ValueError(f"average={average!r}, expected 'macro' or 'micro'")
    true, pred = _read(labels_true, labels_pred)
    table = _pad(contingency(true, pred))
    true = np.unique(true, return_inverse=True)[1]
    position = np.argsort(_column_order(table))  # cluster -> its matched class
    matched = position[np.unique(pred, return_inverse=True)[1]]
    precision, recall, f1, _ = precision_recall_fscore_support(
        true, matched, labels=np.arange(len(table)), average=average, zero_division=0
    )
    return float(precision), float(recall), float(f1)


def _pad(table: np.ndarray) -> np.ndarray:
    """Add empty clusters until there is one for every class."""
    missing = max(0, table.shape[0] - table.shape[1])
    return np.pad(table, ((0, 0), (0, missing)))


def _column_order(table: np.ndarray) -> np.ndarray:
    """Clusters in the order of their classes; unmatched clusters last."""
    rows, columns = linear_sum_assignment(table, maximize=True)
    unmatched = np.setdiff1d(np.arange(table.shape[1]), columns)
    return np.concatenate([columns[np.argsort(rows)], unmatched])


def _number(labels: np.ndarray) -> tuple[np.ndarray, int]:
    """Number labels from 0; small whole numbers keep their gaps, for sorting millions is slow."""
    if labels.dtype.kind in "iu" and labels.min() >= -1 and labels.max() < 1000:
        return labels.astype(np.int64) + 1, int(labels.max()) + 2
    values, numbers = np.unique(labels, return_inverse=True)
    return numbers, len(values)


def _read(labels_true: ArrayLike, labels_pred: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    true, pred = np.asarray(labels_true), np.asarray(labels_pred)
    for name, labels in (("labels_true", true), ("labels_pred", pred)):
        if labels.ndim != 1 or len(labels) == 0:
            raise ValueError(f"{name} has shape {labels.shape}, expected (n,) with n of at least 1")
    if len(true) != len(pred):
        raise ValueError(f"labels_true has {len(true)} labels, labels_pred has {len(pred)}")
    return true, pred
