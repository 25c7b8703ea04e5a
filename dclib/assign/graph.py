"""How DSC-Nets makes a graph of its coefficients."""

from __future__ import annotations

import torch
from torch import Tensor

from dclib import check


def keep_largest(c: Tensor, share: float) -> Tensor:
    """Keep the largest coefficients of each row until they make up a share of its absolute sum.

    Shapes: c (n, n), share from 0 to 1; returns (n, n), the others 0; the one that reaches the
    share is kept. Source: the released code of Ji et al. 2017 (DSC-Nets), which has samples as
    columns, and a share for each data set.

    >>> keep_largest(torch.tensor([[3.0, -2.0, 1.0]]).expand(3, 3), share=0.6)[0]
    tensor([ 3., -2.,  0.])
    """
    check.square(c=c)
    size, order = c.abs().sort(1, descending=True)
    before = size.cumsum(1) - size  # the sum of the larger ones
    kept = before < share * size.sum(1, keepdim=True)
    return torch.where(torch.zeros_like(kept).scatter(1, order, kept), c, 0)


def low_rank_affinity(c: Tensor, rank: int, power: float) -> Tensor:
    """Affinity from the angles between the samples in the largest directions of c.

    Shapes: c (n, n); rank from 1 to n, power above 0. Returns (n, n) in [0, 1], symmetric: the
    rows of U sqrt(S), from the singular values S of (c + c^T) / 2, are brought to length 1, and
    their products, those below 0 left out, raised to a power. Source: the released code of Ji et
    al. 2017 (DSC-Nets), with rank and power for each data set.

    >>> low_rank_affinity(torch.block_diag(torch.ones(2, 2), torch.ones(1, 1)), 2, 1.0).round()
    tensor([[1., 1., 0.],
            [1., 1., 0.],
            [0., 0., 1.]])
    """
    check.square(c=c)
    directions, sizes, _ = torch.linalg.svd((c + c.T) / 2)
    rows = directions[:, :rank] * sizes[:rank].sqrt()
    rows = torch.nn.functional.normalize(rows)
    affinity = (rows @ rows.T).clamp_min(0).pow(power)
    return (affinity + affinity.T) / (2 * affinity.max())
