"""The k-means loss, hard and soft, and the center update of deep k-means methods."""

from __future__ import annotations

import math

from torch import Tensor

from dclib import check


def kmeans_loss(z: Tensor, centers: Tensor, labels: Tensor) -> Tensor:
    """Squared distance of each code to the center of its own cluster.

    Shapes: z (n, m), centers (k, m), labels (n,) whole numbers 0..k-1. Returns the mean over the
    n samples, in [0, inf), in squared units of z. Source: Yang et al. 2017 (DCN), second term
    of the objective without its factor lambda / 2, and a mean where the paper has a sum.

    >>> import torch
    >>> z, centers = torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0], [4.0]])
    >>> kmeans_loss(z, centers, torch.tensor([0, 1]))
    tensor(0.5000)
    """
    check.same_width(z=z, centers=centers)
    check.labels(labels, len(z), len(centers))
    return (z - centers[labels]).square().sum(1).mean()


def soft_kmeans_loss(z: Tensor, centers: Tensor, temperature: float) -> Tensor:
    """Squared distance of each code to every center, weighted by a softmax of the distances.

    Shapes: z (n, m), centers (k, m); temperature above 0, in squared units of z. Returns the mean
    over the n samples, in [0, inf), in squared units of z. It is never below `kmeans_loss` with
    the nearest centers as labels, tends to it as the temperature falls, and to the mean over all
    k centers as it rises. The gradient passes through the softmax too. Source: Moradi Fard et al.
    2020 (deep k-means), whose alpha is 1 / temperature.

    >>> import torch
    >>> z, centers = torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0], [4.0]])
    >>> [round(soft_kmeans_loss(z, centers, t).item(), 3) for t in (0.1, 10.0, 1e6)]
    [0.5, 3.169, 6.5]
    """
    check.same_width(z=z, centers=centers)
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature={temperature!r}, expected a finite number above 0")
    distance = (z[:, None, :] - centers).square().sum(2)
    share = (-distance / temperature).softmax(1)
    return (share * distance).sum(1).mean()


def update_centers(
    centers: Tensor, counts: Tensor, z: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Move each center to the mean of all codes it was ever given, the present batch included.

    Shapes: centers (k, m), counts (k,) floats of at least 0, z (n, m), labels (n,) whole numbers
    0..k-1. Returns new centers and new counts, without gradients; a center that got no code stays
    where it is. Raises ValueError for whole-number counts. Source: Yang et al. 2017 (DCN), who
    take the samples of a batch one by one, center += (z_i - center) / count; the result is the
    same. Their counts start at 100, so that the first codes hardly move a center.

    >>> import torch
    >>> centers, counts = torch.tensor([[0.0], [9.0]]), torch.tensor([1.0, 1.0])
    >>> update_centers(centers, counts, torch.tensor([[3.0], [6.0]]), torch.tensor([0, 0]))
    (tensor([[3.],
            [9.]]), tensor([3., 1.]))
    """
    check.same_width(z=z, centers=centers)
    check.labels(labels, len(z), len(centers))
    if counts.shape != centers.shape[:1]:
        raise ValueError(f"counts have shape {tuple(counts.shape)}, expected ({len(centers)},)")
    if not counts.is_floating_point():
        raise ValueError(f"counts are {counts.dtype}, expected floats: 1 / count is a step size")
    centers, z = centers.detach(), z.detach()
    members = counts.new_zeros(len(centers)).index_add(0, labels, counts.new_ones(len(z)))
    pull = centers.new_zeros(centers.shape).index_add(0, labels, z - centers[labels])
    new_counts = counts + members
    step = pull / new_counts.clamp_min(1)[:, None]  # a batch with a member counts at least 1
    return centers + step, new_counts
