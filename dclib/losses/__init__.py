"""Losses as pure functions: sum over features and clusters, mean over samples."""

from dclib.losses.adversarial import (
    critic_loss,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
)
from dclib.losses.assignment import assignment_kl, balance_kl, kmeans_loss
from dclib.losses.reconstruction import series_error, squared_error
from dclib.losses.sparsity import contractive, sparsity_kl
from dclib.losses.variational import bernoulli_nll, gaussian_kl, gaussian_nll

__all__ = [
    "assignment_kl",
    "balance_kl",
    "bernoulli_nll",
    "contractive",
    "critic_loss",
    "discriminator_loss",
    "gaussian_kl",
    "gaussian_nll",
    "generator_loss",
    "gradient_penalty",
    "kmeans_loss",
    "series_error",
    "sparsity_kl",
    "squared_error",
]
