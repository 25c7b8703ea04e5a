"""The multilayer perceptron and the start of its weights."""

import math
import re

import pytest
import torch
from torch import nn

from dclib.networks import Autoencoder, initialise, mlp
from dclib.runtime import seeded


def test_layers_and_bends_alternate_and_the_end_is_linear():
    net = mlp([5, 4, 3, 2], nn.Tanh)
    assert [type(part) for part in net] == [nn.Linear, nn.Tanh, nn.Linear, nn.Tanh, nn.Linear]
    assert [tuple(part.weight.shape) for part in net[::2]] == [(4, 5), (3, 4), (2, 3)]
    assert net(torch.zeros(7, 5)).shape == (7, 2)


def test_it_is_a_chain_of_matrix_products():
    net = mlp([5, 4, 3], dtype=torch.float64)
    first, last = net[0], net[2]
    x = torch.linspace(-1, 1, 35, dtype=torch.float64).view(7, 5)
    h = (x @ first.weight.T + first.bias).clamp(min=0)
    assert torch.allclose(net(x), h @ last.weight.T + last.bias, rtol=1e-12, atol=1e-12)


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


def test_weights_start_within_one_over_the_root_of_the_inputs():
    with seeded(0):
        weights = mlp([400, 300], dtype=torch.float64)[0].weight
    assert weights.abs().max() <= 1 / math.sqrt(400)
    assert math.isclose(weights.var().item(), 1 / (3 * 400), rel_tol=0.02)


@pytest.mark.parametrize("sizes", [(), (5,)])
def test_refuses_fewer_than_two_sizes(sizes):
    with pytest.raises(ValueError, match=re.escape(f"sizes={sizes}, expected at least an input")):
        mlp(sizes)


# ---- initialise


def drawn(scheme, seed=0, sizes=(30, 50, 20), dtype=torch.float64):
    with seeded(seed):
        return initialise(mlp(sizes, dtype=dtype), scheme)


@pytest.mark.parametrize(
    ("scheme", "rival"),
    [
        ("he", lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu")),
        ("xavier", nn.init.xavier_normal_),
        (0.01, lambda weight: nn.init.normal_(weight, std=0.01)),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_are_those_of_pytorch_and_biases_are_zero(scheme, rival, dtype):
    ours = drawn(scheme, dtype=dtype)
    with seeded(0):
        theirs = mlp((30, 50, 20), dtype=dtype)
        for layer in theirs[::2]:
            rival(layer.weight)
    for ours_layer, theirs_layer in zip(ours[::2], theirs[::2], strict=True):
        assert ours_layer.weight.dtype == dtype
        assert torch.allclose(ours_layer.weight, theirs_layer.weight, rtol=1e-6)
        assert ours_layer.bias.eq(0).all()


def test_he_keeps_the_mean_square_of_a_relu_network_and_xavier_that_of_a_linear_one():
    with seeded(1):
        x = torch.randn(200, 256, dtype=torch.float64)
    sizes = [256] * 11

    def ratio(net):
        return (net(x).square().mean() / x.square().mean()).item()

    nets = {scheme: drawn(scheme, sizes=sizes) for scheme in ("he", "xavier")}
    linear = nn.Sequential(*nets["xavier"][::2])
    assert 1 < ratio(nets["he"]) < 4  # 2 at the end: the last layer has no ReLU to halve it
    assert 0.5 < ratio(linear) < 2
    assert ratio(nets["xavier"]) < 2 * 0.5**9
    assert ratio(mlp(sizes, dtype=torch.float64)) < 0.1  # PyTorch's own


def test_a_seed_fixes_the_weights_on_any_number_of_threads():
    threads, found = torch.get_num_threads(), []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            found.append(drawn("he", sizes=(300, 300)))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(found[0][0].weight, found[1][0].weight)
    assert not torch.equal(found[0][0].weight, drawn("he", seed=1, sizes=(300, 300))[0].weight)


def test_it_reaches_layers_deep_inside_and_layers_without_bias():
    auto = Autoencoder([8, 4, 2], dtype=torch.float64)
    bare = nn.Linear(4, 3, bias=False)
    before = [weights.clone() for weights in (*auto.parameters(), bare.weight)]
    net = nn.ModuleList([auto, bare])
    assert initialise(net, "xavier") is net
    assert not any(map(torch.equal, before, net.parameters()))


def test_weights_can_still_learn():
    net = drawn("he")
    net(torch.ones(7, 30, dtype=torch.float64)).square().sum().backward()
    assert all(weights.requires_grad and weights.grad.ne(0).any() for weights in net.parameters())


@pytest.mark.parametrize("scheme", ["kaiming", "", None, True, 0.0, -1.0, math.nan, math.inf])
def test_refuses_an_unknown_scheme_and_leaves_the_weights(scheme):
    net = mlp([3, 2])
    before = net[0].weight.clone()
    with pytest.raises(ValueError, match=re.escape(f"scheme={scheme!r}, expected 'he', 'xavier'")):
        initialise(net, scheme)
    assert torch.equal(net[0].weight, before)


def test_refuses_a_network_without_linear_layers():
    with pytest.raises(ValueError, match="ReLU has no linear layer"):
        initialise(nn.ReLU(), "he")
