"""Perturbations: lengths, directions, closed forms as rivals, undefined directions, bad input."""

import math

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch import nn

from dclib.losses import (
    adaptive_radius,
    adversarial_perturbation,
    assignment_kl,
    random_perturbation,
)

pytestmark = pytest.mark.usefixtures("seeds")

N, D, K = 6, 5, 3


def samples(n=N, *shape):
    return torch.randn(n, *(shape or (D,)), dtype=torch.float64)


def network(dtype=torch.float64, outputs=K):
    layers = [nn.Linear(D, 16, dtype=dtype), nn.Tanh(), nn.Linear(16, outputs, dtype=dtype)]
    return nn.Sequential(*layers, nn.Softmax(1))


def lengths(r):
    return r.flatten(1).norm(dim=1)


def harm(predict, x, r):
    """How much each prediction changes, one number a sample."""
    q, moved = predict(x), predict(x + r)
    return (q * (q / moved).log()).sum(1).detach()


# ---- random_perturbation


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(D,), (1, 4, 4)])
def test_random_perturbation_has_the_length_asked_for(dtype, shape):
    x, radius = samples(N, *shape).to(dtype), torch.rand(N, dtype=dtype)
    for wanted in (radius, 0.7, 0):
        r = random_perturbation(x, wanted)
        assert r.shape == x.shape
        assert r.dtype == dtype
        torch.testing.assert_close(lengths(r), torch.as_tensor(wanted, dtype=dtype).expand(N))


def test_random_perturbation_prefers_no_direction():
    r = random_perturbation(samples(20_000, 3), 1)
    torch.testing.assert_close(r.mean(0), torch.zeros(3).double(), atol=0.02, rtol=0)
    torch.testing.assert_close(r.T @ r / 20_000, torch.eye(3).double() / 3, atol=0.02, rtol=0)


def test_random_perturbation_draws_anew_for_each_sample_and_call():
    x = samples()
    one, other = random_perturbation(x, 1), random_perturbation(x, 1)
    assert not torch.isclose(one, other).any()
    assert not torch.isclose(one[0], one[1]).any()


# ---- adversarial_perturbation


def test_adversarial_perturbation_by_hand():
    """A sigmoid of 2 x_1 - x_2: the prediction changes along (2, -1), and that way the fastest."""

    def predict(x):
        q = torch.sigmoid(2 * x[:, 0] - x[:, 1])
        return torch.stack([q, 1 - q], 1)

    x = torch.tensor([[0.3, 0.3]], dtype=torch.float64)
    r = adversarial_perturbation(predict, x, 0.5)
    along = torch.tensor([[2.0, -1.0]], dtype=torch.float64) / math.sqrt(5)
    torch.testing.assert_close(r.abs(), 0.5 * along.abs())
    assert r[0, 0] * r[0, 1] < 0


def test_adversarial_perturbation_is_the_first_eigenvector_of_the_curvature():
    """The divergence is r' H r / 2 for small r; many steps of the power iteration find its top."""
    predict, x = network(), samples()
    r = adversarial_perturbation(predict, x, 1, probe=1e-4, steps=60)
    for i in range(N):

        def divergence(step, row=x[i : i + 1]):
            return assignment_kl(predict(row), predict(row + step[None]))

        curvature = torch.autograd.functional.hessian(divergence, torch.zeros(D).double())
        top = torch.linalg.eigh(curvature).eigenvectors[:, -1]
        assert abs(float(top @ r[i])) > 0.999


def test_one_step_does_more_harm_than_a_random_direction():
    predict, x = network(), samples(200)
    worst = harm(predict, x, adversarial_perturbation(predict, x, 0.1)).mean()
    chance = harm(predict, x, random_perturbation(x, 0.1)).mean()
    assert worst > 2 * chance


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_adversarial_perturbation_has_the_length_asked_for(dtype):
    x, radius = samples().to(dtype), torch.rand(N, dtype=dtype)
    r = adversarial_perturbation(network(dtype), x, radius)
    assert r.dtype == dtype
    torch.testing.assert_close(lengths(r), radius)
    r = adversarial_perturbation(network(dtype), x, radius, probe=3.0)
    torch.testing.assert_close(lengths(r), radius)


def test_adversarial_perturbation_of_images():
    predict = nn.Sequential(nn.Flatten(), nn.Linear(16, K, dtype=torch.float64), nn.Softmax(1))
    r = adversarial_perturbation(predict, samples(N, 1, 4, 4), 0.5)
    assert r.shape == (N, 1, 4, 4)
    torch.testing.assert_close(lengths(r), torch.full((N,), 0.5).double())


def test_no_gradient_escapes_and_none_is_needed_outside():
    predict, x = network(), samples().requires_grad_()
    assert not adversarial_perturbation(predict, x, 0.5).requires_grad
    assert all(weight.grad is None for weight in predict.parameters())
    assert x.grad is None
    with torch.no_grad():
        torch.testing.assert_close(
            lengths(adversarial_perturbation(predict, x, 0.5)), torch.full((N,), 0.5).double()
        )


def test_a_constant_prediction_leaves_the_random_direction():
    predict = network()
    nn.init.zeros_(predict[2].weight)
    x = samples()
    state = torch.get_rng_state()
    expected = random_perturbation(x, 0.5)
    torch.set_rng_state(state)
    torch.testing.assert_close(adversarial_perturbation(predict, x, 0.5, steps=3), expected)


def test_a_tiny_gradient_still_has_a_direction():
    predict = network(torch.float32)
    predict[2].weight.data *= 1e-12  # squares of the gradient underflow
    predict[2].bias.data.zero_()
    r = adversarial_perturbation(predict, samples().float(), 0.5)
    torch.testing.assert_close(lengths(r), torch.full((N,), 0.5))


def test_the_numbering_of_clusters_does_not_matter():
    predict, x, order = network(), samples(), torch.randperm(K)
    state = torch.get_rng_state()
    r = adversarial_perturbation(predict, x, 0.5)
    torch.set_rng_state(state)
    renumbered = adversarial_perturbation(lambda rows: predict(rows)[:, order], x, 0.5)
    torch.testing.assert_close(renumbered, r)


def test_perturbations_refuse_what_does_not_fit():
    x = samples()
    for radius in (-1, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"radius=.*, expected a finite number of at least 0"):
            random_perturbation(x, radius)
    with pytest.raises(ValueError, match=r"radius has shape \(2,\), expected a number, or one for"):
        random_perturbation(x, torch.ones(2))
    with pytest.raises(ValueError, match="probe=-1, expected a finite number of at least 0"):
        adversarial_perturbation(network(), x, 1, probe=-1)
    for steps in (0, 1.5, True):
        with pytest.raises(ValueError, match=r"steps=.*, expected a whole number of at least 1"):
            adversarial_perturbation(network(), x, 1, steps=steps)


# ---- adaptive_radius


def test_adaptive_radius_by_hand():
    x = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert adaptive_radius(x, neighbor=1, share=1).tolist() == [1, 1, 2, 4]
    assert adaptive_radius(x, neighbor=2, share=0.5).tolist() == [1.5, 1, 1.5, 3]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_adaptive_radius_equals_scikit_learn(dtype):
    x = samples(1100, 1, 2, 4).to(dtype)  # more than one block
    found = adaptive_radius(x)
    distances, _ = NearestNeighbors(n_neighbors=10).fit(x.flatten(1)).kneighbors()  # not itself
    np.testing.assert_allclose(found, 0.25 * distances[:, -1], rtol=1e-4)
    assert found.dtype == dtype


def test_adaptive_radius_scales_with_the_data_and_follows_the_samples():
    x, order = samples(20), torch.randperm(20)
    torch.testing.assert_close(adaptive_radius(3 * x), 3 * adaptive_radius(x))
    torch.testing.assert_close(adaptive_radius(x[order]), adaptive_radius(x)[order])


def test_adaptive_radius_of_identical_points_is_zero():
    assert adaptive_radius(torch.zeros(12, D), neighbor=10).tolist() == [0.0] * 12


def test_adaptive_radius_refuses_what_does_not_fit():
    for neighbor in (0, N, 2.0, True):
        with pytest.raises(ValueError, match=r"n_neighbors=.*, expected a whole number from 1"):
            adaptive_radius(samples(), neighbor=neighbor)
    for share in (0, -1, math.inf):
        with pytest.raises(ValueError, match=r"share=.*, expected a finite number above 0"):
            adaptive_radius(samples(), neighbor=2, share=share)
