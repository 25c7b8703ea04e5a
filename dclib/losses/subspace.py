"""Self-expression: every code as a combination of the other codes of its own subspace."""

from __future__ import annotations

import torch
from torch import Tensor

from dclib import check


def self_expression(
    z: Tensor, c: Tensor, penalty: float = 0.1, power: int = 1, zero_diagonal: bool = True
) -> Tensor:
    """Squared error of rebuilding each code from the others, plus a penalty on the coefficients.

    Shapes: z (n, m), c (n, n): row i of c rebuilds code i, z ~ c z. `power` 1 penalises
    |c_ii'|, which leaves few of them, 2 penalises c_ii'^2. With `zero_diagonal` the diagonal of c
    counts as 0 and gets no gradient: no code may rebuild itself. Returns the mean over the n
    samples of |z_i - (c z)_i|^2 + penalty sum_i' |c_ii'|^power, in [0, inf), in squared units of z.

    Source: Elhamifar and Vidal 2013 (power 1), Ji et al. 2017 (DSC-Nets, both powers), who have
    samples as columns, Z ~ Z C, sums over samples and lambda_1, lambda_2: up to the factor
    lambda_2 n / 2 theirs is ours with penalty = 2 lambda_1 / lambda_2.

    >>> z, swap = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0, 0.5], [2.0, 0.0]])
    >>> self_expression(z, swap)  # no error; coefficients 0.5 and 2
    tensor(0.1250)
    """
    _coefficients(z, c)
    _settings(penalty, power)
    if zero_diagonal:
        c = c - c.diagonal().diag()
    error = (z - c @ z).square().sum(1)
    size = c.abs() if power == 1 else c.square()
    return (error + penalty * size.sum(1)).mean()


def ridge_expression(z: Tensor, penalty: float = 0.1, zero_diagonal: bool = True) -> Tensor:
    """Coefficients that minimise `self_expression` with power 2, in closed form.

    Shapes: z (n, m). Returns c (n, n); a constant, no gradient flows into z. With `zero_diagonal`
    each row is the ridge regression of a code on all others, without it c is symmetric and the
    penalty alone keeps it from the identity. Takes n^2 memory and n^3 time; computed in float64,
    because the inverse of a nearly singular matrix is noise in float32.

    Source: Lu et al. 2012 (least squares regression), who have samples as columns.

    >>> ridge_expression(torch.tensor([[1.0], [2.0]]), penalty=1.0)
    tensor([[0.0000, 0.4000],
            [1.0000, 0.0000]])
    """
    check.matrices(z=z)
    _settings(penalty, power=2)
    rows = z.detach().double()
    one = torch.eye(len(rows), dtype=rows.dtype, device=rows.device)
    inverse = torch.linalg.inv(rows @ rows.T + penalty * one)
    if zero_diagonal:
        return (one - inverse / inverse.diagonal()[:, None]).to(z.dtype)
    return (one - penalty * inverse).to(z.dtype)


def self_expression_affinity(c: Tensor) -> Tensor:
    """Affinity |c| + |c| transposed of a spectral clustering, made from coefficients.

    Shapes: c (n, n), row i rebuilds code i. Returns (n, n), symmetric, not below 0, with a diagonal
    of 0. Source: Elhamifar and Vidal 2013, Algorithm 1, who first divide each sample's
    coefficients by their largest.

    >>> self_expression_affinity(torch.tensor([[9.0, -1.0], [2.0, 9.0]]))
    tensor([[0., 3.],
            [3., 0.]])
    """
    check.square(c=c)
    size = (c - c.diagonal().diag()).abs()
    return size + size.T


def _coefficients(z: Tensor, c: Tensor) -> None:
    check.matrices(z=z)
    if not len(z):
        raise ValueError(f"z has shape {tuple(z.shape)}, expected at least one sample")
    check.square(c=c)
    if len(c) != len(z):
        raise ValueError(
            f"c has shape {tuple(c.shape)}, expected ({len(z)}, {len(z)}): a row and a column for "
            "each sample of z"
        )


def _settings(penalty: float, power: int) -> None:
    if not penalty > 0:
        raise ValueError(f"penalty={penalty!r}, expected a number above 0")
    if power not in (1, 2):
        raise ValueError(f"power={power!r}, expected 1 or 2")
