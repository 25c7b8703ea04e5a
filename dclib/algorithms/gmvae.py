"""GMVAE, Gaussian mixture variational autoencoder: noise bent into the components of a mixture.

A story in three steps: draw normal noise and a cluster; a network turns the noise into the mean
and variance of a code, other ones for every cluster; draw the code, and from it the data. So a
component need not be a Gaussian: it is as rich as the network. The posterior of the cluster needs
no encoder of its own, it follows from the code and the noise.
Source: Dilokthanakul, Mediano, Garnelo, Lee, Salimbeni, Arulkumaran, Shanahan, "Deep Unsupervised
Clustering with Gaussian Mixture Variational Autoencoders", arXiv 1611.02648, 2016. Their y, x, w, z
are our x, z, w and the cluster.

Differs from the paper:
1. One network reads the data, with heads for code and noise; sizes, rates and epochs are ours.
2. One draw of code and noise for a sample; the paper also reports ten.
3. Log-variances stay between -10 and 10, by a smooth bound.
4. The cluster of a sample is read at the means of its code and noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dclib import assign
from dclib.check import Count, Likelihood, Network, Rate, Size, Sizes, Weight
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import batches, descend, encode
from dclib.losses import gaussian_kl, mixture_kl
from dclib.losses.variational import NLL
from dclib.networks import autoencoder, mlp
from dclib.schedules import schedule


@dataclass(eq=False, repr=False)
class GMVAE(Clusterer):
    """Cluster by a mixture whose components are bent out of normal noise.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = GMVAE(n_clusters=3, layers=(8, 2), train_epochs=5, random_state=0)
    >>> model.fit_predict(x).shape, model.sample(7, cluster=0).shape
    ((40,), (7, 5))
    """

    n_clusters: Size = 8
    network: Network = "mlp"  # "cnn" for images (n, c, h, w): layers are channels and the code
    layers: Sizes = (500, 500, 64)  # the paper has codes of 200 numbers
    noise_size: Size = 32  # 150 in the paper
    hidden: Sizes = (500,)  # of the network from the noise to the components
    likelihood: Likelihood = "gaussian"  # "bernoulli" for x in [0, 1]
    free_nats: Weight = 1.0  # what the cluster may tell of a sample at no charge
    train_epochs: Count = 100
    lr: Rate = 0.001
    batch_size: Size = 100
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="variational autoencoder",
        architecture="MLP variational autoencoder",
        network_loss="reconstruction",
        clustering_loss="mixture prior",
        schedule="joint training",
        features="one layer",
        year=2016,
        source="dilokthanakul2016gmvae",
    )

    @phase
    def build(self, x: Tensor) -> None:
        auto = autoencoder(self.network, x.shape[1:], self.layers, x.dtype)
        below, m = auto.encoder[-1].in_features, self.layers[-1]
        log_var = nn.Linear(below, m, dtype=x.dtype)
        noise = nn.Linear(below, 2 * self.noise_size, dtype=x.dtype)
        sizes = (self.noise_size, *self.hidden, 2 * self.n_clusters * m)
        prior = mlp(sizes, nn.Tanh, x.dtype)
        self.net_ = nn.ModuleDict(
            {"auto": auto, "log_var": log_var, "noise": noise, "prior": prior}
        )

    @phase
    def train(self, x: Tensor) -> None:
        nll, free = NLL[self.likelihood], schedule(self.free_nats)
        optimizer = torch.optim.Adam(self.net_.parameters(), lr=self.lr, fused=True)
        even = x.new_full((self.n_clusters,), -math.log(self.n_clusters))
        for epoch in self.epochs(self.train_epochs, "train", optimizer):
            for i in batches(len(x), self.batch_size):
                code, noise = self._posteriors(x[i])
                z, w = draw(*code), draw(*noise)
                components = self._components(w)
                gamma = self._responsibility(z, components)
                likelihood = nll(self.net_.auto.decoder(z), x[i])
                of_code = mixture_kl(*code, gamma, *components, even, free(epoch.t))
                of_noise = gaussian_kl(*noise)
                descend(likelihood + of_code + of_noise, optimizer)
                epoch.log(reconstruction=likelihood, kl=of_code, noise=of_noise)
            self.relabel(self.assign(x))

    def _posteriors(self, x: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Means and log-variances of code (n, m) and noise (n, noise_size)."""
        *below, head = self.net_.auto.encoder
        h = nn.Sequential(*below)(x)
        mean, log_var = self.net_.noise(h).chunk(2, 1)
        return (head(h), bounded(self.net_.log_var(h))), (mean, bounded(log_var))

    def _components(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log-variances (n, k, m) that the noise (n, noise_size) gives the clusters."""
        means, log_vars = self.net_.prior(w).unflatten(1, (2, self.n_clusters, -1)).unbind(1)
        return means, bounded(log_vars)

    def _responsibility(self, z: Tensor, components: tuple[Tensor, Tensor]) -> Tensor:
        means, log_vars = components
        return assign.mixture(z, means, log_vars.exp(), z.new_full((self.n_clusters,), 1))

    def run(self, x: Tensor) -> None:
        self.train(x)

    def embed(self, x: Tensor) -> Tensor:
        return encode(self.net_.auto.encoder, x)

    def assign(self, x: Tensor) -> Tensor:
        return encode(self._at_means, x)

    def _at_means(self, x: Tensor) -> Tensor:
        (z, _), (w, _) = self._posteriors(x)
        return self._responsibility(z, self._components(w))

    def generate(self, labels: Tensor) -> Tensor:
        w = torch.randn(len(labels), self.noise_size, dtype=self._dtype, device=self._device)
        with torch.no_grad():
            means, log_vars = self._components(w)
            own = torch.arange(len(labels), device=w.device), labels
            x = self.net_.auto.decoder(draw(means[own], log_vars[own]))
        return x.sigmoid() if self.likelihood == "bernoulli" else x


def draw(mean: Tensor, log_var: Tensor) -> Tensor:
    """Draw from the Gaussians of these means and log-variances, with a gradient to both."""
    return mean + (log_var / 2).exp() * torch.randn_like(mean)


def bounded(log_var: Tensor) -> Tensor:
    """Keep log-variances between -10 and 10, by a smooth bound."""
    return 10 * (log_var / 10).tanh()
