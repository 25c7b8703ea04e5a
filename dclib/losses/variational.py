"""The two halves of the evidence lower bound: a reconstruction in nats, and a divergence."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from dclib import check
from dclib.losses.reconstruction import squared_error


def gaussian_kl(mean: Tensor, log_var: Tensor, free_bits: float = 0.0) -> Tensor:
    """Divergence KL(N(mean, var) || N(0, I)) of the posteriors from the standard normal prior.

    Shapes: mean and log_var (n, m), the natural logarithm of the variances. Returns the mean over
    the n samples, summed over the m numbers of the code, in [0, inf), in nats. With `free_bits`
    (nats in spite of the name) the mean over the samples is taken first, number by number, and
    counts as no less than `free_bits`: below that a number of the code is left in peace. Source:
    Kingma and Welling 2014, Appendix B; free bits: Kingma et al. 2016.

    >>> gaussian_kl(torch.tensor([[2.0, 0.0]]), torch.zeros(1, 2))
    tensor(2.)
    >>> gaussian_kl(torch.tensor([[2.0, 0.0]]), torch.zeros(1, 2), free_bits=0.5)
    tensor(2.5000)
    """
    check.matrices(mean=mean)
    check.same_shape(mean=mean, log_var=log_var)
    if free_bits < 0:
        raise ValueError(f"free_bits={free_bits!r}, expected a number of at least 0")
    kl = (mean.square() + log_var.expm1() - log_var) / 2  # expm1: no digits lost near log_var = 0
    return kl.mean(0).clamp_min(free_bits).sum()


def bernoulli_nll(logits: Tensor, x: Tensor) -> Tensor:
    """Negative log-likelihood of x under independent Bernoulli features: binary cross-entropy.

    Shapes: logits and x (n, d) or (n, c, h, w), x in [0, 1]. Returns the mean over the n samples,
    summed over features, in [0, inf), in nats. Where x is grey, the value is that of random black
    and white images whose chance of ink is the grey value, on average; even a perfect answer
    leaves their entropy. Source: Kingma and Welling 2014, Appendix C.1.

    Raises ValueError for x outside [0, 1], where the loss has no lower end (on the CPU; on a GPU
    looking at every batch would stall it).

    >>> bernoulli_nll(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
    tensor(1.3863)
    """
    check.same_shape(logits=logits, x=x)
    if x.device.type == "cpu" and x.numel() and not 0 <= x.min() <= x.max() <= 1:
        low, high = float(x.min()), float(x.max())
        raise ValueError(f"x lies in [{low:.4g}, {high:.4g}], expected [0, 1]")
    return binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)


def gaussian_nll(x_hat: Tensor, x: Tensor, variance: float | Tensor | None = None) -> Tensor:
    """Negative log-likelihood of x under a Gaussian around x_hat, one variance for all features.

    Shapes: x_hat and x (n, d) or (n, c, h, w). Returns the mean over the n samples, summed over
    features, in (-inf, inf), in nats. The variance weighs the reconstruction against a divergence;
    None takes the one that makes the loss smallest, the mean squared error of the batch. Source:
    Kingma and Welling 2014, Appendix C.2; the variance: Rybkin et al. 2021.

    >>> round(gaussian_nll(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]), variance=1.0).item(), 3)
    14.338
    """
    squares = squared_error(x_hat, x)
    d = x[0].numel()
    if variance is None:
        variance = squares / d
    variance = torch.as_tensor(variance, dtype=x.dtype, device=x.device)
    return (squares / variance + d * (2 * math.pi * variance).log()) / 2
