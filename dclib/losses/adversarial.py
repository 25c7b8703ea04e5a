"""Losses of the game between a generator and its discriminator, or critic, on the raw scores."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus

from dclib import check


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Cross-entropy of telling real samples from fakes.

    Shapes: real (n,) and fake (n',) are logits: a sigmoid of them is the probability of being
    real; also (n, 1) and (n', 1). Returns the sum of the two means, in [0, inf), in nats; 2 log 2
    where the discriminator cannot tell. Source: Goodfellow et al. 2014, Eq. 1, which the
    discriminator maximises, times -1.

    >>> discriminator_loss(torch.zeros(3), torch.zeros(3))
    tensor(1.3863)
    """
    _scores(real=real, fake=fake)
    return softplus(-real).mean() + softplus(fake).mean()  # Eq. 1, times -1


def generator_loss(fake: Tensor) -> Tensor:
    """Cross-entropy of the fakes with the answer "real": the non-saturating loss.

    Shapes: fake (n,) or (n, 1), logits. Returns the mean over the n samples, in [0, inf), in nats.
    Source: Goodfellow et al. 2014, Sec. 3, last paragraph: maximise log D(G(z)), here times -1,
    instead of minimising log(1 - D(G(z))), whose gradient vanishes where D is sure.

    >>> generator_loss(torch.zeros(3))
    tensor(0.6931)
    """
    _scores(fake=fake)
    return softplus(-fake).mean()


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Mean score of the fakes minus mean score of the real samples.

    Shapes: real (n,) and fake (n',), any numbers; also (n, 1) and (n', 1). Returns one number, in
    (-inf, inf), in units of the score. Its negative estimates the Wasserstein distance, from
    below, where the critic's slope is nowhere above 1. Source: Gulrajani et al. 2017, Eq. 3,
    first two terms.

    >>> critic_loss(real=torch.tensor([2.0, 4.0]), fake=torch.tensor([1.0]))
    tensor(-2.)
    """
    _scores(real=real, fake=fake)
    return fake.mean() - real.mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """Squared distance of the critic's slope from 1, at random points between real and fake.

    Shapes: real and fake (n, ...), paired by row; critic maps (n, ...) to (n,) or (n, 1), every
    row on its own (no batch normalisation). Returns the mean over the n points, in [0, inf); a
    gradient flows into the critic's weights only. Source: Gulrajani et al. 2017, Eq. 3, third term
    without its weight 10; two-sided: slopes below 1 cost as well.

    >>> gradient_penalty(lambda x: 3 * x, torch.ones(5, 1), torch.zeros(5, 1))
    tensor(4.)
    """
    check.same_shape(real=real, fake=fake)
    share = torch.rand(len(real), dtype=real.dtype, device=real.device)
    share = share.view(-1, *[1] * (real.ndim - 1))
    between = (share * real + (1 - share) * fake).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    slope = gradient.flatten(1).norm(dim=1)
    return (slope - 1).square().mean()  # Eq. 3


def _scores(**scores: Tensor) -> None:
    for name, score in scores.items():
        if score.ndim == 0 or score.numel() != len(score) or not len(score):
            raise ValueError(
                f"{name} has shape {tuple(score.shape)}, expected (n,): one score a sample"
            )
