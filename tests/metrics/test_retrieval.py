"""Codes and retrieval: worked examples, a slow rival, ties, and codes of no use."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from dclib.metrics import mean_average_precision, precision_within

GALLERY = [[0, 0, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1]]


def codes(n, bits, seed):
    return np.random.default_rng(seed).integers(2, size=(n, bits))


def test_a_search_by_hand():
    # By distance from 000 the classes come as a, b, a, b: precisions 1 and 2/3 where a is found.
    score = mean_average_precision([[0, 0, 0]], GALLERY, ["a"], ["a", "b", "a", "b"])
    assert score == pytest.approx((1 + 2 / 3) / 2)
    assert precision_within([[0, 0, 0]], GALLERY, ["a"], ["a", "b", "a", "b"], 2) == 2 / 3


def test_ties_are_taken_together():
    same = [[0, 1]] * 4
    for labels in (["a", "a", "b", "b"], ["b", "b", "a", "a"]):
        assert mean_average_precision([[0, 1]], same, ["a"], labels) == 0.5


def test_equals_scikit_learn_query_by_query():
    queries, gallery = codes(5, 6, 0), codes(40, 6, 1)
    labels = np.arange(5) % 3, np.arange(40) % 3
    rivals = [
        average_precision_score(labels[1] == label, -(gallery != query).sum(1))
        for query, label in zip(queries, labels[0], strict=True)
    ]
    score = mean_average_precision(queries, gallery, *labels)
    assert score == pytest.approx(np.mean(rivals), rel=1e-12)


def test_equals_a_slow_loop():
    queries, gallery = codes(5, 6, 0), codes(40, 6, 1)
    labels = np.arange(5) % 2, np.arange(40) % 2
    shares = []
    for query, label in zip(queries, labels[0], strict=True):
        near = [other for code, other in zip(gallery, labels[1], strict=True)
                if sum(a != b for a, b in zip(query, code, strict=True)) <= 2]  # fmt: skip
        shares.append(sum(other == label for other in near) / max(1, len(near)))
    assert precision_within(queries, gallery, *labels) == pytest.approx(np.mean(shares))


def test_swapping_all_bits_changes_nothing():
    queries, gallery = codes(5, 6, 0).astype(bool), codes(40, 6, 1).astype(bool)
    labels = np.arange(5) % 2, np.arange(40) % 2
    for score in (mean_average_precision, precision_within):
        assert score(queries, gallery, *labels) == score(~queries, ~gallery, *labels)


def test_a_query_that_finds_nothing_counts_as_0():
    assert precision_within([[0, 0, 0]], [[1, 1, 1]], [1], [1]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0.5]], [[1]], [1], [1]), r"queries has shape \(1, 1\) and numbers \[0.5\]"),
        (([[0]], [[1, 0]], [1], [1]), "queries have 1 bits, gallery 2"),
        (([0], [[1]], [1], [1]), r"queries has shape \(1,\)"),
        (([[0]], [[1]], [1, 2], [1]), r"query_labels has shape \(2,\), expected \(1,\)"),
        (([[0]], [[1]], [1], [2]), "which gallery_labels lacks"),
    ],
)
def test_refuses_what_is_no_search(arguments, message):
    with pytest.raises(ValueError, match=message):
        precision_within(*arguments)
