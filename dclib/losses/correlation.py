"""Losses on time series that look at their shape: correlation, at no lag or at the best one."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dclib import check


def correlation_loss(
    x_hat: Tensor,
    x: Tensor,
    max_lag: int = 0,
    wrap: bool = False,
    temperature: float = 0.0,
    eps: float = 1e-6,
) -> Tensor:
    """One minus the correlation of each series with its reconstruction, at the best lag allowed.

    Shapes: x_hat and x (n, t). Returns the mean over the n series, in [0, 2], without unit: 0 for
    the same shape, whatever its size and offset. With `max_lag` 0 it is Pearson's distance; with
    more, the lags -max_lag..max_lag of `cross_correlation` compete. The best one alone gets a
    gradient where `temperature` is 0; above 0, all do, weighted by softmax(correlation /
    temperature), and the loss is never smaller. A series whose standard deviation is below `eps`
    is divided by `eps` instead: a flat one has correlation 0 and a finite gradient. For the best
    lag of all t - 1, this is the shape-based distance of Paparrizos and Gravano 2015 (k-Shape),
    which does not centre the series itself and has no temperature.

    >>> x = torch.tensor([[0.0, 1.0, 0.0, -1.0]])
    >>> round(correlation_loss(5 * x + 3, x).item(), 3)
    0.0
    >>> late = x.roll(1, dims=1)
    >>> [round(correlation_loss(late, x, lag, wrap=True).item(), 3) for lag in (0, 1)]
    [1.0, 0.0]
    """
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature={temperature!r}, expected a finite number of at least 0")
    found = cross_correlation(x_hat, x, max_lag, wrap, eps)
    if temperature == 0:
        return 1 - found.amax(1).mean()
    weight = (found / temperature).softmax(1)
    return 1 - (weight * found).sum(1).mean()


def cross_correlation(
    x: Tensor, y: Tensor, max_lag: int | None = None, wrap: bool = False, eps: float = 1e-6
) -> Tensor:
    """Correlation of each row of x with the same row of y, at every lag up to `max_lag`.

    Shapes: x and y (n, t). Returns (n, 2 max_lag + 1) in [-1, 1]; column max_lag + l belongs to
    the lag l, at which x comes l steps after y. Each series is centred and brought to length 1
    once, over all its steps. Then what has been moved over the end counts as 0, so that a lag
    costs its share of the overlap; with `wrap` it comes back in at the start, as fits a whole
    number of periods. `max_lag` None is the most there is: t - 1, with `wrap` t // 2. Source:
    Paparrizos and Gravano 2015 (k-Shape), the coefficient normalisation NCC_c, by the fast Fourier
    transform as there.

    >>> x = torch.tensor([[0.0, 0.0, 3.0, 0.0, 0.0]])
    >>> y = torch.tensor([[1.0, 0.0, 0.0, 0.0, 0.0]])
    >>> cross_correlation(x, y, max_lag=2, wrap=True).argmax(1) - 2  # x comes two steps later
    tensor([2])
    """
    check.same_shape(x=x, y=y)
    check.matrices(x=x, y=y)
    max_lag = _lags(x, max_lag, wrap)
    return _products(_spectrum(x, wrap, eps), _spectrum(y, wrap, eps), x.shape[1], max_lag, wrap)


def shape_distance(
    x: Tensor, y: Tensor, max_lag: int | None = None, wrap: bool = False, eps: float = 1e-6
) -> Tensor:
    """One minus the correlation at the best lag, of every row of x with every row of y.

    Shapes: x (n, t), y (n', t). Returns (n, n') in [0, 2]. Lags, `wrap` and `eps` are those of
    `cross_correlation`; with `max_lag` 0 it is Pearson's distance. Source: Paparrizos and Gravano
    2015, the shape-based distance SBD. It is no metric: it breaks the triangle inequality.

    >>> x = torch.tensor([[0.0, 1.0, 0.0, -1.0], [1.0, -1.0, 1.0, -1.0]])
    >>> shape_distance(x, x.roll(1, dims=1), wrap=True).round(decimals=3).abs().tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    check.same_width(x=x, y=y)
    max_lag = _lags(x, max_lag, wrap)
    ours, theirs = _spectrum(x, wrap, eps), _spectrum(y, wrap, eps)
    rows = [_products(row, theirs, x.shape[1], max_lag, wrap).amax(1) for row in ours]
    return 1 - torch.stack(rows)  # row by row: all pairs at once take n n' t numbers


def _lags(x: Tensor, max_lag: int | None, wrap: bool) -> int:
    """Check series and lags; return the largest lag."""
    if 0 in x.shape or x.shape[1] < 2:
        raise ValueError(
            f"x has shape {tuple(x.shape)}, expected at least one series of two steps or more"
        )
    most = x.shape[1] // 2 if wrap else x.shape[1] - 1
    if max_lag is None:
        return most
    if not check.is_whole(max_lag) or not 0 <= max_lag <= most:
        raise ValueError(f"max_lag={max_lag!r}, expected a whole number from 0 to {most}")
    return max_lag


def _spectrum(x: Tensor, wrap: bool, eps: float) -> Tensor:
    """Fourier transform of the series, centred and of length 1; padded where they do not wrap."""
    t = x.shape[1]
    centred = x - x.mean(1, keepdim=True)
    length = torch.linalg.vector_norm(centred, dim=1, keepdim=True)
    unit = centred / length.clamp_min(eps * math.sqrt(t))
    return torch.fft.rfft(unit, t if wrap else 2 * t)


def _products(x: Tensor, y: Tensor, t: int, max_lag: int, wrap: bool) -> Tensor:
    """Inner products of series, given by their spectra, at the lags -max_lag..max_lag."""
    size = t if wrap else 2 * t
    products = torch.fft.irfft(x * y.conj(), size)
    lags = torch.arange(-max_lag, max_lag + 1, device=products.device)
    return products[..., lags % size]
