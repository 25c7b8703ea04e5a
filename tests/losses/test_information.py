"""Entropy and mutual information: hand values, rivals, gradients, bounds, bad input."""

import math

import pytest
import torch
from sklearn.metrics import mutual_info_score
from torch.autograd import gradcheck

from dclib.losses import (
    balance_kl,
    bit_information,
    entropy,
    mutual_information,
    view_information,
)

pytestmark = pytest.mark.usefixtures("seeds")

N, K = 7, 4
LOG2 = math.log(2)


def assignments(n=N, k=K):
    return (2 * torch.randn(n, k, dtype=torch.float64)).softmax(1)


# ---- entropy


def test_entropy_by_hand():
    q = torch.tensor([[0.5, 0.5, 0.0], [0.25, 0.5, 0.25], [0.0, 1.0, 0.0]])
    torch.testing.assert_close(entropy(q), torch.tensor([LOG2, 1.5 * LOG2, 0.0]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_entropy_equals_torch(dtype):
    q = assignments().to(dtype)
    rival = torch.special.entr(q).sum(-1)
    torch.testing.assert_close(entropy(q), rival)
    torch.testing.assert_close(entropy(q.mean(0)), torch.special.entr(q.mean(0)).sum())
    assert entropy(q).dtype == dtype


def test_entropy_keeps_the_dimensions_before_the_last():
    q = assignments(6).view(2, 3, K)
    assert entropy(q).shape == (2, 3)
    torch.testing.assert_close(entropy(q).flatten(), entropy(q.view(6, K)))


def test_entropy_gradient():
    assert gradcheck(entropy, assignments().requires_grad_())


def test_entropy_of_a_certain_sample_has_a_finite_gradient():
    scores = torch.tensor([[200.0, 0.0, -200.0]], requires_grad=True)  # softmax underflows to 0
    entropy(scores.softmax(1)).sum().backward()
    assert scores.grad.isfinite().all()


def test_entropy_refuses_a_single_number():
    with pytest.raises(ValueError, match="q is a single number"):
        entropy(torch.tensor(0.5))


# ---- mutual_information


def test_mutual_information_by_hand():
    q = torch.tensor([[1.0, 0.0], [0.5, 0.5]])  # shares 3/4 and 1/4
    marginal = 2 * LOG2 - 0.75 * math.log(3)
    assert mutual_information(q).item() == pytest.approx(marginal - LOG2 / 2)
    assert mutual_information(q, balance=4).item() == pytest.approx(4 * marginal - LOG2 / 2)
    assert mutual_information(q, balance=0).item() == pytest.approx(-LOG2 / 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_mutual_information_equals_a_slow_double_loop(dtype):
    q = assignments().to(dtype)
    share = q.mean(0)
    total = 0.0
    for i in range(N):
        for j in range(K):
            total += float(q[i, j] * torch.log(q[i, j] / share[j])) / N
    found = mutual_information(q)
    assert found.item() == pytest.approx(total, rel=1e-5)
    assert found.dtype == dtype


def test_mutual_information_of_certain_assignments_is_that_of_scikit_learn():
    labels = torch.randint(K, (N,))
    q = torch.nn.functional.one_hot(labels, K).double()
    rival = mutual_info_score(range(N), labels)  # each sample a class of its own
    assert mutual_information(q).item() == pytest.approx(rival)


def test_mutual_information_is_log_k_less_balance_less_doubt():
    q = assignments()
    expected = math.log(K) - balance_kl(q) - entropy(q).mean()
    torch.testing.assert_close(mutual_information(q), expected)


@pytest.mark.parametrize("balance", [0.0, 1.0, 4.0])
def test_mutual_information_gradient(balance):
    q = assignments().requires_grad_()
    assert gradcheck(lambda q: mutual_information(q, balance), q)


def test_gradient_is_the_logarithm_of_how_much_more_than_its_share():
    q = assignments().requires_grad_()
    mutual_information(q).backward()
    torch.testing.assert_close(q.grad, ((q / q.mean(0)).log() / N).detach())


def test_gradient_on_scores():
    scores = torch.randn(N, K, dtype=torch.float64).requires_grad_()
    q = scores.softmax(1)
    mutual_information(q).backward()
    gain = (q / q.mean(0)).log().detach()
    told = (q * gain).sum(1, keepdim=True)  # KL(q_i || mean of q)
    torch.testing.assert_close(scores.grad, (q * (gain - told) / N).detach())


def test_mutual_information_lies_between_zero_and_log_k():
    for q in (assignments(), assignments().pow(9), torch.rand(50, K).double()):
        q = q / q.sum(1, keepdim=True)
        assert 0 < mutual_information(q) < math.log(K)


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        (torch.full((N, K), 1 / K), 0.0),  # all undecided
        (torch.eye(K)[[2] * N], 0.0),  # all in one cluster, the others empty
        (torch.tensor([[0.1, 0.2, 0.7]]).expand(N, 3), 0.0),  # all alike
        (torch.eye(K), math.log(K)),  # certain and balanced
        (torch.eye(3)[[0, 1] * 4], LOG2),  # certain and balanced, one cluster empty
        (torch.tensor([[0.3, 0.7]]), 0.0),  # one sample
        (torch.ones(N, 1), 0.0),  # one cluster
    ],
)
def test_mutual_information_at_its_limits(q, expected):
    assert mutual_information(q).item() == pytest.approx(expected, abs=1e-6)


def test_an_empty_cluster_has_a_finite_gradient():
    scores = torch.tensor([[200.0, 0.0, -200.0]] * 3, requires_grad=True)
    mutual_information(scores.softmax(1)).backward()
    assert scores.grad.isfinite().all()


def test_neither_the_number_of_a_cluster_nor_the_place_of_a_sample_matters():
    q, clusters, samples = assignments(), torch.randperm(K), torch.randperm(N)
    torch.testing.assert_close(mutual_information(q[samples][:, clusters]), mutual_information(q))


def test_a_batch_finds_less_information_than_all_samples():
    q = assignments(n=240)
    parts = torch.stack([mutual_information(part) for part in q.split(6)])
    assert parts.mean() < mutual_information(q)


def test_mutual_information_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"q has shape \(4,\), expected two dimensions"):
        mutual_information(torch.ones(4) / 4)
    for balance in (-1, math.inf, math.nan, True, "4"):
        with pytest.raises(ValueError, match=r"balance=.*, expected a finite number of at least 0"):
            mutual_information(assignments(), balance)


# ---- two views


def test_view_information_by_hand():
    # the joint of clusters (0, 0), (0, 1), (1, 1) is made symmetric: 1/3, 1/6, 1/6, 1/3
    q = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    q_view = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    by_hand = 2 / 3 * math.log(4 / 3) + 1 / 3 * math.log(2 / 3)
    assert view_information(q, q_view).item() == pytest.approx(by_hand, rel=1e-6)


def test_view_information_of_certain_views_is_scikit_learns_of_labels():
    labels = torch.randint(K, (50,))
    q = torch.eye(K, dtype=torch.float64)[labels]
    assert view_information(q, q).item() == pytest.approx(mutual_info_score(labels, labels))


def test_view_information_by_sums_over_the_joint():
    q, q_view = assignments(), assignments()
    joint = (q.T @ q_view + q_view.T @ q) / (2 * N)
    shares = joint.sum(0)
    rival = (joint * (joint / shares[:, None] / shares).log()).sum()
    torch.testing.assert_close(view_information(q, q_view), rival)


def test_independent_views_hold_nothing_and_equal_ones_no_more_than_log_k():
    q = assignments(1).expand(N, K)
    assert view_information(q, q).item() == pytest.approx(0, abs=1e-12)
    assert view_information(assignments(), assignments()) < math.log(K)


def test_balance_weighs_the_shares_of_both_views():
    q, q_view = assignments(), assignments()
    shares = (q + q_view).mean(0) / 2
    more = view_information(q, q_view, 2) - view_information(q, q_view)
    torch.testing.assert_close(more, 2 * entropy(shares))


def test_gradient_of_view_information():
    scores = [torch.randn(N, K, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert gradcheck(lambda a, b: view_information(a.softmax(1), b.softmax(1)), scores)


@pytest.mark.parametrize("balance", [-1, float("nan"), True, "1"])
def test_view_information_refuses_other_weights(balance):
    with pytest.raises(ValueError, match=r"balance=.*expected a finite number of at least 0"):
        view_information(assignments(), assignments(), balance)


def test_view_information_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"q \(7, 4\), q_view \(7, 3\)"):
        view_information(assignments(), assignments(k=3))


def bits(n=N, bits=3):
    generator = torch.Generator().manual_seed(3)
    return torch.rand(n, bits, dtype=torch.float64, generator=generator)


def test_bit_information_by_a_slow_loop():
    p, total = bits(), 0
    h = [torch.stack([p[:, d], 1 - p[:, d]], 1) for d in range(3)]
    for d in range(3):
        total += mutual_information(h[d])
        for other in range(3):
            if other != d:
                joint = sum(torch.outer(a, b) for a, b in zip(h[d], h[other], strict=True)) / N
                alone = torch.outer(joint.sum(1), joint.sum(0))
                total -= (joint * (joint / alone).log()).sum()
    torch.testing.assert_close(bit_information(p), total)


def test_one_bit_holds_what_two_clusters_hold():
    p = bits(bits=1)
    torch.testing.assert_close(
        bit_information(p), mutual_information(torch.cat([p, 1 - p], 1)), atol=1e-12, rtol=1e-9
    )


def test_gradient_of_bit_information():
    scores = torch.randn(N, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda s: bit_information(s.sigmoid()), scores)
