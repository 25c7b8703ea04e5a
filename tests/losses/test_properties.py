"""What holds for every input, tried on inputs that a search makes as awkward as it can."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dclib.assign import balance, sharpen, sinkhorn, student_t
from dclib.losses import (
    assignment_kl,
    balance_kl,
    correlation_loss,
    crp_log_prior,
    group_sparsity,
    kmeans_loss,
    label_features,
    mutual_information,
    pair_loss,
    ridge_expression,
    self_expression,
    soft_kmeans_loss,
    squared_error,
)

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
@given(rows(), st.data())
def test_the_soft_kmeans_loss_lies_between_the_nearest_and_the_mean_center(z, data):
    centers = data.draw(rows(None, z.shape[1]))
    distances = (z[:, None] - centers).square().sum(2)
    low, high = distances.amin(1).mean(), distances.mean()
    found = soft_kmeans_loss(z, centers, temperature=data.draw(numbers(0.01, 1e6)))
    assert low * (1 - SMALL) - SMALL <= found <= high * (1 + SMALL) + SMALL


@properties
@given(assignments())
def test_information_lies_between_zero_and_log_k_and_falls_when_clusters_merge(q):
    found, k = mutual_information(q).item(), q.shape[1]
    assert -SMALL <= found <= math.log(min(q.shape)) + SMALL
    if k > 1:
        merged = torch.cat([q[:, :1] + q[:, 1:2], q[:, 2:]], 1)
        assert mutual_information(merged) <= found + SMALL  # the data processing inequality


@properties
@given(rows(), st.data())
def test_the_loss_of_pairs_is_not_negative_and_zero_without_a_pair(scores, data):
    features = label_features(scores)
    torch.testing.assert_close(features.square().sum(1), torch.ones(len(scores)).to(features))
    lower, upper = sorted([data.draw(numbers(0, 1)), data.draw(numbers(0, 1))])
    assert pair_loss(features, upper, lower) >= -SMALL
    assert pair_loss(features[:1], upper, lower) == 0  # one sample makes no pair


@properties
@given(st.lists(st.integers(0, 4), min_size=1, max_size=8), st.data())
def test_the_restaurant_knows_neither_order_nor_names(labels, data):
    concentration = data.draw(numbers(0.01, 100))
    prior = crp_log_prior(torch.tensor(labels), concentration)
    order, names = data.draw(st.permutations(labels)), data.draw(st.permutations(range(5)))
    renamed = torch.tensor([names[label] for label in order])
    assert prior <= SMALL
    assert crp_log_prior(renamed, concentration).item() == pytest.approx(prior.item())


@properties
@given(rows(), st.data())
def test_no_coefficients_are_better_than_the_closed_form(z, data):
    penalty = data.draw(numbers(1, 100))
    best = self_expression(z, ridge_expression(z, penalty), penalty, power=2)
    other = self_expression(z, data.draw(rows(len(z), len(z))), penalty, power=2)
    assert best <= other * (1 + 1e-6) + 1e-6


@properties
@given(rows(), numbers(-10, 10))
def test_group_sparsity_is_a_norm(z, factor):
    sizes = [1] * z.shape[1]
    found = group_sparsity(z, sizes)
    scaled = group_sparsity(factor * z, sizes)
    assert scaled.item() == pytest.approx(abs(factor) * found.item(), abs=SMALL)
    assert group_sparsity(z + z.flip(0), sizes) <= 2 * found * (1 + SMALL) + SMALL


@properties
@given(rows(width=5), numbers(0.5, 10), numbers(-10, 10))
def test_correlation_sees_neither_size_nor_offset(x, size, offset):
    x = x / 1e3 + torch.arange(5) ** 2  # not flat
    assert correlation_loss(size * x + offset, x).item() == pytest.approx(0, abs=1e-6)
    assert correlation_loss(-size * x, x).item() == pytest.approx(2, abs=1e-6)


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
    for loss in (
        assignment_kl,
        lambda p, q: balance_kl(q),
        lambda p, q: mutual_information(q),
        lambda p, q: pair_loss(label_features(q), 0.9, 0.5),
    ):
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
