"""How far a reconstruction is from its input: the autoencoder's network loss."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import huber_loss, mse_loss

from dclib import check


def squared_error(x_hat: Tensor, x: Tensor) -> Tensor:
    """Squared distance between reconstructions and inputs, summed over features.

    Shapes: x_hat and x (n, d) or (n, c, h, w). Returns the mean over the n samples, in
    [0, inf), in squared units of x. Source: Guo et al. 2017 (IDEC), L_r, divided by n so that it
    does not grow with the batch. Keras' and PyTorch's "MSE" divide by d as well: whoever
    copies a weight or a learning rate from such code must divide by d too.

    >>> squared_error(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]))
    tensor(25.)
    """
    check.same_shape(x_hat=x_hat, x=x)
    return mse_loss(x_hat, x, reduction="sum") / len(x)


def huber_error(x_hat: Tensor, x: Tensor, delta: float = 1.0) -> Tensor:
    """Squared error up to `delta`, beyond it in proportion to the difference, summed over features.

    Shapes: x_hat and x (n, d) or (n, c, h, w); delta above 0, in units of x. A difference r costs
    r^2 where |r| <= delta, else 2 delta |r| - delta^2, summed over features. Returns the mean over
    the n samples, in [0, inf), in squared units of x. Source: Huber 1964, times 2, so that for
    small differences it is `squared_error` and takes the same weights and learning rates;
    PyTorch's `huber_loss` is half of it, and a mean over features unless told otherwise.

    >>> x_hat, x = torch.zeros(1, 2), torch.tensor([[0.5, 3.0]])
    >>> huber_error(x_hat, x, delta=1.0)  # 0.25 + (2 * 3 - 1)
    tensor(5.2500)
    """
    check.same_shape(x_hat=x_hat, x=x)
    if not 0 < delta < math.inf:
        raise ValueError(f"delta={delta!r}, expected a finite number above 0")
    return 2 * huber_loss(x_hat, x, reduction="sum", delta=delta) / len(x)


def series_error(x_hat: Tensor, x: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Squared error of series, summed over their real steps and features, mean over samples.

    Shapes: x_hat and x (n, t, features), lengths (n,), all t if not given; returns a number of at
    least 0. What stands beyond a series' length, in x or in x_hat, counts nothing.

    >>> x = torch.ones(1, 3, 1)
    >>> series_error(torch.zeros(1, 3, 1), x, lengths=torch.tensor([2]))
    tensor(2.)
    """
    check.same_shape(x_hat=x_hat, x=x)
    beyond, _ = padding(x, lengths)
    return (x_hat - x).masked_fill(beyond, 0).square().sum((1, 2)).mean()


def padding(x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mark which steps are padding (n, t, 1); return it and the lengths, on the device of x."""
    lengths = series_lengths(x, lengths).to(x.device)
    return (torch.arange(x.shape[1], device=x.device) >= lengths[:, None])[:, :, None], lengths


def series_lengths(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Check series and lengths; return the lengths, on the CPU where they were given there.

    To look at lengths on a GPU would stall it at every step.
    """
    if x.ndim != 3 or 0 in x.shape:
        raise ValueError(
            f"x has shape {tuple(x.shape)}, expected (n, t, features), each of at least 1"
        )
    n, t, _ = x.shape
    lengths = torch.full((n,), t) if lengths is None else torch.as_tensor(lengths)
    if lengths.dtype not in (torch.int64, torch.int32) or lengths.shape != (n,):
        raise ValueError(
            f"lengths is {lengths.dtype} of shape {tuple(lengths.shape)}, "
            f"expected whole numbers of shape ({n},)"
        )
    if lengths.min() < 1 or lengths.max() > t:
        raise ValueError(
            f"lengths run from {int(lengths.min())} to {int(lengths.max())}, "
            f"expected 1 to {t}, the number of steps in x"
        )
    return lengths
