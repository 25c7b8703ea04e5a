"""Losses on the code of an autoencoder that keep it from copying its input: few, or calm, units."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dclib import check


def sparsity_kl(activation: Tensor, share: float) -> Tensor:
    """Divergence of each unit's mean activity from the wanted one, summed over the units.

    Shapes: activation (n, m) in [0, 1], such as the output of a sigmoid; share in (0, 1). Returns
    sum_j KL(share || mean_j) between Bernoulli variables, mean_j over the n samples, in [0, inf),
    in nats. Source: the sparse autoencoder of Ng's lecture notes CS294A (Stanford 2011), which
    takes the mean over all samples; here it is that of the rows given.

    >>> sparsity_kl(torch.tensor([[0.0, 0.5], [1.0, 0.5]]), share=0.5)
    tensor(0.)
    """
    check.matrices(activation=activation)
    if not activation.numel():
        raise ValueError(f"activation has shape {tuple(activation.shape)}, expected some rows")
    if not 0 < share < 1:
        raise ValueError(f"share={share!r}, expected a number between 0 and 1")
    if activation.device.type == "cpu":  # on a GPU, looking would stall every step
        low, high = activation.min().item(), activation.max().item()
        if low < 0 or high > 1:
            raise ValueError(f"activation from {low:.3g} to {high:.3g}, expected within [0, 1]")
    active = activation.mean(0)
    wanted = torch.full_like(active, share)
    return (_divergence(wanted, active) + _divergence(1 - wanted, 1 - active)).sum()


def contractive(encoder: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Squared Frobenius norm of the encoder's Jacobian: how much the code moves with the input.

    Shapes: x (n, ...); encoder takes (n, ...) to codes (n, m), each row by itself (a module with
    batch normalisation: in eval mode). Returns the mean over the n samples of
    sum_jl (dz_j / dx_l)^2, in [0, inf), in squared units of z over x; exact, and as dear as m
    gradients. Source: Rifai et al. 2011, the penalty of the contractive autoencoder, with a mean
    over samples where the paper has a sum.

    >>> contractive(lambda x: 2 * x, torch.zeros(5, 3)).item()  # twos on the diagonal
    12.0
    """
    if not len(x):
        raise ValueError(f"x has shape {tuple(x.shape)}, expected at least one sample")
    with torch.enable_grad():
        x = x if x.requires_grad else x.detach().requires_grad_()
        z = encoder(x)
        check.matrices(codes=z)
        slopes = [torch.autograd.grad(z_j.sum(), x, create_graph=True)[0] for z_j in z.unbind(1)]
        return sum(slope.square().sum() for slope in slopes) / len(x)


def group_sparsity(z: Tensor, sizes: Sequence[int]) -> Tensor:
    """Lengths of a code's groups of numbers, each times the root of the group's size, summed.

    Shapes: z (n, m); sizes are those of consecutive groups of its columns, m in all. Returns the
    mean over the n samples of sum_g sqrt(m_g) ||z_g||, z_g the m_g numbers of group g, in [0, inf),
    in units of z. Whole groups become 0, not single numbers; at 0 the gradient is 0. Source: Huang
    et al. 2014 (DEN), the group sparsity term without its weight, after the group lasso of Yuan
    and Lin 2006.

    >>> z = torch.tensor([[3.0, 4.0, 0.0, 0.0]])
    >>> group_sparsity(z, [2, 2])  # sqrt(2) * 5 + sqrt(2) * 0
    tensor(7.0711)
    """
    check.matrices(z=z)
    if not all(check.is_whole(size) and size >= 1 for size in sizes) or sum(sizes) != z.shape[1]:
        raise ValueError(
            f"sizes={list(sizes)!r}, expected whole numbers of at least 1 that add up to "
            f"{z.shape[1]}, the width of z"
        )
    if not len(z):
        raise ValueError(f"z has shape {tuple(z.shape)}, expected at least one sample")
    groups = z.split(list(sizes), dim=1)
    return sum(math.sqrt(g.shape[1]) * torch.linalg.vector_norm(g, dim=1) for g in groups).mean()


def _divergence(wanted: Tensor, found: Tensor) -> Tensor:
    return torch.xlogy(wanted, wanted / found.clamp_min(torch.finfo(found.dtype).tiny))
