"""The generative adversarial network: a generator, a discriminator and the game they play."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count

import torch
from torch import Tensor, nn

from dclib import check
from dclib.loop import Epoch, batches, descend
from dclib.losses import critic_loss, discriminator_loss, generator_loss, gradient_penalty
from dclib.networks.mlp import mlp
from dclib.schedules import Schedule, schedule


class GAN(nn.Module):
    """A generator noise -> ... -> d and a discriminator d -> ... -> 1; there is no encoder.

    Shapes: sizes (d, hidden, ...), read backwards by the generator; forward takes x (n, d) and
    returns the discriminator's logits (n,), or the critic's scores. The noise is normal. Source:
    Goodfellow et al. 2014.

    >>> gan = GAN(noise_size=10, sizes=[64, 128, 32])
    >>> gan.sample(7).shape, gan(torch.zeros(7, 64)).shape, gan.features(torch.zeros(7, 64)).shape
    (torch.Size([7, 64]), torch.Size([7]), torch.Size([7, 32]))
    """

    def __init__(
        self,
        noise_size: int,
        sizes: Sequence[int],
        activation: type[nn.Module] = nn.ReLU,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        if not check.is_whole(noise_size) or noise_size < 1:
            raise ValueError(f"noise_size={noise_size!r}, expected a whole number of at least 1")
        if len(sizes) < 2:
            raise ValueError(f"sizes={sizes!r}, expected an input size and at least one hidden")
        self.noise_size = noise_size
        self.generator = mlp([noise_size, *sizes[::-1]], activation, dtype)
        self.discriminator = mlp([*sizes, 1], activation, dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.discriminator[-1](self.features(x)).squeeze(1)

    def features(self, x: Tensor) -> Tensor:
        """Read the discriminator's last hidden layer: x (n, d) to (n, sizes[-1]).

        The nearest to a code that a GAN has. Source: Radford et al. 2016, Sec. 5.1, which joins
        all layers of a convolutional discriminator.
        """
        d = self.discriminator[0].in_features
        if x.ndim != 2 or x.shape[1] != d:
            raise ValueError(f"x has shape {tuple(x.shape)}, expected (n, {d})")
        return self.discriminator[:-1](x)

    def sample(self, n: int) -> Tensor:
        """Generate n samples (n, d) from fresh noise, with a gradient to the generator."""
        if not check.is_whole(n) or n < 1:
            raise ValueError(f"n={n!r}, expected a whole number of at least 1")
        weight = self.generator[0].weight
        noise = torch.randn(n, self.noise_size, dtype=weight.dtype, device=weight.device)
        return self.generator(noise)


def train_adversarial(
    gan: GAN,
    x: Tensor,
    epochs: Iterable[Epoch],
    generator_optimizer: torch.optim.Optimizer,
    discriminator_optimizer: torch.optim.Optimizer,
    batch_size: int = 64,
    loss: str = "classic",
    discriminator_steps: int = 1,
    penalty: float | Schedule = 10.0,
) -> None:
    """Train both players in turn on x (n, d), the discriminator first.

    A batch is one step of the discriminator; after each `discriminator_steps` of them the
    generator takes one, on fresh noise. `loss` is "classic", or "wasserstein" with `penalty`
    times the gradient penalty. Each optimizer holds the weights of its player and no others.
    Source: Goodfellow et al. 2014, Alg. 1, with the generator's non-saturating loss; Gulrajani
    et al. 2017, Alg. 1, with five steps of the critic.

    >>> from dclib.loop import epochs
    >>> gan, x = GAN(noise_size=2, sizes=[3, 4]), torch.eye(3)
    >>> players = (gan.generator, gan.discriminator)
    >>> train_adversarial(gan, x, epochs(5), *(torch.optim.Adam(p.parameters()) for p in players))
    """
    if loss not in ("classic", "wasserstein"):
        raise ValueError(f"loss={loss!r}, expected 'classic' or 'wasserstein'")
    if not check.is_whole(discriminator_steps) or discriminator_steps < 1:
        raise ValueError(
            f"discriminator_steps={discriminator_steps!r}, expected a whole number of at least 1"
        )
    penalty, steps = schedule(penalty), count(1)
    for epoch in epochs:
        for i in batches(len(x), batch_size):
            real = x[i]
            fake = gan.sample(len(i)).detach()  # this step leaves the generator alone
            if loss == "classic":
                judged = discriminator_loss(gan(real), gan(fake))
            else:
                judged = critic_loss(gan(real), gan(fake))
                judged = judged + penalty(epoch.t) * gradient_penalty(gan, real, fake)
            descend(judged, discriminator_optimizer)
            epoch.log(discriminator=judged)
            if next(steps) % discriminator_steps == 0:
                scores = gan(gan.sample(len(i)))
                fooled = generator_loss(scores) if loss == "classic" else -scores.mean()
                descend(fooled, generator_optimizer)
                epoch.log(generator=fooled)
