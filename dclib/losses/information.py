"""Losses on how much the cluster tells of the sample: entropy and mutual information."""

from __future__ import annotations

import math
from numbers import Real

import torch
from torch import Tensor

from dclib import check


def entropy(q: Tensor) -> Tensor:
    """Entropy of each distribution: how undecided it is.

    Shapes: q (..., k), sums to 1 over its last dimension. Returns (...), in [0, log k], in nats;
    for soft assignments (n, k) the mean of the n entropies is the conditional entropy H(Y | X).
    At a probability of 0 the gradient stays finite, unlike that of `torch.special.entr`.

    >>> entropy(torch.tensor([[0.5, 0.5], [1.0, 0.0]]))
    tensor([0.6931, 0.0000])
    """
    if not q.ndim:
        raise ValueError("q is a single number, expected probabilities along a dimension")
    return (q * -q.clamp_min(torch.finfo(q.dtype).tiny).log()).sum(-1)


def mutual_information(q: Tensor, balance: float = 1.0) -> Tensor:
    """Information that cluster and sample hold of each other; to be MAXIMISED.

    Shapes: q (n, k), rows sum to 1, a batch with many samples a cluster: the first term is too
    small in small ones. Returns `balance` * H(mean of q) - mean of H(q_i), in nats; for balance 1
    the mutual information I(X; Y), in [0, log k]. Source: Krause et al. 2010 (RIM), the objective
    without its penalty on the weights; the code of Hu et al. 2017 (IMSAT) has balance 4, and
    penalises by self-augmentation.

    >>> certain = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> mutual_information(certain), mutual_information(torch.full((2, 2), 0.5))
    (tensor(0.6931), tensor(0.))
    """
    check.matrices(q=q)
    if not isinstance(balance, Real) or isinstance(balance, bool) or not 0 <= balance < math.inf:
        raise ValueError(f"balance={balance!r}, expected a finite number of at least 0")
    return balance * entropy(q.mean(0)) - entropy(q).mean()
