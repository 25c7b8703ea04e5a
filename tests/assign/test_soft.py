"""Soft assignments: hand values, rivals, gradients, renumbering, bad input."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from scipy.stats import t as scipy_t
from torch.autograd import gradcheck

from dclib.assign import mixture, softmax, squared_distances, student_t

pytestmark = pytest.mark.usefixtures("seeds")

N, M, K = 7, 3, 4
BY_DISTANCE = [squared_distances, student_t, softmax]


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def normalised(table):
    return table / table.sum(1, keepdim=True)


# ---- what all share


@pytest.mark.parametrize("function", BY_DISTANCE)
def test_gradient(function):
    assert gradcheck(function, (normal(N, M).requires_grad_(), normal(K, M).requires_grad_()))


@pytest.mark.parametrize("function", BY_DISTANCE)
def test_renumbering_the_centers_renumbers_the_columns(function):
    z, centers, order = normal(N, M), normal(K, M), torch.randperm(K)
    torch.testing.assert_close(function(z, centers[order]), function(z, centers)[:, order])


@pytest.mark.parametrize("function", BY_DISTANCE)
def test_refuses_centers_of_another_width(function):
    with pytest.raises(ValueError, match=r"z has 3, .* has 2; expected the same number"):
        function(normal(N, 3), normal(K, 2))


# ---- squared_distances


def test_squared_distances_by_hand():
    z, centers = torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    assert squared_distances(z, centers).tolist() == [[0, 1], [25, 18]]


def test_squared_distances_equal_torch():
    z, centers = normal(N, M), normal(K, M)
    torch.testing.assert_close(squared_distances(z, centers), torch.cdist(z, centers).square())


def test_squared_distance_to_itself_is_exactly_zero_far_from_the_origin():
    z = 1e4 + torch.rand(5, M)
    assert squared_distances(z, z).diagonal().tolist() == [0] * 5


# ---- student_t


def test_student_t_by_hand():
    z, centers = torch.tensor([[0.0]]), torch.tensor([[0.0], [1.0], [3.0]])
    expected = torch.tensor([[10.0, 5.0, 1.0]]) / 16  # 1, 1/2, 1/10
    torch.testing.assert_close(student_t(z, centers), expected)


@pytest.mark.parametrize("nu", [1.0, 2.5, 30.0])
def test_student_t_equals_scipy_on_the_line(nu):
    z, centers = normal(N, 1), normal(K, 1)
    density = torch.from_numpy(scipy_t.pdf((z - centers.T).numpy(), nu))
    torch.testing.assert_close(student_t(z, centers, nu), normalised(density))


# ---- softmax


def test_softmax_by_hand():
    z, centers = torch.tensor([[0.0]]), torch.tensor([[0.0], [1.0]])
    q = softmax(z, centers, sharpness=math.log(3))
    torch.testing.assert_close(q, torch.tensor([[0.75, 0.25]]))


def test_softmax_equals_a_slow_double_loop():
    z, centers = normal(N, M), normal(K, M)
    expected = torch.empty(N, K, dtype=torch.float64)
    for i in range(N):
        for j in range(K):
            expected[i, j] = math.exp(-0.7 * sum((z[i] - centers[j]) ** 2))
    torch.testing.assert_close(softmax(z, centers, sharpness=0.7), normalised(expected))


def test_softmax_survives_distances_that_would_underflow():
    q = softmax(torch.tensor([[1e4]]), torch.tensor([[0.0], [1.0]]))
    assert q.tolist() == [[0, 1]]


# ---- mixture


@pytest.fixture
def gaussians():
    return normal(K, M), normal(K, M).exp(), normal(K).softmax(0)


def test_mixture_by_hand():
    means, variances = torch.tensor([[0.0], [0.0]]), torch.tensor([[1.0], [4.0]])
    weights = torch.tensor([1 / 3, 2 / 3])  # twice the weight makes up for half the height
    q = mixture(torch.tensor([[0.0]]), means, variances, weights)
    torch.testing.assert_close(q, torch.tensor([[0.5, 0.5]]))


def test_mixture_equals_scipy(gaussians):
    z = normal(N, M)
    expected = torch.empty(N, K, dtype=torch.float64)
    for j, (mean, variance, weight) in enumerate(zip(*gaussians, strict=True)):
        density = multivariate_normal(mean.numpy(), np.diag(variance)).pdf(z.numpy())
        expected[:, j] = weight * torch.from_numpy(density)
    torch.testing.assert_close(mixture(z, *gaussians), normalised(expected))


def test_mixture_gradient(gaussians):
    inputs = [tensor.requires_grad_() for tensor in (normal(N, M), *gaussians)]
    assert gradcheck(mixture, inputs)


def test_mixture_renumbered(gaussians):
    z, order = normal(N, M), torch.randperm(K)
    renumbered = mixture(z, *(part[order] for part in gaussians))
    torch.testing.assert_close(renumbered, mixture(z, *gaussians)[:, order])


def test_mixture_far_from_everything_still_sums_to_one(gaussians):
    q = mixture(1e6 + normal(N, M), *gaussians)
    torch.testing.assert_close(q.sum(1), torch.ones(N, dtype=torch.float64))


def test_mixture_refuses_what_does_not_fit(gaussians):
    means, variances, weights = gaussians
    with pytest.raises(ValueError, match=r"means \(4, 3\), variances \(4, 2\); expected the same"):
        mixture(normal(N, M), means, variances[:, :2], weights)
    with pytest.raises(ValueError, match=r"means \(4, 3\), weights \(3,\); expected \(k, 3\) or"):
        mixture(normal(N, M), means, variances, weights[:3])
    with pytest.raises(ValueError, match=r"means \(4, 2\), .*; expected \(k, 3\) or"):
        mixture(normal(N, M), means[:, :2], variances[:, :2], weights)


def test_mixture_of_each_code_by_itself(gaussians):
    z, (means, variances, weights) = normal(N, M), gaussians
    own = means + normal(N, K, M)
    found = mixture(z, own, variances.expand(N, K, M), weights)
    rows = zip(z, own, strict=True)
    alone = torch.cat([mixture(row[None], mine, variances, weights) for row, mine in rows])
    torch.testing.assert_close(found, alone)
