"""Locality preserving: samples that are neighbours in the input shall be neighbours in the code."""

from __future__ import annotations

import math
from numbers import Real

import torch
from torch import Tensor

from dclib import check


def nearest_neighbours(x: Tensor, n_neighbors: int, chunk: int = 1024) -> tuple[Tensor, Tensor]:
    """Find the nearest neighbours of every sample among all others.

    Shapes: x (n, ...), flattened to rows; c = n_neighbors, from 1 to n - 1. Returns the row
    numbers (n, c), nearest first, and the squared distances (n, c), in squared units of x. A
    sample is no neighbour of itself, its exact copy is one; of two equally far, that of the lower
    number comes first. All n^2 distances are computed, `chunk` rows at a time, so that memory grows
    as chunk * n.

    >>> x = torch.tensor([[0.0], [1.0], [5.0]])
    >>> neighbours, distances = nearest_neighbours(x, n_neighbors=1)
    >>> neighbours.flatten().tolist(), distances.flatten().tolist()
    ([1, 0, 1], [1.0, 1.0, 16.0])
    """
    if x.ndim < 2:
        raise ValueError(f"x has shape {tuple(x.shape)}, expected (n, d) or more dimensions")
    n = len(x)
    if not check.is_whole(n_neighbors) or not 1 <= n_neighbors < n:
        raise ValueError(
            f"n_neighbors={n_neighbors!r}, expected a whole number from 1 to {n - 1}: "
            f"x has {n} rows, and none is its own neighbour"
        )
    x = x.detach().flatten(1)
    centered = x - x.mean(0)  # the square of the difference, multiplied out, loses fewer digits
    norms = centered.square().sum(1)
    found, squared = [], []
    for rows in torch.arange(n, device=x.device).split(chunk):
        distances = norms[rows, None] - 2 * centered[rows] @ centered.T + norms
        distances[torch.arange(len(rows), device=x.device), rows] = math.inf
        # rounding may swap those almost equally far: take more, in order, and measure exactly
        near = distances.topk(min(2 * n_neighbors + 8, n - 1), largest=False).indices.sort(1).values
        exact = torch.stack([(x[rows] - x[column]).square().sum(1) for column in near.T], dim=1)
        exact, order = exact.sort(dim=1, stable=True)
        found.append(near.gather(1, order)[:, :n_neighbors])
        squared.append(exact[:, :n_neighbors])
    return torch.cat(found), torch.cat(squared)


def heat_kernel(squared: Tensor, width: float | None = None) -> Tensor:
    """Weights exp(-squared / width) of neighbours, from their squared distances.

    Shapes: squared (n, c), at least 0; width above 0, in the units of `squared`, or None for the
    median of `squared`, which makes half of the weights larger than 1/e. Returns weights (n, c)
    in [0, 1], a constant. Source: Belkin and Niyogi 2003 (Laplacian eigenmaps), Sec. 2, their
    t = width; DEN takes it over; the width from the data is ours.

    >>> heat_kernel(torch.tensor([[0.0, 2.0]]), width=2.0)
    tensor([[1.0000, 0.3679]])
    """
    squared = squared.detach()
    if width is None:
        # all distances 0: the limit of a small width, weight 1 for copies and 0 for the rest
        return torch.exp(-squared / squared.median().clamp_min(torch.finfo(squared.dtype).tiny))
    if not isinstance(width, Real | Tensor) or not 0 < width < math.inf:
        raise ValueError(f"width={width!r}, expected a finite number above 0, or None")
    return torch.exp(-squared / width)


def locality_loss(z: Tensor, z_near: Tensor, weights: Tensor) -> Tensor:
    """Weighted squared distance of each code to the codes of its neighbours.

    Shapes: z (n, m), z_near (n, c, m) the codes of each sample's c neighbours, weights (n, c) of
    at least 0, a constant. Returns the sum over the neighbours, mean over the n samples, in
    [0, inf), in squared units of z; the gradient flows into both ends of a pair. On all samples it
    is `locality_loss(z, z[neighbours], weights)`, on a batch of rows i `z_near` is the encoder's
    answer to `x[neighbours[i]]`. Source: Huang et al. 2014 (DEN), the locality-preserving term,
    with a mean over samples where the paper has a sum.

    >>> z, near = torch.tensor([[0.0], [2.0]]), torch.tensor([[1], [0]])
    >>> locality_loss(z, z[near], weights=torch.tensor([[1.0], [0.5]]))
    tensor(3.)
    """
    check.matrices(z=z)
    expected = (*weights.shape, z.shape[1])
    if weights.ndim != 2 or len(weights) != len(z) or z_near.shape != expected:
        raise ValueError(
            f"z has shape {tuple(z.shape)}, z_near {tuple(z_near.shape)}, weights "
            f"{tuple(weights.shape)}; expected (n, m), (n, c, m) and (n, c)"
        )
    squared = (z[:, None] - z_near).square().sum(2)
    return (weights.detach() * squared).sum(1).mean()


def orthonormal(z: Tensor) -> Tensor:
    """Turn and stretch codes so that their columns are orthonormal: mean of z z^T = identity.

    Shapes: z (n, m), of rank m. Returns z R (n, m) with an upper triangular R (m, m), such that
    Z^T Z / n = I; the mean is not subtracted. ValueError where the columns of z depend on each
    other, so always for n < m. Source: Shaham et al. 2018 (SpectralNet), the layer that follows
    the network, by Cholesky's factor as there.

    >>> orthonormal(torch.tensor([[3.0], [4.0]])).square().mean()
    tensor(1.)
    """
    check.matrices(z=z)
    gram = z.T @ z / len(z)
    factor, failed = torch.linalg.cholesky_ex(gram)
    least = 8 * torch.finfo(z.dtype).eps * gram.detach().diagonal()
    if failed or (factor.detach().diagonal().square() <= least).any():
        raise ValueError(
            f"the {z.shape[1]} columns of z {tuple(z.shape)} depend on each other, "
            "expected codes of full rank"
        )
    return torch.linalg.solve_triangular(factor, z.T, upper=False).T
