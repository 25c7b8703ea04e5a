"""Losses on pairs of samples: are these two in the same cluster?"""

from __future__ import annotations

import torch
from torch import Tensor

from dclib import check

_TOLERANCE = 1e-3  # how far a length may be from 1, also in float32 or after float16


def label_features(scores: Tensor) -> Tensor:
    """Turn scores into label features: non-negative rows of length 1.

    Shapes: scores (n, k), any real numbers. Returns (n, k); the product of two rows is the cosine
    of their angle, in [0, 1]. Source: Chang et al. 2017 (DAC), the constraint on the label
    features, met as in its code by a softmax and a division by the Euclidean length.

    >>> label_features(torch.tensor([[0.0, 0.0]]))
    tensor([[0.7071, 0.7071]])
    """
    check.matrices(scores=scores)
    q = scores.softmax(1)
    return q / torch.linalg.vector_norm(q, dim=1, keepdim=True)


def pair_thresholds(t: float) -> tuple[float, float]:
    """Upper and lower threshold at the progress t: the upper one falls, the lower one rises.

    t goes from 0 to 1; upper from 0.95 to 0.5, lower from 0.455 to 0.5. At the end they meet and
    every pair is used. Source: Chang et al. 2017 (DAC), u = 0.95 - lambda and l = 0.455 + 0.1
    lambda; their lambda grows by equal steps until the two meet, at 0.45. It is 0.45 t here.

    >>> pair_thresholds(0)
    (0.95, 0.455)
    """
    if not 0 <= t <= 1:
        raise ValueError(f"t={t!r}, expected a number from 0 to 1")
    return 0.5 + 0.45 * (1 - t), 0.5 - 0.045 * (1 - t)


def select_pairs(features: Tensor, upper: float, lower: float) -> tuple[Tensor, Tensor]:
    """Choose the pairs of which the features are sure: the similar ones and the dissimilar ones.

    Shapes: features (n, k), non-negative rows of length 1. Returns two symmetric (n, n) matrices
    of True and False: product of at least `upper`, product below `lower`. The pairs between the
    thresholds and those of a sample with itself are in neither. Source: Chang et al. 2017 (DAC),
    the definition of r_ij and v_ij.

    >>> features = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    >>> similar, dissimilar = select_pairs(features, upper=0.9, lower=0.5)
    >>> [int(chosen.sum()) // 2 for chosen in (similar, dissimilar)]  # 0.6 and 0.8: not sure
    [1, 2]
    """
    _check_features(features=features)
    if not 0 <= lower <= upper <= 1:
        raise ValueError(f"upper={upper!r} and lower={lower!r}, expected 0 <= lower <= upper <= 1")
    features = features.detach()
    similarity = features @ features.T
    itself = torch.eye(len(features), dtype=torch.bool, device=features.device)
    return (similarity >= upper) & ~itself, (similarity < lower) & ~itself


def pair_loss(
    features: Tensor, upper: float, lower: float, selected_by: Tensor | None = None
) -> Tensor:
    """Cross-entropy of the similarity of two samples with "same cluster" or "another cluster".

    Shapes: features (n, k), non-negative rows of length 1, see `label_features`. The pairs are
    chosen by `select_pairs`, on `selected_by` (n, k), the features themselves if None: those of
    the clean samples, say, where `features` are those of changed copies. The choice is a constant,
    no gradient flows into it. Returns the mean over the pairs chosen, in [0, inf), in nats; 0
    where none is chosen. Takes n^2 numbers. Source: Chang et al. 2017 (DAC), the first term of
    the objective, with a mean where the paper has a sum, and without a sample's pair with itself,
    which adds 0.

    >>> features = torch.tensor([[1.0, 0.0], [0.8, 0.6]])
    >>> pair_loss(features, upper=0.7, lower=0.3)  # -log 0.8
    tensor(0.2231)
    """
    selected_by = features if selected_by is None else selected_by
    _check_features(features=features)
    check.same_shape(features=features, selected_by=selected_by)
    similar, dissimilar = select_pairs(selected_by, upper, lower)
    chosen = similar | dissimilar
    similarity = features @ features.T
    agreement = torch.where(similar, similarity, 1 - similarity)
    agreement = agreement.clamp_min(torch.finfo(features.dtype).eps)
    return -(agreement.log() * chosen).sum() / chosen.sum().clamp_min(1)  # NaN stays NaN


def _check_features(**tensors: Tensor) -> None:
    check.matrices(**tensors)
    for name, features in tensors.items():
        if features.device.type != "cpu" or not features.numel():
            continue  # on a GPU, looking would stall every step
        lengths = torch.linalg.vector_norm(features.detach(), dim=1)
        shortest, longest, least = (
            v.item() for v in (lengths.min(), lengths.max(), features.min())
        )
        off = max(abs(shortest - 1), abs(longest - 1))  # NaN passes: `descend` names it better
        if off >= _TOLERANCE or least < 0:
            raise ValueError(
                f"{name} has rows of length {shortest:.3g} to {longest:.3g}, smallest number "
                f"{least:.3g}; expected length 1 and nothing below 0, see label_features"
            )
