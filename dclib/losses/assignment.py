"""Losses on the assignment of codes to clusters: k-means, hardening, balance."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dclib import check


def kmeans_loss(z: Tensor, centers: Tensor, labels: Tensor) -> Tensor:
    """Squared distance of each code to the center of its own cluster.

    Shapes: z (n, m), centers (k, m), labels (n,) whole numbers 0..k-1. Returns the mean over the
    n samples, in [0, inf), in squared units of z. Source: Yang et al. 2017 (DCN), second term
    of the objective without its factor lambda / 2, and a mean where the paper has a sum.

    >>> z, centers = torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0], [4.0]])
    >>> kmeans_loss(z, centers, torch.tensor([0, 1]))
    tensor(0.5000)
    """
    check.same_width(z=z, centers=centers)
    if labels.shape != z.shape[:1]:
        raise ValueError(f"labels have shape {tuple(labels.shape)}, expected ({len(z)},)")
    return (z - centers[labels]).square().sum(1).mean()


def assignment_kl(p: Tensor, q: Tensor) -> Tensor:
    """Kullback-Leibler divergence KL(P || Q) of soft assignments q from their targets p.

    Shapes: p and q (n, k), rows sum to 1; p is a constant, no gradient flows into it. Returns the
    mean over the n samples, in [0, inf), in nats. Source: Xie et al. 2016 (DEC), Eq. 2, divided
    by n so that it does not grow with the batch.

    >>> assignment_kl(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.5]]))
    tensor(0.6931)
    """
    check.same_shape(p=p, q=q)
    p = p.detach()
    return (torch.xlogy(p, p) - p * _log(q)).sum(1).mean()  # Eq. 2


def balance_kl(q: Tensor, prior: Tensor | None = None) -> Tensor:
    """Divergence KL(mean of q || prior) of the cluster sizes from their expected sizes.

    Shapes: q (n, k), rows sum to 1; prior (k,), sums to 1, uniform if None. Returns one number in
    [0, inf), in nats; for the uniform prior it is log k minus the entropy of the sizes. Source:
    Ghasedi Dizaji et al. 2017 (DEPICT), the second term of the objective.

    >>> balance_kl(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    tensor(0.)
    """
    check.matrices(q=q)
    sizes = q.mean(0)
    if prior is None:
        return (sizes * _log(sizes)).sum() + math.log(len(sizes))
    check.same_shape(prior=prior, sizes=sizes)
    return (sizes * (_log(sizes) - _log(prior))).sum()


def _log(probability: Tensor) -> Tensor:
    return probability.clamp_min(torch.finfo(probability.dtype).tiny).log()
