"""Cluster centers and mixtures as modules."""

import pytest
import torch

from dclib.assign import mixture, student_t
from dclib.networks import Centers, Mixture

pytestmark = pytest.mark.usefixtures("seeds")


def test_assigns_by_student_t_from_where_they_were_placed():
    centers, position, z = Centers(4, 3), torch.rand(4, 3), torch.rand(7, 3)
    centers.place(position)
    assert torch.equal(centers(z), student_t(z, position))


def test_place_copies():
    centers, position = Centers(4, 3), torch.rand(4, 3)
    centers.place(position)
    kept = position.clone()
    position += 1
    assert torch.equal(centers.position, kept)


def test_a_gradient_reaches_the_centers():
    centers = Centers(4, 3, dtype=torch.float64)
    centers.place(torch.rand(4, 3))
    centers(torch.rand(7, 3, dtype=torch.float64))[:, 0].sum().backward()
    assert centers.position.grad.abs().sum(1).gt(0).all()
    assert centers.position.grad.dtype == torch.float64


def placed(k=3, m=2):
    prior = Mixture(k, m, dtype=torch.float64)
    means, variances = torch.randn(k, m), torch.rand(k, m) + 0.1
    weights = torch.rand(k).softmax(0)
    parts = [part.double() for part in (means, variances, weights)]
    prior.place(*parts)
    return prior, parts


def test_a_mixture_answers_with_its_responsibilities():
    prior, parts = placed()
    z = torch.randn(7, 2, dtype=torch.float64)
    torch.testing.assert_close(prior(z), mixture(z, *parts))


def test_a_gradient_reaches_all_of_a_mixture():
    prior, _ = placed()
    prior(torch.randn(7, 2, dtype=torch.float64))[:, 0].sum().backward()
    assert all(part.grad.abs().sum() > 0 for part in prior.parameters())


def test_codes_are_drawn_from_the_component_asked_for():
    prior, (means, variances, _) = placed()
    z = prior.draw(torch.arange(3).repeat_interleave(20_000)).view(3, 20_000, 2)
    error = (variances / 20_000).sqrt()
    assert ((z.mean(1) - means).abs() < 5 * error).all()
    torch.testing.assert_close(z.var(1), variances, rtol=0.1, atol=0)
