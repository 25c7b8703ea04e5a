"""Soft assignments: from codes and centers to probabilities over the clusters."""

from __future__ import annotations

import math

from torch import Tensor

from dclib import check


def squared_distances(z: Tensor, centers: Tensor) -> Tensor:
    """Squared distance of each code to each center.

    Shapes: z (n, m), centers (k, m). Returns (n, k) in [0, inf).

    >>> import torch
    >>> squared_distances(torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0]])).tolist()
    [[1.0], [9.0]]
    """
    check.same_width(z=z, centers=centers)
    return (z[:, None, :] - centers).square().sum(2)  # exact at 0, unlike |z|^2 - 2 z c + |c|^2


def student_t(z: Tensor, centers: Tensor, nu: float = 1.0) -> Tensor:
    """Probability of each cluster under Student's t with `nu` degrees of freedom.

    Shapes: z (n, m), centers (k, m). Returns q (n, k), rows sum to 1. Source: Xie et al. 2016
    (DEC), Eq. 1, where nu is called alpha and is 1.

    >>> import torch
    >>> student_t(torch.tensor([[0.0]]), torch.tensor([[0.0], [1.0]]))
    tensor([[0.6667, 0.3333]])
    """
    similarity = (1 + squared_distances(z, centers) / nu).pow(-(nu + 1) / 2)  # Eq. 1
    return similarity / similarity.sum(1, keepdim=True)


def softmax(z: Tensor, centers: Tensor, sharpness: float = 1.0) -> Tensor:
    """Probability of each cluster as a softmax of minus `sharpness` times the squared distance.

    Shapes: z (n, m), centers (k, m). Returns q (n, k), rows sum to 1. It tends to k-means' hard
    assignment as the sharpness grows. Source: Moradi Fard et al. 2020 (deep k-means), whose
    alpha is our sharpness.

    >>> import torch
    >>> softmax(torch.tensor([[0.0]]), torch.tensor([[0.0], [1.0]]), sharpness=100).round().tolist()
    [[1.0, 0.0]]
    """
    return (-sharpness * squared_distances(z, centers)).softmax(1)


def mixture(z: Tensor, means: Tensor, variances: Tensor, weights: Tensor) -> Tensor:
    """Responsibility of each component of a diagonal Gaussian mixture for each code.

    Shapes: z (n, m), means and variances (k, m), or (n, k, m) where each code has a mixture of its
    own, weights (k,), which sum to 1. Returns (n, k), rows sum to 1, computed in logarithms so
    that far codes do not underflow. Source: Bishop 2006, Eq. 9.23; in deep clustering Jiang et al.
    2017 (VaDE), gamma.

    >>> import torch
    >>> one, half = torch.ones(2, 1), torch.full((2,), 0.5)
    >>> mixture(torch.tensor([[0.0]]), torch.tensor([[0.0], [100.0]]), one, half).tolist()
    [[1.0, 0.0]]
    """
    check.matrices(z=z)
    check.same_shape(means=means, variances=variances)
    (n, m), k = z.shape, len(weights)
    if means.shape not in ((k, m), (n, k, m)) or weights.ndim != 1:
        found = f"means {tuple(means.shape)}, weights {tuple(weights.shape)}"
        raise ValueError(f"shapes: {found}; expected (k, {m}) or ({n}, k, {m}), and (k,)")
    distance = (z[:, None, :] - means).square() / variances
    log_density = -0.5 * (distance + variances.log() + math.log(2 * math.pi)).sum(2)
    return (weights.log() + log_density).softmax(1)
