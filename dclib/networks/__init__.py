"""Networks: modules that fit a screen, created in the dtype of the data."""

from dclib.networks.adversarial import GAN, train_adversarial
from dclib.networks.autoencoder import (
    Autoencoder,
    autoencoder,
    pretrain,
    train_end_to_end,
    train_layer_by_layer,
)
from dclib.networks.belief import (
    RBM,
    DeepBelief,
    contrastive_divergence,
    log_partition,
    train_belief,
    train_rbm,
)
from dclib.networks.body import body, discriminator, generator
from dclib.networks.cnn import ConvAutoencoder, cnn
from dclib.networks.heads import Centers, Mixture
from dclib.networks.layered import layer_outputs
from dclib.networks.mlp import initialise, mlp
from dclib.networks.recurrent import RecurrentAutoencoder, train_recurrent
from dclib.networks.variational import VAE, train_variational

__all__ = [
    "GAN",
    "RBM",
    "VAE",
    "Autoencoder",
    "Centers",
    "ConvAutoencoder",
    "DeepBelief",
    "Mixture",
    "RecurrentAutoencoder",
    "autoencoder",
    "body",
    "cnn",
    "contrastive_divergence",
    "discriminator",
    "generator",
    "initialise",
    "layer_outputs",
    "log_partition",
    "mlp",
    "pretrain",
    "train_adversarial",
    "train_belief",
    "train_end_to_end",
    "train_layer_by_layer",
    "train_rbm",
    "train_recurrent",
    "train_variational",
]
