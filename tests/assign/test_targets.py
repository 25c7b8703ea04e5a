"""Targets: hand values, rivals, gradients, renumbering, bad input."""

import pytest
import torch
from torch.autograd import gradcheck

from dclib.assign import balance, boost, sharpen, sinkhorn

pytestmark = pytest.mark.usefixtures("seeds")

N, K = 7, 4
TARGETS = [sharpen, boost, balance, sinkhorn]


def assignments(n=N, k=K):
    return torch.randn(n, k, dtype=torch.float64).softmax(1)


# ---- what all share


@pytest.mark.parametrize("target", TARGETS)
def test_rows_sum_to_one(target):
    torch.testing.assert_close(target(assignments()).sum(1), torch.ones(N, dtype=torch.float64))


@pytest.mark.parametrize("target", TARGETS)
def test_gradient(target):
    assert gradcheck(target, assignments().requires_grad_())


@pytest.mark.parametrize("target", TARGETS)
def test_renumbering_the_clusters_renumbers_the_columns(target):
    q, order = assignments(), torch.randperm(K)
    torch.testing.assert_close(target(q[:, order]), target(q)[:, order])


@pytest.mark.parametrize("target", TARGETS)
def test_refuses_a_single_row_of_numbers(target):
    with pytest.raises(ValueError, match=r"has shape \(4,\), expected two dimensions"):
        target(torch.ones(4) / 4)


@pytest.mark.parametrize("target", TARGETS)
def test_the_order_of_the_samples_does_not_matter(target):
    q, order = assignments(), torch.randperm(N)
    torch.testing.assert_close(target(q[order]), target(q)[order])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_dtype_is_kept(target, dtype):
    assert target(assignments().to(dtype)).dtype == dtype


@pytest.mark.parametrize("target", TARGETS)
def test_one_cluster_takes_everything(target):
    torch.testing.assert_close(target(torch.ones(N, 1)), torch.ones(N, 1))


# ---- an empty cluster: all but Sinkhorn's


@pytest.mark.parametrize("target", [sharpen, boost, balance])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_empty_cluster_stays_empty_and_changes_no_other(target, dtype):
    q = torch.tensor([[0.7, 0.3], [0.9, 0.1]], dtype=dtype)
    with_empty = torch.cat([q[:, :1], torch.zeros(2, 1, dtype=dtype), q[:, 1:]], 1)
    p = target(with_empty)
    assert p[:, 1].tolist() == [0, 0]
    assert torch.equal(p[:, [0, 2]], target(q))


@pytest.mark.parametrize("target", [sharpen, boost, balance])
def test_hard_assignments_are_their_own_target(target):
    q = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    assert torch.equal(target(q), q)


@pytest.mark.parametrize("target", [sharpen, boost, balance])
def test_an_empty_cluster_has_a_finite_gradient(target):
    q = torch.tensor([[1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    target(q)[:, 0].sum().backward()
    assert q.grad.isfinite().all()


# ---- sharpen


def test_sharpen_by_hand():
    q = torch.tensor([[0.5, 0.5], [0.9, 0.1]])  # sizes 1.4, 0.6
    first = torch.tensor([0.25 / 1.4, 0.25 / 0.6])
    second = torch.tensor([0.81 / 1.4, 0.01 / 0.6])
    expected = torch.stack([first / first.sum(), second / second.sum()])
    torch.testing.assert_close(sharpen(q), expected)


@pytest.mark.parametrize("power", [1.0, 2.0, 3.5])
def test_sharpen_equals_a_slow_double_loop(power):
    q = assignments()
    expected = torch.empty_like(q)
    for i in range(N):
        for j in range(K):
            shares = [q[i, c] ** power / sum(q[:, c]) for c in range(K)]
            expected[i, j] = shares[j] / sum(shares)
    torch.testing.assert_close(sharpen(q, power), expected)


def test_sharpen_of_a_batch_is_not_the_batch_of_sharpen():
    q = assignments()
    assert not torch.allclose(sharpen(q[:3]), sharpen(q)[:3])


def test_sharpen_raises_the_confidence_of_equal_clusters():
    q = torch.tensor([[0.8, 0.2], [0.2, 0.8]])
    weaker, stronger = sharpen(q, 1.5)[0, 0], sharpen(q, 4.0)[0, 0]
    assert 0.8 < weaker < stronger < 1
    torch.testing.assert_close(sharpen(q, 1.0), q)


@pytest.mark.parametrize("power", [0, -2.0])
def test_sharpen_refuses_power(power):
    with pytest.raises(ValueError, match=f"power={power}, expected a number above 0"):
        sharpen(assignments(), power)


# ---- boost


@pytest.mark.parametrize("power", [1.0, 2.0, 3.5])
def test_boost_equals_a_slow_double_loop(power):
    q = assignments()
    expected = torch.empty_like(q)
    for i in range(N):
        for j in range(K):
            shares = [q[i, c] ** power / sum(q[:, c] ** power) for c in range(K)]
            expected[i, j] = shares[j] / sum(shares)
    torch.testing.assert_close(boost(q, power), expected)


def test_boost_gives_a_cluster_of_doubtful_members_more_than_sharpen_does():
    q = torch.tensor([[0.95, 0.05], [0.95, 0.05], [0.45, 0.55], [0.45, 0.55]])
    assert (boost(q)[:, 1] > sharpen(q)[:, 1]).all()
    torch.testing.assert_close(boost(q, 1.0), sharpen(q, 1.0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_boost_by_a_huge_power_takes_the_cluster_where_a_sample_is_nearest_to_the_best(dtype):
    q = torch.tensor([[0.8, 0.2], [0.55, 0.45], [0.4, 0.6]], dtype=dtype)  # best: 0.8 and 0.6
    expected = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], dtype=dtype)
    torch.testing.assert_close(boost(q, 1e4), expected)


@pytest.mark.parametrize("power", [0, -2.0])
def test_boost_refuses_power(power):
    with pytest.raises(ValueError, match=f"power={power}, expected a number above 0"):
        boost(assignments(), power)


# ---- balance


def test_balance_by_hand():
    q = torch.tensor([[0.8, 0.2], [0.8, 0.2]])  # sizes 1.6 and 0.4, their roots are as 2 to 1
    torch.testing.assert_close(balance(q), torch.tensor([[2 / 3, 1 / 3]] * 2))


def test_balance_equals_a_slow_double_loop():
    q = assignments()
    expected = torch.empty_like(q)
    for i in range(N):
        for j in range(K):
            shares = [q[i, c] / sum(q[:, c]) ** 0.5 for c in range(K)]
            expected[i, j] = shares[j] / sum(shares)
    torch.testing.assert_close(balance(q), expected)


# ---- sinkhorn


def test_sinkhorn_by_hand():
    scores = torch.tensor([[4.0, 1.0], [1.0, 1.0]]).log()
    expected = torch.tensor([[8 / 13, 5 / 13], [2 / 7, 5 / 7]])  # columns by 5, 2, then the rows
    torch.testing.assert_close(sinkhorn(scores, epsilon=1.0, iterations=1), expected)


def test_sinkhorn_equals_the_iteration_without_logarithms():
    scores, epsilon = torch.randn(N, K, dtype=torch.float64), 0.5
    q = (scores / epsilon).exp()
    for _ in range(3):
        q = q / q.sum(0)
        q = q / q.sum(1, keepdim=True)
    torch.testing.assert_close(sinkhorn(scores, epsilon), q)


def test_sinkhorn_makes_clusters_of_equal_size():
    q = sinkhorn(torch.randn(N, K, dtype=torch.float64), iterations=2000)
    torch.testing.assert_close(q.sum(0), torch.full((K,), N / K, dtype=torch.float64))


def test_sinkhorn_does_not_overflow():
    assert sinkhorn(1000 * torch.randn(N, K), epsilon=0.01).isfinite().all()


@pytest.mark.parametrize("epsilon", [0, -0.5])
def test_sinkhorn_refuses_epsilon(epsilon):
    with pytest.raises(ValueError, match=f"epsilon={epsilon}, expected a number above 0"):
        sinkhorn(assignments(), epsilon)


@pytest.mark.parametrize("iterations", [0, 2.5])
def test_sinkhorn_refuses_iterations(iterations):
    with pytest.raises(ValueError, match=f"iterations={iterations}, expected a whole number"):
        sinkhorn(assignments(), iterations=iterations)
