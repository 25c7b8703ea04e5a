"""Maximum margin with pseudo-labels, and the Dirichlet process prior that leaves k open."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dclib import check


def margin_loss(z: Tensor, weights: Tensor, labels: Tensor, margin: float = 1.0) -> Tensor:
    """Multi-class hinge: by how much a code's own cluster fails to beat the best rival by a margin.

    Shapes: z (n, m), weights (k, m), labels (n,) whole numbers 0..k-1, pseudo-labels of any
    source. The score of a code in a cluster is w_j . z_i; for a bias append a 1 to each code.
    Returns the mean over the n samples of max(0, margin + best rival - own), in [0, inf), in units
    of the score; 0 for k = 1, where there is no rival. A cluster without members is a rival all
    the same. Add a penalty on |w_j|^2, otherwise long weights make every margin.

    Source: Crammer and Singer 2001, the loss of their multi-class machine; DNC (Chen 2015) trains
    weights and code by such a margin.

    >>> z, weights = torch.tensor([[2.0], [0.25]]), torch.tensor([[1.0], [-1.0]])
    >>> margin_loss(z, weights, torch.tensor([0, 0]))  # 2 beats -2; 0.25 beats -0.25 by 1/2
    tensor(0.2500)
    """
    check.same_width(z=z, weights=weights)
    check.labels(labels, len(z), len(weights))
    if not margin > 0:
        raise ValueError(f"margin={margin!r}, expected a number above 0")
    scores = z @ weights.T
    own = scores.gather(1, labels[:, None])
    rival = scores.scatter(1, labels[:, None], -math.inf).max(1, keepdim=True).values
    return (margin + rival - own).clamp_min(0).mean()


def crp_log_prior(labels: Tensor, concentration: float) -> Tensor:
    """Log-probability of a partition under the Chinese restaurant process.

    Shapes: labels (n,) whole numbers of at least 0, whose names do not matter. Returns one number
    in (-inf, 0], in nats, a float64 on the CPU: of the whole partition, not a mean over samples.
    The larger `concentration`, the more clusters are expected: the sum over i = 0..n-1 of
    concentration / (concentration + i).

    Source: Blackwell and MacQueen 1973, Antoniak 1974; the prior of DNC (Chen 2015).

    >>> crp_log_prior(torch.tensor([0, 0, 1]), concentration=1.0).exp()  # 1 * 1/2 * 1/3
    tensor(0.1667, dtype=torch.float64)
    """
    _concentration(concentration)
    if labels.ndim != 1 or labels.is_floating_point():
        raise ValueError(
            f"labels is {labels.dtype} of shape {tuple(labels.shape)}, expected whole numbers (n,)"
        )
    sizes = torch.bincount(labels.detach().cpu()).double()
    sizes = sizes[sizes > 0]
    opened = len(sizes) * math.log(concentration) + sizes.lgamma().sum()
    return opened + math.lgamma(concentration) - math.lgamma(concentration + len(labels))


@torch.no_grad()
def crp_assign(
    z: Tensor,
    weights: Tensor,
    labels: Tensor,
    concentration: float | None,
    precision: float,
) -> tuple[Tensor, Tensor]:
    """Let every sample in turn choose its cluster anew; clusters may close and new ones open.

    Shapes: z (n, m), weights (k, m), labels (n,). Sample i leaves its cluster and takes the best
    of log n_j + w_j . z_i over the clusters with n_j > 0 members and, for a new one,
    log concentration + |z_i|^2 / (2 precision); this is the score of the founder's own best weights
    z_i / precision under a Gaussian prior of that precision. Without members a cluster closes.
    `concentration` None drops the prior: n_j and the concentration count as 1.
    Returns labels (n,) in 0..k'-1 and weights (k', m), constants. With the prior, no choice lowers
    sum_i w_yi . z_i - precision / 2 sum_j |w_j|^2 + crp_log_prior(y). The order of rows matters.

    Source: the prior is that of DNC (Chen 2015); taking the best choice instead of drawing one,
    and the weights of a new cluster, are ours.

    >>> z, weights = torch.tensor([[1.0], [2.0], [-4.0]]), torch.tensor([[1.0]])
    >>> labels, weights = crp_assign(z, weights, torch.tensor([0, 0, 0]), 1.0, precision=2.0)
    >>> labels, weights
    (tensor([0, 0, 1]), tensor([[ 1.],
            [-2.]]))
    """
    check.same_width(z=z, weights=weights)
    check.labels(labels, len(z), len(weights))
    if concentration is not None:
        _concentration(concentration)
    if not 0 < precision < math.inf:
        raise ValueError(f"precision={precision!r}, expected a finite number above 0")
    codes, weights, labels = z.double().cpu(), weights.double().cpu(), labels.cpu().clone()
    scores, sizes = codes @ weights.T, torch.bincount(labels, minlength=len(weights)).double()
    fresh = codes.square().sum(1) / (2 * precision) + math.log(concentration or 1)
    for i, code in enumerate(codes):
        sizes[labels[i]] -= 1
        members = sizes if concentration is not None else sizes.clamp_max(1)
        choice = members.log() + scores[i]  # log 0 = -inf: a cluster without members is closed
        j = int(choice.argmax())
        if fresh[i] > choice[j]:
            j, founder = len(sizes), (code / precision)[None]
            weights = torch.cat([weights, founder])
            scores = torch.cat([scores, codes @ founder.T], 1)
            sizes = torch.cat([sizes, sizes.new_zeros(1)])
        sizes[j] += 1
        labels[i] = j
    used, labels = labels.unique(return_inverse=True)
    return labels.to(z.device), weights[used].to(z)


def _concentration(concentration: float) -> None:
    if not 0 < concentration < math.inf:
        raise ValueError(f"concentration={concentration!r}, expected a finite number above 0")
