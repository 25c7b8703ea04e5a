"""The reconstruction loss: hand value, rival, gradient, bad input."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from dclib.losses import huber_error, squared_error

pytestmark = pytest.mark.usefixtures("seeds")


def test_by_hand():
    x_hat, x = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[1.0, 0.0], [3.0, 4.0]])
    assert squared_error(x_hat, x) == (4 + 25) / 2


@pytest.mark.parametrize("shape", [(5, 3), (5, 2, 4, 3)], ids=["rows", "images"])
def test_sums_over_a_sample_and_means_over_samples(shape):
    x_hat, x = torch.rand(shape), torch.rand(shape)
    slow = sum(float(((a - b) ** 2).sum()) for a, b in zip(x_hat, x, strict=True)) / 5
    assert squared_error(x_hat, x).item() == pytest.approx(slow)


def test_gradient():
    x_hat, x = (torch.rand(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert gradcheck(squared_error, (x_hat, x))


def test_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"x_hat \(5, 3\), x \(5, 1\); expected the same shape"):
        squared_error(torch.rand(5, 3), torch.rand(5, 1))


# ---- huber_error


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_huber_by_hand(dtype):
    x_hat = torch.tensor([[0.0, 0.0], [1.0, 5.0]], dtype=dtype)
    x = torch.tensor([[0.5, -3.0], [1.0, 1.0]], dtype=dtype)
    loss = huber_error(x_hat, x, delta=2.0)
    assert loss.dtype == dtype
    assert loss == ((0.25 + 2 * 2 * 3 - 4) + (0 + 2 * 2 * 4 - 4)) / 2


@pytest.mark.parametrize("shape", [(5, 3), (5, 2, 4, 3)], ids=["rows", "images"])
def test_huber_equals_a_slow_loop(shape):
    x_hat, x = torch.randn(shape, dtype=torch.float64), torch.randn(shape, dtype=torch.float64)
    total = 0.0
    for r in (x_hat - x).abs().flatten().tolist():
        total += r**2 if r <= 0.7 else 2 * 0.7 * r - 0.7**2
    assert huber_error(x_hat, x, 0.7).item() == pytest.approx(total / 5)


def test_huber_is_twice_pytorchs_as_a_sum():
    x_hat, x = torch.randn(5, 3), torch.randn(5, 3)
    rival = torch.nn.functional.huber_loss(x_hat, x, reduction="none", delta=0.3)
    torch.testing.assert_close(huber_error(x_hat, x, 0.3), 2 * rival.sum(1).mean())


def test_huber_is_squared_error_up_to_delta_and_never_more():
    x_hat, x = torch.randn(5, 3), torch.randn(5, 3)
    largest = (x_hat - x).abs().max().item()
    torch.testing.assert_close(huber_error(x_hat, x, largest), squared_error(x_hat, x))
    assert huber_error(x_hat, x, largest / 2) < squared_error(x_hat, x)


def test_huber_with_a_small_delta_is_absolute_error():
    x_hat, x = torch.randn(5, 3).double(), torch.randn(5, 3).double()
    absolute = (x_hat - x).abs().sum(1).mean()
    torch.testing.assert_close(huber_error(x_hat, x, 1e-9) / 2e-9, absolute, rtol=1e-6, atol=0)


def test_the_pull_of_one_feature_is_bounded():
    x_hat = torch.zeros(1, 3, requires_grad=True)
    huber_error(x_hat, torch.tensor([[0.1, 7.0, -1e6]]), delta=0.5).backward()
    torch.testing.assert_close(x_hat.grad, torch.tensor([[-0.2, -1.0, 1.0]]))  # 2 r, cut at 2 delta


def test_huber_gradient():
    x_hat, x = (torch.randn(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert gradcheck(lambda x_hat, x: huber_error(x_hat, x, 0.4), (x_hat, x))


@pytest.mark.parametrize("delta", [0, -1.0, math.inf, math.nan])
def test_huber_refuses_a_delta_that_is_no_size(delta):
    with pytest.raises(ValueError, match=f"delta={delta}, expected a finite number above 0"):
        huber_error(torch.zeros(1, 2), torch.zeros(1, 2), delta)


def test_huber_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"x_hat \(5, 3\), x \(5, 1\); expected the same shape"):
        huber_error(torch.rand(5, 3), torch.rand(5, 1))
