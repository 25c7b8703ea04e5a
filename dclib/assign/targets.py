"""Targets: from soft assignments to the assignments that training should move towards."""

from __future__ import annotations

import torch
from torch import Tensor

from dclib import check


def sharpen(q: Tensor, power: float = 2.0) -> Tensor:
    """Raise assignments to a power and divide by the cluster sizes: DEC's target distribution.

    Shapes: q (n, k), rows sum to 1, over ALL n samples: the sizes of a batch are too noisy.
    Returns p (n, k), rows sum to 1; the column of an empty cluster stays 0. The power is above 0;
    1 only balances, above 1 it sharpens. Source: Xie et al. 2016 (DEC), Eq. 3, where it is 2.

    >>> sharpen(torch.tensor([[0.8, 0.2], [0.2, 0.8]]))
    tensor([[0.9412, 0.0588],
            [0.0588, 0.9412]])
    """
    check.matrices(q=q)
    if power <= 0:
        raise ValueError(f"power={power!r}, expected a number above 0")
    size = q.sum(0).clamp_min(torch.finfo(q.dtype).tiny)  # f_j; where it is 0, 0 / tiny is 0
    weight = q.pow(power) / size  # Eq. 3
    return weight / weight.sum(1, keepdim=True)


def boost(q: Tensor, power: float = 2.0) -> Tensor:
    """Raise assignments to a power, then divide by the sums of these: DBC's boosted target.

    Shapes: q (n, k), rows sum to 1, over ALL n samples. Returns (n, k), rows sum to 1; the column
    of an empty cluster stays 0. The power is above 0. The sizes count confident members more than
    `sharpen`'s do: a cluster of doubtful members is small here and its members get a larger share.
    Source: Li, Qiao and Zhang 2018 (DBC), the target r of its self-training.

    >>> boost(torch.tensor([[0.8, 0.2], [0.2, 0.8]]))
    tensor([[0.9412, 0.0588],
            [0.0588, 0.9412]])
    """
    check.matrices(q=q)
    if power <= 0:
        raise ValueError(f"power={power!r}, expected a number above 0")
    log_q = q.clamp_min(torch.finfo(q.dtype).tiny).log()
    score = (power * log_q).where(q > 0, -torch.inf)  # 0.1 to the power of 50 is 0 in float32
    size = score.logsumexp(0)
    return (score - size.where(size > -torch.inf, 0)).softmax(1)


def balance(q: Tensor) -> Tensor:
    """Divide assignments by the root of the cluster sizes: DEPICT's target distribution.

    Shapes: q (n, k), rows sum to 1, over all n samples. Returns (n, k), rows sum to 1; the column
    of an empty cluster stays 0. It moves mass from large clusters to small ones and does not
    sharpen. Source: Ghasedi Dizaji et al. 2017 (DEPICT), the closed form of Q; their released
    code uses DEC's target instead.

    >>> balance(torch.tensor([[0.5, 0.5], [0.5, 0.5]])).tolist()[0]
    [0.5, 0.5]
    """
    check.matrices(q=q)
    size = q.sum(0).clamp_min(torch.finfo(q.dtype).tiny)  # where it is 0, 0 / tiny is 0
    weight = q / size.sqrt()
    return weight / weight.sum(1, keepdim=True)


def sinkhorn(scores: Tensor, epsilon: float = 0.05, iterations: int = 3) -> Tensor:
    """Turn scores into assignments whose clusters are of equal size, by Sinkhorn's iteration.

    Shapes: scores (n, k), any real numbers. Returns (n, k), rows sum to 1, columns to nearly
    n / k (exactly as the iterations grow). A smaller epsilon gives harder assignments. Source:
    Caron et al. 2020 (SwAV), Sec. 3, in logarithms so that a small epsilon does not overflow.

    >>> sinkhorn(torch.tensor([[1.0, 0.0], [0.0, 1.0]])).round().tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    check.matrices(scores=scores)
    if epsilon <= 0:
        raise ValueError(f"epsilon={epsilon!r}, expected a number above 0")
    if not check.is_whole(iterations) or iterations < 1:
        raise ValueError(f"iterations={iterations!r}, expected a whole number of at least 1")
    log_q = scores / epsilon
    for _ in range(iterations):
        log_q = log_q - torch.logsumexp(log_q, 0)  # every cluster gets the same mass
        log_q = log_q - torch.logsumexp(log_q, 1, keepdim=True)  # every sample gets mass 1
    return log_q.exp()
