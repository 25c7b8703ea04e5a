"""Cluster centers as a module."""

import torch

from dclib.assign import student_t
from dclib.networks import Centers


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
