"""VaDE, variational deep embedding: a variational autoencoder whose prior is a mixture.

A story in three steps: draw a cluster, draw a code from the Gaussian of the cluster, draw the data
from the code. Encoder, decoder and mixture are trained together so that the data are likely under
the story. The cluster of a sample is the component that answers for its code.
Source: Jiang, Zheng, Tan, Tang, Zhou, "Variational Deep Embedding: An Unsupervised and Generative
Approach to Clustering", IJCAI 2017.

Differs from the paper:
1. Pre-trains end to end with the likelihood of the story; the weights that its authors released
   were trained layer by layer, by a program that they did not release.
2. The log-variances of the posterior stay between -10 and 10, by a smooth bound.
3. The released code counts the shares of the clusters once for each number of the code, in the
   responsibilities and in the bound; here they count once, as in the paper.
4. The released code begins anew where its accuracy is low at the start. Ours cannot see labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dclib.assign import gaussian_mixture
from dclib.check import Count, Likelihood, Network, Rate, Size, Sizes
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import batches, descend, encode
from dclib.losses import mixture_kl
from dclib.losses.variational import NLL
from dclib.networks import Mixture, autoencoder


@dataclass(eq=False, repr=False)
class VaDE(Clusterer):
    """Cluster by the components of a mixture from which the codes are drawn.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = VaDE(n_clusters=3, layers=(8, 2), pretrain_epochs=5, train_epochs=5, random_state=0)
    >>> model.fit_predict(x).shape, model.sample(7, cluster=0).shape
    ((40,), (7, 5))
    """

    n_clusters: Size = 8
    network: Network = "mlp"  # "cnn" for images (n, c, h, w): layers are channels and the code
    layers: Sizes = (500, 500, 2000, 10)
    likelihood: Likelihood = "gaussian"  # "bernoulli" for x in [0, 1], as in the paper for MNIST
    pretrain_epochs: Count = 50
    n_init: Size = 5
    train_epochs: Count = 100  # released code: 3000 for MNIST
    lr: Rate = 0.002
    lr_factor: Rate = 0.9  # of the rate, every 10 epochs, until a tenth of it is left
    batch_size: Size = 100
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="variational autoencoder",
        architecture="MLP variational autoencoder",
        network_loss="reconstruction",
        clustering_loss="mixture prior",
        schedule="pre-training, then joint training",
        features="one layer",
        year=2017,
        source="jiang2017vade",
    )

    @phase
    def build(self, x: Tensor) -> None:
        auto = autoencoder(self.network, x.shape[1:], self.layers, x.dtype)
        log_var = nn.Linear(auto.encoder[-1].in_features, self.layers[-1], dtype=x.dtype)
        prior = Mixture(self.n_clusters, self.layers[-1], dtype=x.dtype)
        self.net_ = nn.ModuleDict({"auto": auto, "log_var": log_var, "prior": prior})

    @phase
    def pretrain(self, x: Tensor) -> None:
        auto, nll = self.net_.auto, NLL[self.likelihood]
        optimizer = torch.optim.Adam(auto.parameters(), lr=self.lr, fused=True)
        for epoch in self.epochs(self.pretrain_epochs, "pretrain", optimizer):
            for i in batches(len(x), self.batch_size):
                loss = nll(auto(x[i]), x[i])
                descend(loss, optimizer)
                epoch.log(reconstruction=loss)

    @phase
    def place_mixture(self, x: Tensor) -> None:
        _, *parameters = gaussian_mixture(self.embed(x), self.n_clusters, self.n_init)
        self.net_.prior.place(*parameters)
        self.relabel(self.assign(x))

    @phase
    def train(self, x: Tensor) -> None:
        auto, prior, nll = self.net_.auto, self.net_.prior, NLL[self.likelihood]
        optimizer = torch.optim.Adam(self.net_.parameters(), lr=self.lr, eps=1e-4, fused=True)
        for epoch in self.epochs(self.train_epochs, "train", optimizer):
            factor = max(self.lr_factor ** (epoch.number // 10), 0.1)
            optimizer.param_groups[0]["lr"] = self.lr * factor
            for i in batches(len(x), self.batch_size):
                mean, log_var = self._posterior(x[i])
                z = mean + (log_var / 2).exp() * torch.randn_like(mean)
                likelihood = nll(auto.decoder(z), x[i])
                kl = mixture_kl(mean, log_var, prior(z), prior.means, prior.log_vars, prior.log_pi)
                descend(likelihood + kl, optimizer)
                epoch.log(reconstruction=likelihood, kl=kl)
            self.relabel(self.assign(x))

    def _posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (n, m) of the code of each sample."""
        *below, head = self.net_.auto.encoder
        h = nn.Sequential(*below)(x)
        return head(h), 10 * (self.net_.log_var(h) / 10).tanh()

    def run(self, x: Tensor) -> None:
        self.pretrain(x)
        self.place_mixture(x)
        self.train(x)

    def embed(self, x: Tensor) -> Tensor:
        return encode(self.net_.auto.encoder, x)

    def assign(self, x: Tensor) -> Tensor:
        return encode(self.net_.prior, self.embed(x))

    def shares(self) -> Tensor:
        return self.net_.prior.log_pi.detach().exp()

    def generate(self, labels: Tensor) -> Tensor:
        x = encode(self.net_.auto.decoder, self.net_.prior.draw(labels))
        return x.sigmoid() if self.likelihood == "bernoulli" else x

    @property
    def cluster_centers_(self) -> np.ndarray:
        """Means (k, m) of the components in code space."""
        return self.net_.prior.means.detach().cpu().numpy()
