"""Losses that take a clustering for labels: classify pseudo-labels, and follow drifting codes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from dclib import check


def pseudo_label_loss(
    logits: Tensor,
    labels: Tensor,
    sizes: Tensor | None = None,
    confidence: Tensor | None = None,
    threshold: float = 0.99,
) -> Tensor:
    """Cross-entropy of predicted clusters with pseudo-labels, as if these were true labels.

    Shapes: logits (n, k), any real numbers; labels (n,) whole numbers 0..k-1, constants. Returns
    the mean over the samples, in [0, inf), in nats. With `sizes` (k,), the number of samples of
    each cluster among ALL samples, those of cluster j weigh in proportion to 1 / sizes_j, so that
    each cluster in use counts the same; over all samples the weights are 1 on average. With
    `confidence` (n,), only samples above `threshold` take part, in the mean too (sizes are then
    those of all that take part); 0 where there is none. Raises ValueError for other shapes, and
    on the CPU for labels outside 0..k-1 and for an occurring cluster of size 0.

    Source: Hsu and Lin 2018 (CCNN), cluster classification; Caron et al. 2018 (DeepCluster), who
    draw samples uniformly over the clusters where we weigh them; Van Gansbeke et al. 2020 (SCAN),
    the threshold of 0.99.

    >>> logits = torch.tensor([[0.0, 0.0], [9.0, 0.0]])
    >>> pseudo_label_loss(logits, torch.tensor([0, 0]))
    tensor(0.3466)
    >>> pseudo_label_loss(logits, torch.tensor([0, 1]), confidence=torch.tensor([1.0, 0.6]))
    tensor(0.6931)
    """
    check.matrices(logits=logits)
    check.labels(labels, *logits.shape)
    loss = cross_entropy(logits, labels, reduction="none")
    takes_part = torch.ones_like(labels, dtype=torch.bool)
    if confidence is not None:
        if confidence.shape != labels.shape:
            found = f"confidence has shape {tuple(confidence.shape)}"
            raise ValueError(f"{found}, expected ({len(labels)},)")
        takes_part = confidence > threshold
    weight = takes_part.to(logits)
    if sizes is not None:
        weight = weight * _weights(sizes.to(logits), labels, takes_part, logits.shape[1])
    return (weight * loss).sum() / takes_part.sum().clamp_min(1)


def compensate_drift(centers: Tensor, before: Tensor, after: Tensor, labels: Tensor) -> Tensor:
    """Move each center by the mean displacement of its samples, after the network has changed.

    Shapes: centers (k, m); before and after (n, m), the codes of the same samples under the old
    and the new network; labels (n,) whole numbers 0..k-1, their clusters under the old one.
    Returns centers (k, m), without gradient; one without a sample stays. Raises ValueError for
    other shapes, and on the CPU for labels outside 0..k-1.

    Source: the idea is that of Hsu and Lin 2018 (CCNN), feature drift compensation; the formula
    is ours.

    >>> centers, before = torch.tensor([[1.0], [7.0]]), torch.tensor([[0.0], [2.0]])
    >>> compensate_drift(centers, before, before + 3, torch.tensor([0, 0])).tolist()
    [[4.0], [7.0]]
    """
    check.same_width(centers=centers, before=before)
    check.same_shape(before=before, after=after)
    check.labels(labels, len(before), len(centers))
    with torch.no_grad():
        total = torch.zeros_like(centers).index_add_(0, labels, (after - before).to(centers))
        count = torch.bincount(labels, minlength=len(centers))
        return centers + total / count.clamp_min(1)[:, None]


def _weights(sizes: Tensor, labels: Tensor, takes_part: Tensor, k: int) -> Tensor:
    if sizes.shape != (k,):
        raise ValueError(f"sizes have shape {tuple(sizes.shape)}, expected ({k},)")
    used = sizes > 0
    missing = takes_part & ~used[labels]
    if missing.device.type == "cpu" and missing.any():
        j = labels[missing][0].item()
        raise ValueError(f"sizes[{j}]={sizes[j].item():g} though {j} is a label, expected above 0")
    mean = sizes.sum() / used.sum().clamp_min(1)
    return torch.where(used, mean / sizes, 0)[labels]
