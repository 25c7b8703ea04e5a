"""Networks: modules that fit a screen, created in the dtype of the data."""

from dclib.networks.autoencoder import (
    Autoencoder,
    pretrain,
    train_end_to_end,
    train_layer_by_layer,
)
from dclib.networks.heads import Centers
from dclib.networks.mlp import mlp

__all__ = ["Autoencoder", "Centers", "mlp", "pretrain", "train_end_to_end", "train_layer_by_layer"]
