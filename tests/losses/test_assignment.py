"""Losses on assignments: hand values, rivals, gradients, renumbering, bad input."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from dclib.assign import sharpen, student_t
from dclib.losses import assignment_kl, balance_kl, kmeans_loss

pytestmark = pytest.mark.usefixtures("seeds")

N, M, K = 7, 3, 4
LOG2 = math.log(2)


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def assignments(n=N, k=K):
    return normal(n, k).softmax(1)


# ---- kmeans_loss


def test_kmeans_loss_by_hand():
    z = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    centers = torch.tensor([[9.0, 9.0], [0.0, 1.0]])
    loss = kmeans_loss(z, centers, torch.tensor([1, 1]))
    assert loss == (1 + 18) / 2  # (0 + 1) and (9 + 9)


def test_kmeans_loss_equals_a_slow_double_loop():
    z, centers, labels = normal(N, M), normal(K, M), torch.randint(K, (N,))
    total = 0.0
    for i in range(N):
        for j in range(M):
            total += float(z[i, j] - centers[labels[i], j]) ** 2
    assert kmeans_loss(z, centers, labels).item() == pytest.approx(total / N)


def test_kmeans_loss_gradient():
    z, centers = normal(N, M).requires_grad_(), normal(K, M).requires_grad_()
    labels = torch.randint(K, (N,))
    assert gradcheck(lambda *inputs: kmeans_loss(*inputs, labels), (z, centers))


def test_kmeans_loss_does_not_care_how_clusters_are_numbered():
    z, centers, labels = normal(N, M), normal(K, M), torch.randint(K, (N,))
    order = torch.randperm(K)  # the new cluster j is the old order[j]
    renumbered = kmeans_loss(z, centers[order], order.argsort()[labels])
    torch.testing.assert_close(renumbered, kmeans_loss(z, centers, labels))


def test_kmeans_loss_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="z has 3, centers has 2; expected the same number"):
        kmeans_loss(normal(N, 3), normal(K, 2), torch.zeros(N, dtype=torch.long))
    with pytest.raises(ValueError, match=r"labels have shape \(6,\), expected \(7,\)"):
        kmeans_loss(normal(N, M), normal(K, M), torch.zeros(6, dtype=torch.long))


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


def test_balance_kl_does_not_care_how_clusters_are_numbered():
    q, prior, order = assignments(), normal(K).softmax(0), torch.randperm(K)
    torch.testing.assert_close(balance_kl(q[:, order]), balance_kl(q))
    torch.testing.assert_close(balance_kl(q[:, order], prior[order]), balance_kl(q, prior))


def test_balance_kl_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"q has shape \(4,\), expected two dimensions"):
        balance_kl(torch.ones(4) / 4)
    with pytest.raises(ValueError, match=r"prior \(3,\), sizes \(4,\); expected the same shape"):
        balance_kl(assignments(), torch.ones(3) / 3)
