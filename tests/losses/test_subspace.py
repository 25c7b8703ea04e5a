"""Self-expression: hand values, rivals (lasso, ridge, slow loop), gradients, limits, bad input."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso, Ridge
from torch.autograd import gradcheck

from dclib.losses import ridge_expression, self_expression, self_expression_affinity

pytestmark = pytest.mark.usefixtures("seeds")

N, M = 7, 3


def normal(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype)


# ---- self_expression


def test_self_expression_by_hand():
    z = torch.tensor([[1.0, 0.0], [3.0, 4.0]])
    c = torch.tensor([[9.0, -1.0], [2.0, 9.0]])
    error = (4**2 + 4**2) + (1**2 + 4**2)  # (1, 0) + (3, 4) and (3, 4) - 2 (1, 0)
    assert self_expression(z, c, penalty=0.5, power=1) == (error + 0.5 * (1 + 2)) / 2
    assert self_expression(z, c, penalty=0.5, power=2) == (error + 0.5 * (1 + 4)) / 2


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("zero_diagonal", [True, False])
def test_self_expression_equals_a_slow_loop(power, zero_diagonal):
    z, c = normal(N, M), normal(N, N)
    total = 0.0
    for i in range(N):
        rebuilt = torch.zeros(M, dtype=torch.float64)
        for other in range(N):
            if other != i or not zero_diagonal:
                rebuilt += c[i, other] * z[other]
                total += 0.3 * abs(float(c[i, other])) ** power
        total += float((z[i] - rebuilt).square().sum())
    loss = self_expression(z, c, 0.3, power, zero_diagonal)
    assert loss.item() == pytest.approx(total / N)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("zero_diagonal", [True, False])
def test_self_expression_gradient(power, zero_diagonal):
    z, c = normal(N, M).requires_grad_(), normal(N, N).requires_grad_()
    assert gradcheck(lambda z, c: self_expression(z, c, 0.3, power, zero_diagonal), (z, c))


def test_the_gradient_is_that_of_the_formula_and_spares_the_diagonal():
    z, c = normal(N, M), normal(N, N).requires_grad_()
    self_expression(z, c, 0.3, 2, zero_diagonal=False).backward()
    closed = 2 / N * ((c @ z - z) @ z.T + 0.3 * c).detach()
    torch.testing.assert_close(c.grad, closed)
    c.grad = None
    self_expression(z, c, 0.3, 1).backward()
    assert not c.grad.diagonal().any()


def test_the_lasso_of_scikit_learn_is_a_minimum_for_power_1():
    z, penalty = normal(N, M), 0.4
    c = torch.zeros(N, N, dtype=torch.float64)
    for i in range(N):
        others = np.arange(N) != i
        lasso = Lasso(penalty / (2 * M), fit_intercept=False, tol=1e-12, max_iter=100_000)
        c[i, others] = torch.from_numpy(lasso.fit(z[others].T, z[i]).coef_)
    least = self_expression(z, c, penalty, 1)
    assert (c == 0).sum() > 2 * N  # sparse
    for size in (1e-4, 1e-2, 1.0):
        for _ in range(20):
            assert self_expression(z, c + size * normal(N, N), penalty, 1) > least


def test_without_the_zero_diagonal_the_identity_costs_the_penalty_only():
    z, one = normal(N, M), torch.eye(N, dtype=torch.float64)
    assert self_expression(z, one, 0.3, 1, zero_diagonal=False).item() == pytest.approx(0.3)
    nothing = z.square().sum(1).mean()
    torch.testing.assert_close(self_expression(z, one, 0.3, 1), nothing)  # it counts as no c


@pytest.mark.parametrize("power", [1, 2])
def test_self_expression_does_not_care_for_the_order_of_samples(power):
    z, c, order = normal(N, M), normal(N, N), torch.randperm(N)
    moved = self_expression(z[order], c[order][:, order], 0.3, power)
    torch.testing.assert_close(moved, self_expression(z, c, 0.3, power))


def test_self_expression_sees_no_rotation_but_the_scale():
    z, c = normal(N, M), normal(N, N)
    turn = torch.linalg.qr(normal(M, M)).Q
    torch.testing.assert_close(self_expression(z @ turn, c), self_expression(z, c))
    error = self_expression(z, c, 1e-12)
    torch.testing.assert_close(self_expression(z / 10, c, 1e-12), error / 100)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_limits(dtype):
    alone = self_expression(torch.tensor([[3.0]], dtype=dtype), torch.ones(1, 1, dtype=dtype))
    assert alone == 9  # one sample: nobody can rebuild it
    assert alone.dtype == dtype
    same = torch.ones(4, 2, dtype=dtype)
    c = ridge_expression(same, 1e-6)
    assert c.dtype == dtype
    expected = (1 - torch.eye(4, dtype=dtype)) / 3  # identical points share the work
    torch.testing.assert_close(c, expected, atol=1e-2, rtol=0)


# ---- ridge_expression


def test_ridge_by_hand():
    c = ridge_expression(torch.tensor([[1.0], [2.0]]), penalty=1.0)
    expected = torch.tensor([[0.0, 2 / (4 + 1)], [2 / (1 + 1), 0.0]])
    torch.testing.assert_close(c, expected)


def test_ridge_equals_scikit_learn_on_all_others():
    z, penalty = normal(N, M), 0.4
    c = ridge_expression(z, penalty)
    for i in range(N):
        others = np.arange(N) != i
        rival = Ridge(penalty, fit_intercept=False).fit(z[others].T, z[i]).coef_
        np.testing.assert_allclose(c[i, others], rival)
    assert not c.diagonal().any()


@pytest.mark.parametrize("zero_diagonal", [True, False])
def test_ridge_is_the_minimum_of_self_expression(zero_diagonal):
    z, penalty = normal(N, M), 0.4
    c = ridge_expression(z, penalty, zero_diagonal).requires_grad_()
    self_expression(z, c, penalty, 2, zero_diagonal).backward()
    torch.testing.assert_close(c.grad, torch.zeros_like(c))


def test_ridge_with_a_diagonal_is_the_formula_of_the_papers():
    z, penalty = normal(N, M), 0.4
    gram, one = z @ z.T, torch.eye(N, dtype=torch.float64)
    c = ridge_expression(z, penalty, zero_diagonal=False)
    torch.testing.assert_close(c, torch.linalg.solve(gram + penalty * one, gram))
    torch.testing.assert_close(c, c.T)


def test_ridge_keeps_orthogonal_subspaces_apart_and_is_a_constant():
    z = torch.zeros(6, 4, dtype=torch.float64)
    z[:3, :2], z[3:, 2:] = normal(3, 2), normal(3, 2)
    c = ridge_expression(z.requires_grad_(), 0.1)
    assert not c.requires_grad
    assert c[:3, 3:].abs().max() < 1e-12
    assert c[:3, :3].abs().max() > 0.1


def test_ridge_on_a_large_scale_goes_to_the_identity_and_on_a_small_one_to_nothing():
    z = normal(3, 3)  # as many dimensions as samples
    large = ridge_expression(1e4 * z, 0.1, zero_diagonal=False)
    torch.testing.assert_close(large, torch.eye(3, dtype=torch.float64), atol=1e-5, rtol=0)
    assert ridge_expression(1e-4 * z, 0.1, zero_diagonal=False).abs().max() < 1e-5


# ---- self_expression_affinity


def test_affinity_by_hand():
    c = torch.tensor([[5.0, -1.0, 0.0], [2.0, 5.0, 0.0], [0.5, 0.0, 5.0]])
    expected = torch.tensor([[0.0, 3.0, 0.5], [3.0, 0.0, 0.0], [0.5, 0.0, 0.0]])
    torch.testing.assert_close(self_expression_affinity(c), expected)


def test_affinity_is_symmetric_and_follows_the_order_of_samples():
    c, order = normal(N, N), torch.randperm(N)
    affinity = self_expression_affinity(c)
    torch.testing.assert_close(affinity, affinity.T)
    assert affinity.min() >= 0
    torch.testing.assert_close(
        self_expression_affinity(c[order][:, order]), affinity[order][:, order]
    )


# ---- bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: self_expression(normal(4), normal(4, 4)), r"z has shape \(4,\), expected two"),
        (lambda: self_expression(normal(0, 2), normal(0, 0)), r"\(0, 2\), expected at least one"),
        (lambda: self_expression(normal(4, 2), normal(4, 3)), r"c has shape \(4, 3\), expected as"),
        (lambda: self_expression(normal(4, 2), normal(3, 3)), r"c has .*expected \(4, 4\)"),
        (lambda: self_expression(normal(4, 2), normal(4, 4), 0), "penalty=0, expected a number"),
        (lambda: self_expression(normal(4, 2), normal(4, 4), power=3), "power=3, expected 1 or 2"),
        (lambda: ridge_expression(normal(4, 2), -1.0), "penalty=-1.0, expected a number above 0"),
        (lambda: ridge_expression(normal(4)), r"z has shape \(4,\), expected two dimensions"),
        (lambda: self_expression_affinity(normal(2, 3)), r"\(2, 3\), expected as many rows"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_closed_form_keeps_its_digits_in_float32():
    z = torch.rand(60, 10, dtype=torch.float64)
    exact = ridge_expression(z, 1e-6, zero_diagonal=False)
    single = ridge_expression(z.float(), 1e-6, zero_diagonal=False)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), exact, atol=1e-4, rtol=1e-3)
