"""External scores: hand values, rivals, renumbering, bad input."""

import time
import tracemalloc
from itertools import permutations

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as some
from sklearn.metrics.cluster import contingency_matrix

from dclib import metrics
from dclib.metrics import (
    clustering_accuracy,
    contingency,
    majority_accuracy,
    matched_confusion,
    precision_recall_f1,
)

# Three classes of 4, 3 and 1; cluster 0 holds most of class "b", cluster 1 most of class "a".
TRUE = list("aaaabbbc")
PRED = [1, 1, 1, 0, 0, 0, 2, 0]

SCORES = [clustering_accuracy, majority_accuracy, precision_recall_f1]
ALL = [*SCORES, contingency, matched_confusion]


def random_labels(seed, classes, clusters, n=40):
    rng = np.random.default_rng(seed)
    true, pred = rng.integers(classes, size=n), rng.integers(clusters, size=n)
    true[:classes], pred[:clusters] = range(classes), range(clusters)  # each occurs
    return true, pred


CASES = [random_labels(seed, *size) for seed, size in enumerate([(4, 4), (3, 5), (5, 3), (4, 1)])]


def best_assignment(true, pred):
    """Try every one-to-one matching: the class of each cluster, -1 for none."""
    classes, clusters = len(set(true)), len(set(pred))
    candidates = permutations([*range(classes), *[-1] * clusters], clusters)
    return max(map(np.array, candidates), key=lambda match: np.mean(match[pred] == true))


# ---- what all share


@pytest.mark.parametrize("score", SCORES)
def test_renumbering_changes_nothing(score):
    true, pred = CASES[0]
    rename_clusters, rename_classes = np.array([2, 0, 3, 1]), np.array(list("zxyw"))
    renamed = score(rename_classes[true], rename_clusters[pred])
    assert renamed == pytest.approx(score(true, pred))


@pytest.mark.parametrize("score", SCORES)
def test_a_perfect_clustering_scores_one(score):
    assert np.all(np.array(score(list("aabbc"), [7, 7, 3, 3, 5])) == 1)


@pytest.mark.parametrize("function", ALL)
def test_refuses_labels_that_do_not_fit(function):
    with pytest.raises(ValueError, match="labels_true has 3 labels, labels_pred has 2"):
        function([0, 1, 1], [0, 1])
    with pytest.raises(ValueError, match=r"labels_pred has shape \(2, 1\), expected \(n,\)"):
        function([0, 1], [[0], [1]])
    with pytest.raises(ValueError, match=r"labels_true has shape \(0,\), .* n of at least 1"):
        function([], [])


# ---- contingency and matched_confusion


def test_contingency_by_hand():
    assert contingency(TRUE, PRED).tolist() == [[1, 3, 0], [2, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize(("true", "pred"), CASES)
def test_contingency_equals_a_slow_double_loop(true, pred):
    expected = [
        [sum((true == c) & (pred == j)) for j in range(pred.max() + 1)]
        for c in range(true.max() + 1)
    ]
    assert contingency(true, pred).tolist() == expected


@pytest.mark.parametrize(
    "renamed",
    [
        np.array([-1, 0, 1, 2]),  # -1 is what HDBSCAN calls noise
        np.array([7, 3, 900, 40]),  # numbers left out
        np.array([-5, 10**12, 3, 0]),
        np.array([127, -128, 0, 1], dtype=np.int8),
        np.array([2**64 - 1, 0, 2**63, 5], dtype=np.uint64),
        np.array([0.5, -1.0, 2.0, 3.0]),
        np.array(["d", "aa", "b", ""]),
    ],
    ids=lambda names: f"{names.dtype}{names.tolist()}",
)
def test_contingency_takes_any_names(renamed):
    true, pred = CASES[0]
    assert (
        contingency(renamed[true], pred).tolist()
        == contingency_matrix(renamed[true], pred).tolist()
    )
    assert (
        contingency(true, renamed[pred]).tolist()
        == contingency_matrix(true, renamed[pred]).tolist()
    )


def test_matched_confusion_by_hand():
    # a takes cluster 1, b cluster 0; c is left with cluster 2, where it has nobody.
    assert matched_confusion(TRUE, PRED).tolist() == [[3, 1, 0], [0, 2, 1], [0, 1, 0]]


@pytest.mark.parametrize(("true", "pred"), CASES)
def test_matched_confusion_is_the_contingency_with_the_matched_on_the_diagonal(true, pred):
    table = matched_confusion(true, pred)
    columns = sorted(contingency(true, pred).T.tolist())
    empty = max(0, len(set(true)) - len(set(pred)))
    assert sorted(table.T.tolist()) == sorted([*columns, *[[0] * len(set(true))] * empty])
    assert np.trace(table) == round(len(true) * clustering_accuracy(true, pred))


# ---- accuracies


def test_accuracies_by_hand():
    assert clustering_accuracy(TRUE, PRED) == 5 / 8  # 3 of a in cluster 1, 2 of b in cluster 0
    assert majority_accuracy(TRUE, PRED) == 6 / 8  # cluster 2 may take b as well


@pytest.mark.parametrize(("true", "pred"), CASES)
def test_clustering_accuracy_equals_all_matchings_tried(true, pred):
    best = np.mean(best_assignment(true, pred)[pred] == true)
    assert clustering_accuracy(true, pred) == pytest.approx(best)


few_labels = some.lists(some.tuples(some.integers(0, 5), some.integers(0, 5)), min_size=1)


@given(few_labels)
def test_clustering_accuracy_equals_all_permutations_of_up_to_six(pairs):
    """One cluster, one class, fewer or more clusters than classes, numbers left out: all occur."""
    table = np.zeros((6, 6), dtype=int)
    for i, j in pairs:
        table[i, j] += 1
    best = max(table[range(6), order].sum() for order in permutations(range(6)))
    assert clustering_accuracy(*zip(*pairs, strict=True)) == pytest.approx(best / len(pairs))


def test_clustering_accuracy_of_ten_million_labels_is_quick_and_small():
    draw = np.random.default_rng(0)
    true, pred = (draw.integers(100, size=10**7) for _ in range(2))
    tracemalloc.start()
    begin = time.perf_counter()
    clustering_accuracy(true, pred)
    seconds, peak = time.perf_counter() - begin, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds <= 2
    assert peak + true.nbytes + pred.nbytes <= 1e9


@pytest.mark.parametrize(("true", "pred"), CASES)
def test_majority_accuracy_equals_a_slow_loop(true, pred):
    right = sum(np.bincount(true[pred == j]).max() for j in set(pred))
    assert majority_accuracy(true, pred) == pytest.approx(right / len(true))


# ---- precision, recall, F1


def test_precision_recall_f1_by_hand():
    # a: 3 of 3 found, 3 of 4; b: 2 of 4, 2 of 3; c is matched to cluster 2 and gets nothing.
    precision, recall = np.array([1, 1 / 2, 0]), np.array([3 / 4, 2 / 3, 0])
    f1 = np.array([6 / 7, 4 / 7, 0])
    expected = precision.mean(), recall.mean(), f1.mean()
    assert precision_recall_f1(TRUE, PRED) == pytest.approx(expected)


@pytest.mark.parametrize("average", ["macro", "micro"])
@pytest.mark.parametrize(("true", "pred"), CASES)
def test_precision_recall_f1_equals_scikit_learn_on_the_matched_labels(true, pred, average):
    matched = best_assignment(true, pred)[pred]
    rival = sklearn.metrics.precision_recall_fscore_support(
        true, matched, labels=np.unique(true), average=average, zero_division=0
    )
    assert precision_recall_f1(true, pred, average) == pytest.approx(rival[:3])


def test_micro_is_the_accuracy_where_every_cluster_is_matched():
    true, pred = CASES[0]
    accuracy = clustering_accuracy(true, pred)
    assert precision_recall_f1(true, pred, "micro") == pytest.approx([accuracy] * 3)


def test_refuses_an_unknown_average():
    with pytest.raises(ValueError, match="average='weighted', expected 'macro' or 'micro'"):
        precision_recall_f1(TRUE, PRED, "weighted")


# ---- scikit-learn's own


@pytest.mark.parametrize("name", [name for name in metrics.__all__ if name.endswith("_score")])
def test_scikit_learns_scores_are_scikit_learns(name):
    assert getattr(metrics, name) is getattr(sklearn.metrics, name)
