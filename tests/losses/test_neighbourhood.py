"""Locality preserving: hand values, scikit-learn, the Laplacian, batches, limits, bad input."""

import math

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch.autograd import gradcheck

from dclib.losses import heat_kernel, locality_loss, nearest_neighbours, orthonormal

pytestmark = pytest.mark.usefixtures("seeds")

N, D, M, C = 12, 5, 3, 4


def normal(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype)


def graph():
    neighbours, squared = nearest_neighbours(normal(N, D), C)
    return neighbours, heat_kernel(squared)


# ---- nearest_neighbours


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("chunk", [1, 5, 1000])
def test_neighbours_equal_scikit_learn(dtype, chunk):
    x = normal(40, D, dtype=dtype) + 100  # far from the origin, where digits get lost
    neighbours, squared = nearest_neighbours(x, C, chunk)
    distances, rival = NearestNeighbors(n_neighbors=C).fit(x.numpy()).kneighbors()
    np.testing.assert_array_equal(neighbours, rival)
    np.testing.assert_allclose(
        squared.sqrt(), distances, rtol=1e-4 if dtype == torch.float32 else 1e-9
    )
    assert squared.dtype == dtype


def test_a_copy_is_a_neighbour_and_a_sample_is_not_its_own():
    x = torch.tensor([[1.0], [7.0], [1.0], [9.0]])
    neighbours, squared = nearest_neighbours(x, 1)
    assert neighbours.flatten().tolist() == [2, 3, 0, 1]
    assert squared.flatten().tolist() == [0, 4, 0, 4]


def test_neighbours_of_identical_samples():
    neighbours, squared = nearest_neighbours(torch.full((5, 2), 3.0), 4)
    others = [[j for j in range(5) if j != i] for i in range(5)]
    assert neighbours.sort(1).values.tolist() == others
    assert not squared.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_of_two_equally_far_the_lower_number_comes_first(dtype):
    grid = torch.cartesian_prod(torch.arange(7), torch.arange(6)).to(dtype)
    squared = (grid[:, None] - grid).square().sum(2).fill_diagonal_(math.inf)
    rival = squared.sort(stable=True).indices[:, :3]
    assert torch.equal(nearest_neighbours(grid, 3)[0], rival)


def test_neighbours_of_images_are_those_of_their_pixels():
    x = normal(10, 1, 3, 3)
    for image, row in zip(
        nearest_neighbours(x, 2), nearest_neighbours(x.flatten(1), 2), strict=True
    ):
        assert torch.equal(image, row)


def test_neighbours_follow_the_order_of_the_samples():
    x, order = normal(N, D), torch.randperm(N)
    before, after = nearest_neighbours(x, C)[0], nearest_neighbours(x[order], C)[0]
    assert torch.equal(order[after], before[order])


@pytest.mark.parametrize("n_neighbors", [0, N, 2.0, True])
def test_neighbours_refuse_a_number_that_does_not_exist(n_neighbors):
    with pytest.raises(ValueError, match=rf"n_neighbors={n_neighbors}, expected .* 1 to 11"):
        nearest_neighbours(normal(N, D), n_neighbors)


def test_neighbours_refuse_a_vector():
    with pytest.raises(ValueError, match=r"x has shape \(5,\)"):
        nearest_neighbours(normal(5), 1)


# ---- heat_kernel


def test_heat_kernel_by_hand():
    squared = torch.tensor([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], dtype=torch.float64)
    expected = [[1, math.exp(-1 / 4), math.exp(-1 / 2)], [math.exp(-t / 4) for t in (3, 4, 5)]]
    expected = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(heat_kernel(squared, width=4), expected)


def test_the_width_of_the_data_makes_half_of_the_weights_large_on_any_scale():
    squared = normal(N, C).square()
    for scale in (1e-6, 1.0, 1e6):
        weights = heat_kernel(scale * squared)
        assert (weights >= math.exp(-1) - 1e-12).sum() == N * C // 2
        torch.testing.assert_close(weights, heat_kernel(squared))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_width_of_copies_is_the_limit_of_a_small_one(dtype):
    squared = torch.tensor([[0.0, 0.0, 0.0, 9.0]], dtype=dtype)
    assert heat_kernel(squared).tolist() == [[1, 1, 1, 0]]


@pytest.mark.parametrize("width", [0, -1.0, math.inf, math.nan, "median"])
def test_heat_kernel_refuses_other_widths(width):
    with pytest.raises(ValueError, match=r"width=.*expected a finite number above 0, or None"):
        heat_kernel(torch.ones(2, 2), width)


# ---- locality_loss


def test_locality_by_hand():
    z = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    neighbours = torch.tensor([[1, 2], [0, 2], [0, 1]])
    weights = torch.tensor([[0.1, 1.0], [0.1, 0.5], [1.0, 0.5]])
    # pairs: 0-1 25, 0-2 1, 1-2 18
    by_hand = (0.1 * 25 + 1) + (0.1 * 25 + 0.5 * 18) + (1 + 0.5 * 18)
    assert locality_loss(z, z[neighbours], weights).item() == pytest.approx(by_hand / 3)


def test_locality_is_the_form_of_the_laplacian():
    """The sum over directed edges is 2 tr(Z' L Z) of the graph (W + W') / 2."""
    neighbours, weights = graph()
    z, w = normal(N, M), torch.zeros(N, N, dtype=torch.float64)
    for i in range(N):
        for c in range(C):
            w[i, neighbours[i, c]] = weights[i, c]
    symmetric = (w + w.T) / 2
    laplacian = symmetric.sum(1).diag() - symmetric
    rival = 2 * (z.T @ laplacian @ z).trace() / N
    torch.testing.assert_close(locality_loss(z, z[neighbours], weights), rival)


def test_the_gradient_of_locality_is_that_of_springs():
    neighbours, weights = graph()
    z = normal(N, M).requires_grad_()
    locality_loss(z, z[neighbours], weights).backward()
    force = torch.zeros(N, M, dtype=torch.float64)
    for i in range(N):
        for c in range(C):
            spring = 2 / N * weights[i, c] * (z[i] - z[neighbours[i, c]]).detach()
            force[i] += spring
            force[neighbours[i, c]] -= spring
    torch.testing.assert_close(z.grad, force)


def test_the_mean_over_batches_is_the_loss_of_all():
    neighbours, weights = graph()
    z = normal(N, M)
    parts = [locality_loss(z[i], z[neighbours[i]], weights[i]) for i in torch.randperm(N).split(4)]
    torch.testing.assert_close(torch.stack(parts).mean(), locality_loss(z, z[neighbours], weights))


def test_gradcheck_of_locality_and_no_gradient_into_the_weights():
    z, near = normal(N, M).requires_grad_(), normal(N, C, M).requires_grad_()
    weights = normal(N, C).square().requires_grad_()
    assert gradcheck(lambda z, near: locality_loss(z, near, weights), (z, near))
    locality_loss(z, near, weights).backward()
    assert weights.grad is None


def test_a_constant_code_is_a_minimum_and_distances_are_all_that_counts():
    neighbours, weights = graph()
    assert not locality_loss(torch.ones(N, M), torch.ones(N, C, M), weights.float()).any()
    z = normal(N, M)
    turned = z @ torch.linalg.qr(normal(M, M))[0] + normal(M)
    loss = locality_loss(z, z[neighbours], weights)
    torch.testing.assert_close(locality_loss(turned, turned[neighbours], weights), loss)
    torch.testing.assert_close(locality_loss(3 * z, 3 * z[neighbours], weights), 9 * loss)


def test_locality_does_not_care_for_the_order_of_samples_and_neighbours():
    neighbours, weights = graph()
    z, rows, columns = normal(N, M), torch.randperm(N), torch.randperm(C)
    loss = locality_loss(z, z[neighbours], weights)
    shuffled = weights[rows][:, columns]
    torch.testing.assert_close(
        locality_loss(z[rows], z[neighbours[rows][:, columns]], shuffled), loss
    )


def test_locality_of_one_sample_and_of_float32():
    z = torch.tensor([[2.0]])
    assert locality_loss(z, torch.zeros(1, 1, 1), torch.ones(1, 1)).item() == 4
    neighbours, weights = graph()
    z = normal(N, M)
    single = locality_loss(z.float(), z[neighbours].float(), weights.float())
    assert single.dtype == torch.float32
    assert single.item() == pytest.approx(locality_loss(z, z[neighbours], weights).item(), 1e-5)


@pytest.mark.parametrize("shape", [(N, M), (N, C + 1, M), (N, C, M + 1), (N - 1, C, M)])
def test_locality_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match=r"expected \(n, m\), \(n, c, m\) and \(n, c\)"):
        locality_loss(normal(N, M), normal(*shape), normal(N, C))


# ---- orthonormal


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_orthonormal_codes_are_orthonormal_and_span_the_same(dtype):
    z = normal(N, M, dtype=dtype)
    y = orthonormal(z)
    torch.testing.assert_close(y.T @ y / N, torch.eye(M, dtype=dtype))
    q, _ = torch.linalg.qr(z)
    rival = q * (q * z).sum(0).sign() * math.sqrt(N)  # Gram-Schmidt is unique up to signs
    torch.testing.assert_close(y, rival, rtol=1e-4, atol=1e-5)


def test_orthonormal_forgets_the_scale_and_has_a_gradient():
    z = normal(N, M).requires_grad_()
    torch.testing.assert_close(orthonormal(1e-4 * z), orthonormal(z))
    assert gradcheck(orthonormal, z)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_orthonormal_refuses_dependent_columns(dtype):
    column = normal(N, 1, dtype=dtype)
    for z in (torch.cat([column, column], 1), torch.zeros(N, M), normal(2, 3, dtype=dtype)):
        with pytest.raises(ValueError, match=r"columns of z .* depend on each other"):
            orthonormal(z)
