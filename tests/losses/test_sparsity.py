"""Losses on the code: hand values, closed forms and slow rivals, gradients, bad input."""

import math

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck

from dclib.losses import contractive, sparsity_kl
from dclib.networks import mlp

pytestmark = pytest.mark.usefixtures("seeds")


def rows(n=5, d=4, dtype=torch.float64):
    return torch.randn(n, d, dtype=dtype)


def encoder(dtype=torch.float64):
    return mlp((4, 6, 3), nn.Tanh, dtype)


# ---- sparsity_kl


def test_sparsity_by_hand():
    activation = torch.tensor([[0.5, 0.25], [0.0, 0.25]], dtype=torch.float64)  # means 1/4, 1/4
    unit = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert sparsity_kl(activation, 0.5).item() == pytest.approx(2 * unit)


def test_sparsity_equals_torch():
    activation, share = rows().sigmoid(), 0.1
    found = torch.distributions.Bernoulli(activation.mean(0))
    wanted = torch.distributions.Bernoulli(torch.full((4,), share, dtype=torch.float64))
    rival = torch.distributions.kl_divergence(wanted, found).sum()
    torch.testing.assert_close(sparsity_kl(activation, share), rival)


def test_sparsity_is_zero_at_the_wanted_share_and_sees_the_mean_only():
    half = torch.tensor([[0.0], [1.0]])
    assert sparsity_kl(half, 0.5) == sparsity_kl(torch.full((2, 1), 0.5), 0.5) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sparsity_of_dead_and_of_full_units_is_finite(dtype):
    activation = torch.tensor([[0.0, 1.0], [0.0, 1.0]], dtype=dtype, requires_grad=True)
    loss = sparsity_kl(activation, 0.1)
    loss.backward()
    assert loss.dtype == dtype
    assert loss.isfinite()
    assert activation.grad.isfinite().all()


def test_sparsity_gradient():
    activation = rows().sigmoid().requires_grad_()
    assert gradcheck(lambda a: sparsity_kl(a, 0.2), activation)


@pytest.mark.parametrize(
    ("activation", "share", "message"),
    [
        (torch.full((2, 2), 0.5), 0, "share=0, expected a number between 0 and 1"),
        (torch.full((2, 2), 0.5), 1.0, "share=1.0, expected a number between 0 and 1"),
        (torch.tensor([[0.0, 3.0]]), 0.1, r"activation from 0 to 3, expected within \[0, 1\]"),
        (torch.tensor([[-1.0, 0.5]]), 0.1, r"activation from -1 to 0.5, expected"),
        (torch.full((2,), 0.5), 0.1, r"activation has shape \(2,\), expected two dimensions"),
        (torch.zeros(0, 3), 0.1, r"activation has shape \(0, 3\), expected some rows"),
    ],
)
def test_sparsity_refuses(activation, share, message):
    with pytest.raises(ValueError, match=message):
        sparsity_kl(activation, share)


# ---- contractive


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_contraction_of_a_linear_map_is_the_square_of_its_matrix(dtype):
    layer = nn.Linear(4, 3, dtype=dtype)
    loss = contractive(layer, rows(dtype=dtype))
    assert loss.dtype == dtype
    torch.testing.assert_close(loss, layer.weight.square().sum())


def test_contraction_of_a_sigmoid_layer_equals_its_closed_form():
    layer, x = nn.Linear(4, 3, dtype=torch.float64), rows()
    h = layer(x).sigmoid()
    closed = ((h * (1 - h)).square() @ layer.weight.square().sum(1)).mean()
    torch.testing.assert_close(contractive(nn.Sequential(layer, nn.Sigmoid()), x), closed)


def test_contraction_equals_a_slow_loop_over_samples():
    net, x = encoder(), rows()
    slow = sum(torch.autograd.functional.jacobian(net, row).square().sum() for row in x) / 5
    torch.testing.assert_close(contractive(net, x), slow)


def test_contraction_takes_images():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3)).double()
    x = torch.rand(5, 1, 4, 4, dtype=torch.float64)
    matrix = torch.autograd.functional.jacobian(net, x[:1])  # a linear map: the same everywhere
    torch.testing.assert_close(contractive(net, x), matrix.square().sum())


def test_contraction_gradient():
    weight, x = rows(3, 4).requires_grad_(), rows().requires_grad_()
    assert gradcheck(lambda w, x: contractive(lambda row: (row @ w.T).tanh(), x), (weight, x))


def test_a_gradient_of_the_contraction_reaches_every_weight_of_the_encoder():
    net = encoder()
    contractive(net, rows()).backward()
    *inner, last_bias = net.parameters()  # the last bias moves the code, not its Jacobian
    assert all(weights.grad.abs().sum() > 0 for weights in inner)
    assert last_bias.grad is None or not last_bias.grad.any()


def test_descending_the_contraction_calms_the_code():
    net, x = encoder(), rows()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    before = contractive(net, x).item()
    for _ in range(20):
        optimizer.zero_grad()
        contractive(net, x).backward()
        optimizer.step()
    assert contractive(net, x) < before / 2


def test_contraction_can_be_read_without_gradients():
    net, x = encoder(), rows()
    with torch.no_grad():
        quiet = contractive(net, x)
    torch.testing.assert_close(quiet, contractive(net, x))
    assert not x.requires_grad


def test_contraction_refuses_codes_that_are_no_matrix():
    with pytest.raises(ValueError, match=r"codes has shape \(5,\), expected two dimensions"):
        contractive(lambda x: x.sum(1), rows())


def test_contraction_refuses_no_samples():
    with pytest.raises(ValueError, match=r"x has shape \(0, 4\), expected at least one sample"):
        contractive(encoder(), rows(0))
