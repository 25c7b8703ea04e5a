"""Agreement of several clusterings: hand value, rival, renumbering, limits, bad input."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from dclib.data import blobs
from dclib.metrics import mean_agreement, resampling_stability


def kmeans(x, k):
    return KMeans(k, n_init=3, random_state=0).fit_predict(x)


# ---- mean_agreement


def test_by_hand():
    # The first two agree (1); either has -1/2 with the third: they split all that it joins.
    assert mean_agreement([[0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1]]) == 0


def test_equals_a_slow_double_loop_and_does_not_care_for_numbers():
    runs = np.random.default_rng(0).integers(3, size=(4, 30))
    pairs = [adjusted_rand_score(runs[a], runs[b]) for a in range(4) for b in range(a)]
    assert mean_agreement(runs) == pytest.approx(np.mean(pairs))
    runs[1] = np.array([2, 0, 1])[runs[1]]
    assert mean_agreement(runs) == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize("runs", [[[0, 1, 1]], [0, 1, 1]])
def test_refuses_fewer_than_two_clusterings(runs):
    shape = np.shape(runs)
    with pytest.raises(ValueError, match=rf"shape \({shape[0]},.*expected \(r, n\), r of at least"):
        mean_agreement(runs)


# ---- resampling_stability


def test_stability_equals_a_slow_comparison_by_sample_number():
    x = np.arange(30.0)[:, None]  # each sample tells its own number
    calls = []

    def cluster(x, k):
        labels = np.random.default_rng(len(calls)).integers(k, size=len(x))
        calls.append({int(row[0]): label for row, label in zip(x, labels, strict=True)})
        return labels

    found = resampling_stability(x, cluster, 3, share=0.6, n_pairs=4, random_state=0)
    assert len(calls) == 8
    assert all(len(call) == 18 for call in calls)
    for pair, value in enumerate(found):
        first, second = calls[2 * pair], calls[2 * pair + 1]
        both = [i for i in range(30) if i in first and i in second]
        rival = adjusted_rand_score([first[i] for i in both], [second[i] for i in both])
        assert value == pytest.approx(rival)
    assert calls[0].keys() != calls[1].keys()


def test_true_clusters_are_stable_and_cuts_through_nothing_are_not():
    x = blobs(n=150).x
    three = resampling_stability(x, kmeans, 3, random_state=0)
    assert three.min() > 0.97
    assert resampling_stability(x, kmeans, 7, random_state=0).max() < three.min()
    assert (resampling_stability(x, kmeans, 1, random_state=0) == 1).all()


def test_stability_is_fixed_by_its_seed():
    x = np.random.default_rng(0).uniform(size=(60, 2))
    first, again, other = (resampling_stability(x, kmeans, 4, random_state=s) for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"share": 0.5}, "share=0.5 of 4 samples, expected above 0.5"),
        ({"share": 1.0}, "share=1.0 of 4 samples, .* below 1"),
        ({"n_clusters": 4}, "enough for 4 clusters"),
        ({"n_clusters": 0}, "n_clusters=0, expected a whole number of at least 1"),
        ({"n_pairs": True}, "n_pairs=True, expected a whole number of at least 1"),
        ({"x": [1.0, 2.0]}, r"x has shape \(2,\), expected \(n, d\)"),
        ({"random_state": "a"}, "random_state='a'"),
        ({"cluster": lambda x, k: [0]}, r"labels of shapes \{\(1,\)\}, expected \(3,\)"),
    ],
)
def test_stability_refuses(changed, message):
    good = {"x": [[0.0], [1.0], [3.0], [4.0]], "cluster": kmeans, "n_clusters": 2}
    with pytest.raises(ValueError, match=message):
        resampling_stability(**good | changed)
