"""The variational autoencoder: an encoder that answers with a distribution, and a prior to draw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from dclib import check
from dclib.loop import Epoch, batches, descend
from dclib.losses import gaussian_kl, gaussian_nll
from dclib.networks.mlp import mlp
from dclib.schedules import Schedule, schedule


class VAE(nn.Module):
    """An encoder x -> N(mean, var), a draw z from it, and a decoder; the prior of z is N(0, I).

    Shapes: sizes (d, ..., m); forward takes x (n, d) and returns x_hat (n, d), mean and log_var
    (n, m), from a fresh draw at each call. `encoder` gives the mean alone, which is the code. The
    decoder has no bend at its end: what `x_hat` and `sample` hold is the mean of x where the
    network was trained with `gaussian_nll`, and its logits where with `bernoulli_nll`. Source:
    Kingma and Welling 2014.

    >>> vae = VAE([64, 32, 5])
    >>> [tuple(part.shape) for part in vae(torch.zeros(7, 64))]
    [(7, 64), (7, 5), (7, 5)]
    >>> vae.encoder(torch.zeros(7, 64)).shape, vae.sample(3).shape
    (torch.Size([7, 5]), torch.Size([3, 64]))
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: type[nn.Module] = nn.ReLU,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self.encoder = mlp(sizes, activation, dtype)  # its last layer is the head of the mean
        self.log_var = nn.Linear(sizes[-2], sizes[-1], dtype=dtype)
        self.decoder = mlp(sizes[::-1], activation, dtype)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (n, m) of q(z | x); the log-variance stays between -10 and 10.

        The bound is smooth, so no gradient is cut off, and far inside what float32 can hold.
        """
        d = self.encoder[0].in_features
        if x.ndim != 2 or x.shape[1] != d or not len(x):
            raise ValueError(f"x has shape {tuple(x.shape)}, expected (n, {d}) with n >= 1")
        h = self.encoder[:-1](x)
        return self.encoder[-1](h), 10 * (self.log_var(h) / 10).tanh()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_var = self.posterior(x)
        z = mean + (log_var / 2).exp() * torch.randn_like(mean)  # the reparameterised draw
        return self.decoder(z), mean, log_var

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """Draw n codes from the prior and decode them: (n, d)."""
        if not check.is_whole(n) or n < 1:
            raise ValueError(f"n={n!r}, expected a whole number of at least 1")
        weight = self.log_var.weight
        return self.decoder(torch.randn(n, len(weight), dtype=weight.dtype, device=weight.device))


def train_variational(
    vae: nn.Module,
    x: Tensor,
    epochs: Iterable[Epoch],
    optimizer: torch.optim.Optimizer,
    batch_size: int = 256,
    beta: float | Schedule = 1.0,
    free_bits: float | Schedule = 0.0,
    reconstruction: Callable[[Tensor, Tensor], Tensor] = gaussian_nll,
) -> None:
    """Descend the negative evidence lower bound of x (n, d), in nats a sample.

    `beta` weighs the divergence: 1 is the bound, a schedule that climbs from 0 is a warm-up.
    `reconstruction` is `gaussian_nll` for real numbers or `bernoulli_nll` for x in [0, 1]: a sum
    over features, as the divergence is a sum over the code. Logs both parts, the divergence
    without `free_bits`. Source: Kingma and Welling 2014, Eq. 8 with one draw a sample.

    >>> from dclib.loop import epochs
    >>> vae, x = VAE([3, 2]), torch.eye(3)
    >>> optimizer = torch.optim.Adam(vae.parameters(), lr=0.1)
    >>> for epoch in (run := list(epochs(100))):
    ...     train_variational(vae, x, [epoch], optimizer)
    >>> run[-1].means()["reconstruction"] < run[0].means()["reconstruction"]
    True
    """
    beta, free_bits = schedule(beta), schedule(free_bits)
    for epoch in epochs:
        weight, spared = beta(epoch.t), free_bits(epoch.t)
        for i in batches(len(x), batch_size):
            x_hat, mean, log_var = vae(x[i])
            nll, kl = reconstruction(x_hat, x[i]), gaussian_kl(mean, log_var)
            penalty = gaussian_kl(mean, log_var, spared) if spared else kl
            descend(nll + weight * penalty, optimizer)
            epoch.log(reconstruction=nll, kl=kl)
