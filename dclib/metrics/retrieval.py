"""Scores of binary codes: are the samples with the nearest codes of the same class?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def mean_average_precision(
    queries: ArrayLike, gallery: ArrayLike, query_labels: ArrayLike, gallery_labels: ArrayLike
) -> float:
    """Average precision of a search by Hamming distance, mean over the queries.

    Shapes: queries (n, bits) and gallery (m, bits), codes of 0 and 1 or of truth values; true
    labels (n,) and (m,). For every query the gallery is ordered by the number of bits that differ;
    samples at one distance are taken together. Returns a fraction; by chance the share of the
    query's class. High is good. Raises ValueError for shapes that do not fit, other numbers, or a
    query whose class the gallery lacks.

    >>> mean_average_precision([[0, 0]], [[0, 0], [0, 1], [1, 1]], [5], [5, 5, 6])
    1.0
    """
    distances, same = _search(queries, gallery, query_labels, gallery_labels)
    found, score = np.zeros(len(same)), np.zeros(len(same))
    for radius in range(int(distances.max()) + 1):
        near = distances <= radius
        before, found = found, (near & same).sum(1)
        score += (found - before) * found / near.sum(1).clip(1)
    return float(np.mean(score / found))


def precision_within(
    queries: ArrayLike,
    gallery: ArrayLike,
    query_labels: ArrayLike,
    gallery_labels: ArrayLike,
    radius: int = 2,
) -> float:
    """Share of the query's class among the samples within a Hamming radius, mean over queries.

    Shapes and errors as `mean_average_precision`. A query that finds nothing within `radius` bits
    counts as 0. High is good.

    >>> precision_within([[0, 0]], [[0, 0], [0, 1], [1, 1]], [5], [5, 6, 6], radius=1)
    0.5
    """
    distances, same = _search(queries, gallery, query_labels, gallery_labels)
    near = distances <= radius
    return float(np.mean((near & same).sum(1) / near.sum(1).clip(1)))


def _search(
    queries: ArrayLike, gallery: ArrayLike, query_labels: ArrayLike, gallery_labels: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Bits that differ, and whether the classes are equal: (n, m) both."""
    codes = []
    for name, values in (("queries", queries), ("gallery", gallery)):
        values = np.asarray(values)
        if values.ndim != 2 or not values.size or not np.isin(values, (0, 1)).all():
            found = f"{name} has shape {values.shape} and numbers {np.unique(values)[:3]}"
            raise ValueError(f"{found}, expected codes (n, bits) of 0 and 1")
        codes.append(values.astype(np.float32))
    if codes[0].shape[1] != codes[1].shape[1]:
        raise ValueError(f"queries have {codes[0].shape[1]} bits, gallery {codes[1].shape[1]}")
    labels = np.asarray(query_labels), np.asarray(gallery_labels)
    for name, of, code in zip(("query_labels", "gallery_labels"), labels, codes, strict=True):
        if of.shape != (len(code),):
            raise ValueError(f"{name} has shape {of.shape}, expected ({len(code)},)")
    same = labels[0][:, None] == labels[1]
    if not same.any(1).all():
        missing = labels[0][~same.any(1)][0]
        raise ValueError(f"query_labels has {missing!r}, which gallery_labels lacks")
    ones = codes[0].sum(1)[:, None] + codes[1].sum(1)
    return ones - 2 * codes[0] @ codes[1].T, same
