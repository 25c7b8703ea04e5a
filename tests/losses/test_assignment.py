"""Losses on assignments: hand values, rivals, gradients, renumbering, bad input."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from dclib.assign import sharpen, student_t
from dclib.losses import assignment_kl, balance_kl

pytestmark = pytest.mark.usefixtures("seeds")

N, M, K = 7, 3, 4
LOG2 = math.log(2)


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def assignments(n=N, k=K):
    return normal(n, k).softmax(1)


# ---- assignment_kl


def test_assignment_kl_by_hand():
    p = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    q = torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    assert assignment_kl(p, q).item() == pytest.approx(2 * LOG2 / 2)  # (log 4 + 0) / 2


def test_assignment_kl_equals_torch():
    p, q = assignments(), assignments()
    rival = torch.nn.functional.kl_div(q.log(), p, reduction="batchmean")
    torch.testing.assert_close(assignment_kl(p, q), rival)


def test_assignment_kl_is_zero_only_on_target():
    p = assignments()
    assert assignment_kl(p, p).item() == pytest.approx(0, abs=1e-15)
    assert assignment_kl(p, assignments()) > 0


def test_assignment_kl_gradient_reaches_q_and_not_p():
    p, q = assignments().requires_grad_(), assignments().requires_grad_()
    assert gradcheck(lambda q: assignment_kl(p.detach(), q), q)
    assignment_kl(p, q).backward()
    assert q.grad is not None
    assert p.grad is None


def test_assignment_kl_stays_finite_where_q_vanishes():
    q = torch.tensor([[0.0, 1.0]], requires_grad=True)
    loss = assignment_kl(torch.tensor([[1.0, 0.0]]), q)
    loss.backward()
    assert loss.isfinite()
    assert q.grad.isfinite().all()


def test_assignment_kl_does_not_care_how_clusters_are_numbered():
    p, q, order = assignments(), assignments(), torch.randperm(K)
    torch.testing.assert_close(assignment_kl(p[:, order], q[:, order]), assignment_kl(p, q))


def test_assignment_kl_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"p \(7, 4\), q \(7, 5\); expected the same shape"):
        assignment_kl(assignments(), assignments(k=5))


@pytest.mark.parametrize("nu", [1.0, 3.0])
def test_gradients_of_dec_are_those_of_its_paper(nu):
    """Xie et al. 2016, Eq. 4 and 5, divided by n as our loss is."""
    z, centers = normal(N, M).requires_grad_(), normal(K, M).requires_grad_()
    q = student_t(z, centers, nu)
    p = sharpen(q).detach()
    assignment_kl(p, q).backward()

    difference = (z[:, None] - centers).detach()  # (n, k, m)
    pull = (p - q) / (1 + difference.square().sum(2) / nu)
    forces = (nu + 1) / nu / N * (pull[:, :, None] * difference).detach()
    torch.testing.assert_close(z.grad, forces.sum(1))  # Eq. 4
    torch.testing.assert_close(centers.grad, -forces.sum(0))  # Eq. 5


def test_assignment_kl_does_not_care_about_the_order_of_the_samples():
    p, q, order = assignments(), assignments(), torch.randperm(N)
    torch.testing.assert_close(assignment_kl(p[order], q[order]), assignment_kl(p, q))


def test_assignment_kl_moves_q_as_the_cross_entropy_does():
    """The entropy of a constant target has no gradient."""
    q = assignments().requires_grad_()
    p = assignments()
    (of_kl,) = torch.autograd.grad(assignment_kl(p, q), q)
    (of_ce,) = torch.autograd.grad(-(p * q.log()).sum(1).mean(), q)
    torch.testing.assert_close(of_kl, of_ce)


def test_assignment_kl_of_one_cluster_or_one_sample():
    assert assignment_kl(torch.ones(N, 1), torch.ones(N, 1)) == 0
    p, q = assignments(n=1), assignments(n=1)
    assert assignment_kl(p, q).item() == pytest.approx((p * (p / q).log()).sum().item())


# ---- balance_kl


def test_balance_kl_by_hand():
    q = torch.tensor([[1.0, 0.0], [0.5, 0.5]])  # sizes 3/4, 1/4
    assert balance_kl(q).item() == pytest.approx(0.75 * math.log(1.5) - 0.25 * LOG2)
    prior = torch.tensor([0.75, 0.25])
    assert balance_kl(q, prior).item() == pytest.approx(0, abs=1e-7)


def test_balance_kl_equals_torch():
    q, prior = assignments(), normal(K).softmax(0)
    rival = torch.nn.functional.kl_div(prior.log(), q.mean(0), reduction="sum")
    torch.testing.assert_close(balance_kl(q, prior), rival)
    torch.testing.assert_close(balance_kl(q), balance_kl(q, torch.full((K,), 1 / K).double()))


def test_balance_kl_of_a_collapse_is_log_k():
    q = torch.zeros(N, K)
    q[:, 2] = 1
    assert balance_kl(q).item() == pytest.approx(math.log(K))


def test_balance_kl_gradient():
    q, prior = assignments().requires_grad_(), normal(K).softmax(0)
    assert gradcheck(balance_kl, q)
    assert gradcheck(lambda q: balance_kl(q, prior), q)


@pytest.mark.parametrize("prior", [None, torch.tensor([0.2, 0.3, 0.5])])
def test_balance_kl_of_an_empty_cluster_has_a_finite_gradient(prior):
    scores = torch.tensor([[200.0, 0.0, -200.0]], requires_grad=True)  # softmax underflows to 0
    balance_kl(scores.softmax(1), prior).backward()
    assert scores.grad.isfinite().all()


@pytest.mark.parametrize("prior", [None, torch.tensor([0.1, 0.2, 0.3, 0.4]).double()])
def test_balance_kl_gradient_in_closed_form(prior):
    q = assignments().requires_grad_()
    balance_kl(q, prior).backward()
    expected = torch.full((K,), 1 / K).double() if prior is None else prior
    row = ((q.mean(0) / expected).log() + 1).detach() / N
    torch.testing.assert_close(q.grad, row.expand(N, K))  # the same for every sample


def test_balance_kl_does_not_see_which_sample_is_where():
    """Sure and balanced, or undecided throughout: the same shares, the same loss."""
    sure = torch.eye(K).repeat(3, 1)
    undecided = torch.full((3 * K, K), 1 / K)
    assert balance_kl(sure) == balance_kl(undecided) == 0
    assert balance_kl(sure[torch.randperm(3 * K)]) == 0


def test_balance_kl_of_one_cluster_or_one_sample():
    assert balance_kl(torch.ones(N, 1)) == 0
    assert balance_kl(torch.eye(K)[:1]).item() == pytest.approx(math.log(K))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_balance_kl_keeps_the_dtype(dtype):
    q, prior = assignments().to(dtype), torch.full((K,), 1 / K, dtype=dtype)
    assert balance_kl(q).dtype == balance_kl(q, prior).dtype == dtype


def test_balance_kl_of_a_cluster_that_the_prior_forbids():
    q = torch.tensor([[0.5, 0.5, 0.0]])
    assert balance_kl(q, torch.tensor([0.5, 0.5, 0.0])).item() == pytest.approx(0, abs=1e-6)
    assert balance_kl(q, torch.tensor([1.0, 0.0, 0.0])) > 10


def test_balance_kl_sends_no_gradient_into_the_prior():
    q, prior = assignments().requires_grad_(), normal(K).softmax(0).requires_grad_()
    balance_kl(q, prior).backward()
    assert prior.grad is None


def test_balance_kl_does_not_care_how_clusters_are_numbered():
    q, prior, order = assignments(), normal(K).softmax(0), torch.randperm(K)
    torch.testing.assert_close(balance_kl(q[:, order]), balance_kl(q))
    torch.testing.assert_close(balance_kl(q[:, order], prior[order]), balance_kl(q, prior))


def test_balance_kl_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"q has shape \(4,\), expected two dimensions"):
        balance_kl(torch.ones(4) / 4)
    with pytest.raises(ValueError, match=r"prior \(3,\), shares \(4,\); expected the same shape"):
        balance_kl(assignments(), torch.ones(3) / 3)


@pytest.mark.parametrize(
    ("prior", "found"),
    [
        ([0.5, 0.5, 0.5, 0.5], "prior sums to 2, its least number is 0.5"),
        ([450.0, 50.0, 20.0, 10.0], "prior sums to 530, its least number is 10"),
        ([0.6, 0.6, -0.1, -0.1], "prior sums to 1, its least number is -0.1"),
        ([0.5, 0.5, math.nan, 0.0], "prior sums to nan"),
    ],
)
def test_balance_kl_refuses_a_prior_that_is_no_distribution(prior, found):
    with pytest.raises(ValueError, match=found):
        balance_kl(assignments(), torch.tensor(prior))
