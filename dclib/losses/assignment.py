"""Losses on the assignment of codes to clusters: hardening, balance."""

from __future__ import annotations

import torch
from torch import Tensor

from dclib import check


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
    """Divergence KL(mean of q || prior) of the cluster shares from their expected shares.

    Shapes: q (n, k), rows sum to 1; prior (k,), a constant, at least 0, sums to 1; uniform if
    None. Returns one number in [0, inf), in nats; for the uniform prior it is log k minus the
    entropy of the shares. Source: Ghasedi Dizaji et al. 2017 (DEPICT), the second term of the
    objective, there on the target; here q may be the prediction as well.

    Raises ValueError for a prior that is no distribution (on the CPU; on a GPU looking at it
    would stall every step).

    >>> balance_kl(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    tensor(0.)
    """
    check.matrices(q=q)
    shares = q.mean(0)
    if prior is None:
        prior = torch.full_like(shares, 1 / len(shares))
    check.same_shape(prior=prior, shares=shares)
    if prior.device.type == "cpu" and not (prior.min() >= 0 and abs(prior.sum() - 1) <= 1e-4):
        low, total = prior.min().item(), prior.sum().item()
        raise ValueError(
            f"prior sums to {total:.4g}, its least number is {low:.4g}; "
            "expected numbers of at least 0 that sum to 1"
        )
    return (shares * (_log(shares) - _log(prior.detach()))).sum()


def _log(probability: Tensor) -> Tensor:
    return probability.clamp_min(torch.finfo(probability.dtype).tiny).log()
