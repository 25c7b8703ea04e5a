"""Correlation of series: hand values, slow rivals, invariances, gradients, flat series."""

import math

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from dclib.losses import correlation_loss, cross_correlation, shape_distance, squared_error

pytestmark = pytest.mark.usefixtures("seeds")

N, T = 5, 12


def series(n=N, t=T, dtype=torch.float64):
    return torch.randn(n, t, dtype=dtype)


def slow(a, b, lag, wrap):
    """Correlation of two series at one lag, a coming `lag` steps after b, in plain loops."""
    a, b = (np.asarray(v) - np.mean(np.asarray(v)) for v in (a, b))
    total = 0.0
    for s in range(len(b)):
        if wrap:
            total += a[(s + lag) % len(a)] * b[s]
        elif 0 <= s + lag < len(a):
            total += a[s + lag] * b[s]
    return total / math.sqrt((a**2).sum() * (b**2).sum())


# ---- correlation_loss


def test_loss_by_hand():
    x = torch.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    x_hat = torch.tensor([[3.0, 2.0, 1.0], [5.0, 5.5, 5.0]], dtype=torch.float64)
    assert correlation_loss(x_hat, x).item() == pytest.approx((2 + 0) / 2)


def test_loss_equals_numpy():
    x_hat, x = series(), series()
    rival = np.mean([1 - np.corrcoef(a, b)[0, 1] for a, b in zip(x_hat, x, strict=True)])
    assert correlation_loss(x_hat, x).item() == pytest.approx(rival)


def test_loss_is_half_the_squared_error_of_series_of_length_one():
    x_hat, x = series(), series()
    unit = [(v - v.mean(1, keepdim=True)) for v in (x_hat, x)]
    unit = [v / v.norm(dim=1, keepdim=True) for v in unit]
    torch.testing.assert_close(correlation_loss(x_hat, x), squared_error(*unit) / 2)


@pytest.mark.parametrize("max_lag", [0, 3])
@pytest.mark.parametrize("wrap", [False, True])
def test_loss_sees_neither_size_nor_offset(max_lag, wrap):
    x_hat, x = series(), series()
    size, offset = torch.rand(N, 1).double() + 0.1, series(N, 1)
    moved = correlation_loss(size * x_hat + offset, 1000 * x - 7, max_lag, wrap)
    torch.testing.assert_close(moved, correlation_loss(x_hat, x, max_lag, wrap))


def test_loss_of_the_mirrored_series_is_two():
    x = series()
    assert correlation_loss(-x, x).item() == pytest.approx(2)


def test_loss_does_not_care_in_which_order_the_series_come():
    x_hat, x, order = series(), series(), torch.randperm(N)
    for max_lag in (0, 4):
        torch.testing.assert_close(
            correlation_loss(x_hat[order], x[order], max_lag), correlation_loss(x_hat, x, max_lag)
        )


def test_loss_forgives_a_shift_up_to_its_lag_and_no_more():
    x = series()
    for shift in (1, 3, -3):
        late = x.roll(shift, 1)
        assert correlation_loss(late, x, abs(shift), wrap=True).item() == pytest.approx(0)
        assert correlation_loss(late, x, abs(shift) - 1, wrap=True) > 0.1


def test_without_wrap_a_shift_costs_what_left_the_window():
    x = torch.zeros(1, 20, dtype=torch.float64)
    x[0, 9:12] = torch.tensor([1.0, -2.0, 1.0])  # mean 0 and silence around: nothing is lost
    assert correlation_loss(x.roll(4, 1), x, 4).item() == pytest.approx(0)
    ramp = torch.arange(20.0)[None]
    assert correlation_loss(ramp.roll(4, 1), ramp, 4) > 0.1


@pytest.mark.parametrize("max_lag", [0, 3])
@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("temperature", [0.0, 0.2])
def test_loss_gradient(max_lag, wrap, temperature):
    x_hat, x = series(3).requires_grad_(), series(3).requires_grad_()
    assert gradcheck(lambda *both: correlation_loss(*both, max_lag, wrap, temperature), (x_hat, x))


def test_gradient_of_the_loss_is_the_closed_form():
    """-(unit x - r unit x_hat) / length of the centred x_hat, divided by n."""
    x_hat, x = series().requires_grad_(), series()
    correlation_loss(x_hat, x).backward()
    a = x_hat.detach() - x_hat.detach().mean(1, keepdim=True)
    b = x - x.mean(1, keepdim=True)
    length = a.norm(dim=1, keepdim=True)
    a, b = a / length, b / b.norm(dim=1, keepdim=True)
    r = (a * b).sum(1, keepdim=True)
    torch.testing.assert_close(x_hat.grad, -(b - r * a) / length / N)


def test_gradient_of_the_loss_changes_neither_size_nor_offset_at_first():
    x_hat, x = series().requires_grad_(), series()
    correlation_loss(x_hat, x, 3).backward()
    centred = x_hat.detach() - x_hat.detach().mean(1, keepdim=True)
    torch.testing.assert_close((x_hat.grad * centred).sum(1), torch.zeros(N).double())
    torch.testing.assert_close(x_hat.grad.sum(1), torch.zeros(N).double())


def test_the_soft_maximum_lies_above_the_loss_and_comes_down_to_it():
    x_hat, x = series(), series()
    hard = correlation_loss(x_hat, x, 4)
    soft = [correlation_loss(x_hat, x, 4, temperature=t) for t in (1e-4, 0.1, 1.0, 1e6)]
    torch.testing.assert_close(soft[0], hard, rtol=0, atol=1e-6)
    assert hard < soft[1] < soft[2] < soft[3]
    torch.testing.assert_close(
        soft[3], 1 - cross_correlation(x_hat, x, 4).mean(), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("max_lag", [0, 2])
def test_a_flat_series_has_loss_one_and_a_finite_gradient(dtype, max_lag):
    x_hat = torch.full((1, T), 3.0, dtype=dtype, requires_grad=True)
    loss = correlation_loss(x_hat, series(1, dtype=dtype), max_lag)
    loss.backward()
    assert loss.dtype == dtype
    assert loss.item() == 1
    assert x_hat.grad.isfinite().all()


def test_without_eps_a_flat_series_is_undefined():
    assert correlation_loss(torch.ones(1, T), series(1, dtype=torch.float32), eps=0.0).isnan()


def test_eps_is_a_standard_deviation():
    x = series(1)
    x = (x - x.mean()) / x.std(correction=0)
    assert correlation_loss(0.01 * x, x, eps=0.01).item() == pytest.approx(0)
    assert correlation_loss(0.01 * x, x, eps=0.04).item() == pytest.approx(0.75)


def test_two_steps_correlate_fully():
    x = torch.tensor([[0.0, 1.0]])
    assert correlation_loss(3 * x, x).item() == pytest.approx(0, abs=1e-6)


# ---- cross_correlation


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("max_lag", [0, 1, 5, None])
def test_cross_correlation_equals_a_slow_loop(wrap, max_lag):
    x, y = series(), series()
    found = cross_correlation(x, y, max_lag, wrap)
    most = found.shape[1] // 2
    assert most == (max_lag if max_lag is not None else T // 2 if wrap else T - 1)
    for i in range(N):
        for lag in range(-most, most + 1):
            assert found[i, most + lag].item() == pytest.approx(slow(x[i], y[i], lag, wrap))


def test_cross_correlation_equals_numpy():
    x, y = series(1), series(1)
    a, b = ((v[0] - v.mean()) / (v[0] - v.mean()).norm() for v in (x, y))
    rival = np.correlate(a.numpy(), b.numpy(), "full")
    np.testing.assert_allclose(cross_correlation(x, y)[0].numpy(), rival, atol=1e-12)


def test_exchanging_the_series_turns_the_lags_round():
    x, y = series(), series()
    torch.testing.assert_close(cross_correlation(x, y, 4), cross_correlation(y, x, 4).flip(1))


def test_cross_correlation_lies_within_one_and_keeps_the_dtype():
    x = series(50, 7, torch.float32)
    found = cross_correlation(x, series(50, 7, torch.float32))
    assert found.dtype == torch.float32
    assert found.abs().max() <= 1 + 1e-6


# ---- shape_distance


@pytest.mark.parametrize("wrap", [False, True])
def test_shape_distance_equals_a_slow_double_loop(wrap):
    x, y = series(4), series(3)
    found = shape_distance(x, y, 5, wrap)
    for i in range(4):
        for j in range(3):
            best = max(slow(x[i], y[j], lag, wrap) for lag in range(-5, 6))
            assert found[i, j].item() == pytest.approx(1 - best)


def test_shape_distance_at_lag_zero_is_that_of_numpy():
    x = series()
    np.testing.assert_allclose(shape_distance(x, x, 0), 1 - np.corrcoef(x), atol=1e-12)


@pytest.mark.parametrize("wrap", [False, True])
def test_shape_distance_is_symmetric_and_zero_to_itself(wrap):
    x = series()
    found = shape_distance(x, x, None, wrap)
    torch.testing.assert_close(found, found.T)
    torch.testing.assert_close(found.diag(), torch.zeros(N).double())


def test_shape_distance_gradient():
    x, y = series(2, 6).requires_grad_(), series(3, 6).requires_grad_()
    assert gradcheck(lambda *both: shape_distance(*both, 2), (x, y))


# ---- bad input


@pytest.mark.parametrize("function", [correlation_loss, cross_correlation, shape_distance])
@pytest.mark.parametrize(
    ("x", "max_lag", "message"),
    [
        (torch.ones(5), 0, r"x(_hat)? has shape \(5,\), expected two dimensions"),
        (torch.ones(3, 1), 0, r"x has shape \(3, 1\), expected at least one series of two steps"),
        (torch.ones(0, 5), 0, r"x has shape \(0, 5\), expected at least one series"),
        (torch.ones(3, 5), 5, "max_lag=5, expected a whole number from 0 to 4"),
        (torch.ones(3, 5), -1, "max_lag=-1, expected a whole number from 0 to 4"),
        (torch.ones(3, 5), 1.5, "max_lag=1.5, expected a whole number"),
    ],
)
def test_series_and_lags_that_do_not_fit_are_refused(function, x, max_lag, message):
    with pytest.raises(ValueError, match=message):
        function(x, x, max_lag)


def test_more_is_refused():
    with pytest.raises(ValueError, match=r"shapes differ: x \(5, 12\), y \(4, 12\)"):
        cross_correlation(series(), series(4))
    with pytest.raises(ValueError, match="x has 12, y has 11; expected the same number"):
        shape_distance(series(), series(t=11))
    with pytest.raises(ValueError, match="max_lag=7, expected a whole number from 0 to 6"):
        cross_correlation(series(), series(), 7, wrap=True)
    for temperature in (-0.1, math.inf, math.nan):
        with pytest.raises(ValueError, match=r"temperature=.*, expected a finite number"):
            correlation_loss(series(), series(), temperature=temperature)
