"""The gap statistic: hand values, a slow rival, the known answer, bad input."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from dclib.data import blobs
from dclib.metrics import gap_choice, gap_statistic, within_dispersion


def kmeans(x, k):
    return KMeans(k, n_init=3, random_state=0).fit_predict(x)


# ---- within_dispersion


def test_dispersion_by_hand():
    # Means (1, 0) and (5, 5): 1 + 1 in the first cluster, nothing in the second.
    assert within_dispersion([[0, 0], [2, 0], [5, 5]], [7, 7, -1]) == 2


def test_dispersion_equals_the_sum_over_pairs_and_the_inertia_of_k_means():
    x = blobs(n=60).x
    model = KMeans(3, n_init=1, random_state=0).fit(x)
    pairs = 0.0
    for j in range(3):
        group = x[model.labels_ == j]
        pairs += sum(((a - b) ** 2).sum() for a in group for b in group) / (2 * len(group))
    assert within_dispersion(x, model.labels_) == pytest.approx(pairs)  # D_r / (2 n_r), as printed
    assert within_dispersion(x, model.labels_) == pytest.approx(model.inertia_)


def test_dispersion_refuses_labels_that_do_not_fit():
    with pytest.raises(ValueError, match=r"labels have shape \(3,\), expected \(2,\)"):
        within_dispersion([[0.0], [1.0]], [0, 1, 1])


# ---- gap_statistic


def test_gap_equals_a_slow_one_on_the_same_references():
    x = np.random.default_rng(1).normal(size=(40, 2)) * [5, 1]
    gaps, errors = gap_statistic(x, kmeans, 3, n_references=4, box="data", random_state=7)
    rng = np.random.default_rng(7)
    center = x.mean(0)
    low, high = (x - center).min(0), (x - center).max(0)
    references = [rng.uniform(low, high, x.shape) + center for _ in range(4)]
    for k in (1, 2, 3):

        def log_inertia(samples, k=k):
            return np.log(KMeans(k, n_init=3, random_state=0).fit(samples).inertia_)

        logs = np.array([log_inertia(reference) for reference in references])
        assert gaps[k - 1] == pytest.approx(logs.mean() - log_inertia(x))
        spread = np.sqrt(((logs - logs.mean()) ** 2).mean())
        assert errors[k - 1] == pytest.approx(spread * np.sqrt(5 / 4))


@pytest.mark.parametrize("box", ["data", "principal"])
def test_references_fill_the_box_asked_for(box):
    # A diagonal line: along the features its box is a square, along its axes a thin strip.
    line = np.linspace(0, 1, 200)
    x = np.column_stack([line, line + 0.001 * np.sin(50 * line)])
    seen = []
    gap_statistic(x, lambda x, k: seen.append(x) or np.zeros(len(x)), 1, 2, box, random_state=0)
    off_diagonal = np.abs(seen[1][:, 0] - seen[1][:, 1]).max()
    assert (off_diagonal > 0.5) if box == "data" else (off_diagonal < 0.01)
    assert seen[1].min() > x.min() - 0.01 and seen[1].max() < x.max() + 0.01


def test_gap_finds_one_cluster_and_three():
    square = np.random.default_rng(0).uniform(size=(150, 2))
    assert gap_choice(*gap_statistic(square, kmeans, 4, random_state=0)) == 1
    assert gap_choice(*gap_statistic(blobs(n=150).x, kmeans, 5, random_state=0)) == 3


def test_gap_is_fixed_by_its_seed():
    x = blobs(n=50).x
    first, again, other = (gap_statistic(x, kmeans, 2, random_state=seed)[0] for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"max_clusters": 0}, "max_clusters=0, expected a whole number of at least 1"),
        ({"n_references": 2.5}, "n_references=2.5, expected a whole number of at least 2"),
        ({"n_references": 1}, "n_references=1, expected a whole number of at least 2"),
        ({"box": "round"}, "box='round', expected 'data' or 'principal'"),
        ({"x": [0.0, 1.0]}, r"x has shape \(2,\), expected \(n, d\)"),
        ({"x": [[0.0], [np.nan]]}, "x holds a number that is not finite"),
        ({"x": [[1.0], [1.0]]}, "k=1 clusters of 2 samples leave no dispersion"),
        ({"random_state": -1}, "random_state=-1"),
    ],
)
def test_gap_refuses(changed, message):
    good = {"x": [[0.0], [1.0], [3.0]], "cluster": kmeans, "max_clusters": 1}
    with pytest.raises(ValueError, match=message):
        gap_statistic(**good | changed)


# ---- gap_choice


def test_choice_by_hand():
    assert gap_choice([0.5, 0.55, 0.9], [0, 0.1, 0.1]) == 1  # 0.5 >= 0.55 - 0.1
    assert gap_choice([0.5, 0.65, 0.6], [0, 0.1, 0.1]) == 2  # 0.5 < 0.65 - 0.1
    assert gap_choice([0.1, 0.2, 0.3], [0, 0, 0]) == 3  # none: the largest
    assert gap_choice([0.1], [0]) == 1


def test_choice_refuses_gaps_without_their_errors():
    with pytest.raises(ValueError, match=r"gaps have shape \(2,\), errors \(1,\)"):
        gap_choice([0.1, 0.2], [0.1])
