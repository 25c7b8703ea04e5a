"""Agreement of several clusterings: hand value, rival, renumbering, bad input."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from dclib.metrics import mean_agreement


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
