"""Losses as pure functions: sum over features and clusters, mean over samples."""

from dclib.losses.assignment import assignment_kl, balance_kl, kmeans_loss
from dclib.losses.reconstruction import squared_error

__all__ = ["assignment_kl", "balance_kl", "kmeans_loss", "squared_error"]
