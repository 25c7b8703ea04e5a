"""The halves of the evidence lower bound: a reconstruction in nats, and divergences from priors."""

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


def mixture_kl(
    mean: Tensor,
    log_var: Tensor,
    gamma: Tensor,
    means: Tensor,
    log_vars: Tensor,
    log_pi: Tensor,
    free_nats: float = 0.0,
) -> Tensor:
    """Divergence of the posteriors of code and cluster from a mixture of Gaussians as their prior.

    Shapes: mean and log_var (n, m) of the posteriors of the codes; gamma (n, k), those of the
    clusters, rows sum to 1; means and log_vars (k, m), or (n, k, m) where each sample has a prior
    of its own; log_pi (k,), the logarithms of shares that sum to 1. Returns the mean over the n
    samples of KL(N(mean, var) gamma || pi N(means, vars)), in [0, inf), in nats; the part of the
    clusters, KL(gamma || pi), counts as no less than `free_nats` on the mean. A gradient flows
    into all. Source: Jiang et al. 2017 (VaDE), the terms of the bound other than the
    reconstruction, times -1, where the released code counts log_pi once for each of the m numbers
    of a code; and Dilokthanakul et al. 2016 (GMVAE), the priors of x and z (our z and cluster),
    the second with their minimum information.

    >>> one = torch.zeros(1, 1)
    >>> mixture_kl(one + 2, one, one + 1, means=one, log_vars=one, log_pi=one[0])
    tensor(2.)
    """
    check.matrices(mean=mean)
    check.same_shape(mean=mean, log_var=log_var)
    check.same_shape(means=means, log_vars=log_vars)
    (n, m), k = mean.shape, len(log_pi)
    if means.shape not in ((k, m), (n, k, m)) or gamma.shape != (n, k):
        found = f"means {tuple(means.shape)}, gamma {tuple(gamma.shape)}"
        expected = f"means ({k}, {m}) or ({n}, {k}, {m}), gamma ({n}, {k})"
        raise ValueError(f"shapes: {found}; expected {expected}")
    spread = (mean[:, None] - means).square() + log_var.exp()[:, None]  # (n, k, m)
    to_component = (spread / log_vars.exp() + log_vars - log_var[:, None] - 1).sum(2) / 2
    to_shares = gamma * (gamma.clamp_min(torch.finfo(gamma.dtype).tiny).log() - log_pi)
    return (gamma * to_component).sum(1).mean() + to_shares.sum(1).mean().clamp_min(free_nats)


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


NLL = {"gaussian": gaussian_nll, "bernoulli": bernoulli_nll}  # by the setting `likelihood`
