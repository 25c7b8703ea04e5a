"""What holds for every input, tried on inputs that a search makes as awkward as it can."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dclib.assign import balance, sharpen, sinkhorn, student_t
from dclib.losses import assignment_kl, balance_kl, kmeans_loss, squared_error

SMALL = 1e-9
# The same inputs in every run, and nothing kept between runs.
properties = settings(derandomize=True, database=None, deadline=None, max_examples=100)
sizes = st.integers(1, 6)


def numbers(low, high):
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


@st.composite
def rows(draw, n=None, width=None):
    """Codes (n, m), some equal, some far away."""
    shape = (n or draw(sizes), width or draw(sizes))
    return torch.from_numpy(draw(arrays(float, shape, elements=numbers(-1e3, 1e3))))


@st.composite
def assignments(draw, n=None, k=None):
    """Probabilities (n, k): from one-hot up to rounding, to uniform."""
    return draw(rows(n, k)).softmax(1)


@st.composite
def pairs(draw, kind):
    """Two of a kind with the same shape."""
    n, k = draw(sizes), draw(sizes)
    return draw(kind(n, k)), draw(kind(n, k))


@properties
@given(pairs(assignments))
def test_a_divergence_is_not_negative_and_zero_from_itself(two):
    p, q = two
    assert assignment_kl(p, q) >= -SMALL
    assert assignment_kl(p, p) == pytest.approx(0, abs=SMALL)


@properties
@given(assignments())
def test_balance_lies_between_zero_and_log_k_and_is_zero_for_equal_sizes_only(q):
    found, k = balance_kl(q).item(), q.shape[1]
    assert -SMALL <= found <= math.log(k) + SMALL
    off = (q.mean(0) - 1 / k).abs().sum().item()
    assert found >= off**2 / 2 - SMALL  # Pinsker: zero forces equal sizes
    every_cluster_in_turn = torch.stack([q.roll(j, 1) for j in range(k)]).mean(0)
    assert balance_kl(every_cluster_in_turn).item() == pytest.approx(0, abs=SMALL)


@properties
@given(rows(), st.data())
def test_the_mean_of_its_cluster_is_the_best_center(z, data):
    labels = torch.zeros(len(z), dtype=torch.long)
    other = data.draw(rows(1, z.shape[1]))
    best = kmeans_loss(z, z.mean(0, keepdim=True), labels)
    assert 0 <= best <= kmeans_loss(z, other, labels) * (1 + SMALL) + SMALL


@properties
@given(pairs(rows))
def test_an_error_has_no_direction_and_no_sign(two):
    x, x_hat = two
    assert squared_error(x, x_hat) == squared_error(x_hat, x) >= 0


@properties
@given(assignments())
def test_targets_are_assignments(q):
    for target in (sharpen(q), balance(q), sinkhorn(q)):
        assert target.min() >= 0
        torch.testing.assert_close(target.sum(1), torch.ones(len(q), dtype=q.dtype))


@properties
@given(st.data())
def test_renumbering_clusters_and_reordering_samples_changes_nothing(data):
    p, q = data.draw(pairs(assignments))
    n, k = q.shape
    samples = torch.tensor(data.draw(st.permutations(range(n))))
    clusters = torch.tensor(data.draw(st.permutations(range(k))))
    for loss in (lambda p, q: assignment_kl(p, q), lambda p, q: balance_kl(q)):
        again = loss(p[samples][:, clusters], q[samples][:, clusters])
        torch.testing.assert_close(again, loss(p, q))


@properties
@given(rows(), st.data())
def test_student_t_is_surest_of_the_nearest_center(z, data):
    centers = data.draw(rows(None, z.shape[1]))
    q = student_t(z, centers)
    nearest = (z[:, None] - centers).square().sum(2).amin(1, keepdim=True)
    at_nearest = (z[:, None] - centers).square().sum(2) == nearest
    assert (q.amax(1, keepdim=True) <= q + SMALL)[at_nearest].all()
