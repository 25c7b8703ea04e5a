"""The multilayer perceptron."""

import re

import pytest
import torch
from torch import nn

from dclib.networks import mlp


def test_layers_and_bends_alternate_and_the_end_is_linear():
    net = mlp([5, 4, 3, 2], nn.Tanh)
    assert [type(part) for part in net] == [nn.Linear, nn.Tanh, nn.Linear, nn.Tanh, nn.Linear]
    assert [tuple(part.weight.shape) for part in net[::2]] == [(4, 5), (3, 4), (2, 3)]
    assert net(torch.zeros(7, 5)).shape == (7, 2)


def test_a_gradient_reaches_every_parameter():
    net = mlp([5, 4, 3], nn.Tanh)
    net(torch.ones(7, 5)).square().sum().backward()
    assert all(weights.grad.abs().sum() > 0 for weights in net.parameters())


def test_weights_are_born_in_the_dtype():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        born = mlp([5, 4], dtype=torch.float64)[0].weight
        torch.manual_seed(0)
        cast = mlp([5, 4], dtype=torch.float32).double()[0].weight
    assert born.dtype == torch.float64
    assert not torch.equal(born, cast)


@pytest.mark.parametrize("sizes", [(), (5,)])
def test_refuses_fewer_than_two_sizes(sizes):
    with pytest.raises(ValueError, match=re.escape(f"sizes={sizes}, expected at least an input")):
        mlp(sizes)
