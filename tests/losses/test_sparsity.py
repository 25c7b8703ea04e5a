"""Losses on the code: hand values, closed forms and slow rivals, gradients, bad input."""

import math

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck

from dclib.losses import contractive, group_sparsity, sparsity_kl
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


# ---- group_sparsity


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_groups_by_hand(dtype):
    z = torch.tensor([[3.0, 4.0, 2.0], [0.0, 0.0, -1.0]], dtype=dtype)
    loss = group_sparsity(z, [2, 1])
    assert loss.dtype == dtype
    assert loss.item() == pytest.approx((math.sqrt(2) * 5 + 2 + 0 + 1) / 2)


def test_groups_equal_a_slow_loop():
    z, sizes = rows(5, 7), [3, 1, 2, 1]
    total = 0.0
    for row in z.tolist():
        start = 0
        for size in sizes:
            squares = sum(number**2 for number in row[start : start + size])
            total += math.sqrt(size * squares)
            start += size
    assert group_sparsity(z, sizes).item() == pytest.approx(total / 5)


def test_groups_of_one_are_the_absolute_sum_and_one_group_is_the_length():
    z = rows(5, 4)
    torch.testing.assert_close(group_sparsity(z, [1] * 4), z.abs().sum(1).mean())
    torch.testing.assert_close(group_sparsity(z, [4]), 2 * z.norm(dim=1).mean())


def test_groups_do_not_care_for_order_nor_for_axes_within_a_group():
    z, order, samples = rows(5, 6), torch.tensor([4, 5, 0, 1, 2, 3]), torch.randperm(5)
    turn, _ = torch.linalg.qr(rows(3, 3))
    turned = torch.cat([z[:, :3] @ turn, z[:, 3:]], 1)
    whole = group_sparsity(z, [3, 1, 2])
    torch.testing.assert_close(group_sparsity(z[:, order], [2, 3, 1]), whole)
    torch.testing.assert_close(group_sparsity(z[samples], (3, 1, 2)), whole)
    torch.testing.assert_close(group_sparsity(turned, [3, 1, 2]), whole)
    assert not torch.isclose(group_sparsity(z, [2, 2, 2]), whole)


def test_a_code_half_as_large_costs_half():
    z = rows()
    torch.testing.assert_close(group_sparsity(z / 2, [2, 2]), group_sparsity(z, [2, 2]) / 2)


def test_groups_gradient():
    z = rows(5, 6).requires_grad_()
    assert gradcheck(lambda z: group_sparsity(z, [3, 1, 2]), z)


def test_the_gradient_is_the_direction_of_each_group_and_zero_at_zero():
    z = torch.tensor([[3.0, 4.0, 0.0, 0.0, -2.0]], dtype=torch.float64, requires_grad=True)
    group_sparsity(z, [2, 2, 1]).backward()
    root = math.sqrt(2)
    wanted = torch.tensor([[0.6 * root, 0.8 * root, 0, 0, -1]], dtype=torch.float64)
    torch.testing.assert_close(z.grad, wanted)


def test_its_proximal_step_cuts_every_group_by_its_threshold():
    """The minimum of 1/2 |z - a|^2 + t L(z) has a closed form: the rival."""
    sizes, t = [3, 2, 1], 0.6
    a = torch.tensor([[1.0, 2.0, -2.0, 0.3, 0.4, -0.9]], dtype=torch.float64)
    cut = []
    for group in a.split(sizes, dim=1):
        length = group.norm().item()
        cut.append(group * max(0.0, 1 - t * math.sqrt(group.shape[1]) / length))
    closed = torch.cat(cut, 1)
    assert closed[0, 3:5].abs().max() == 0  # the group in the middle is off, and only that
    assert (closed != 0).sum() == 4

    def objective(z):
        return (z - a).square().sum() / 2 + t * group_sparsity(z, sizes)

    assert all(objective(closed + 0.1 * rows(1, 6)) > objective(closed) for _ in range(200))
    z = closed.clone().requires_grad_()
    objective(z).backward()
    on = closed[0] != 0
    assert z.grad[0, on].abs().max() < 1e-12  # where it is not 0 the gradient vanishes,
    assert z.grad[0, ~on].norm() <= t * math.sqrt(2)  # where it is, the loss holds it there


@pytest.mark.parametrize("sizes", [[2, 1], [2, 2, 1], [4, 0], [5, -1], [2.0, 2.0], []])
def test_groups_must_fill_the_code(sizes):
    with pytest.raises(ValueError, match=r"sizes=\[.*\], expected whole numbers .* add up to 4"):
        group_sparsity(rows(), sizes)


def test_groups_refuse_what_is_no_code():
    with pytest.raises(ValueError, match=r"z has shape \(4,\), expected two dimensions"):
        group_sparsity(torch.zeros(4), [4])
    with pytest.raises(ValueError, match=r"z has shape \(0, 4\), expected at least one sample"):
        group_sparsity(rows(0), [4])
