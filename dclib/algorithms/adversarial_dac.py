"""DAC, deep adversarial clustering, which is not deep *adaptive* clustering (`DAC`).

An adversarial autoencoder whose prior is a mixture of Gaussians. The encoder rebuilds the data and
tries to pass its codes off as draws from the mixture; a discriminator tells them apart; and the
mixture is fitted to the codes anew, by a step of expectation-maximisation in each epoch. The
cluster of a sample is the component that answers for its code.
Source: Harchaoui, Mattei, Bouveyron, "Deep Adversarial Gaussian Mixture Auto-Encoder for
Clustering", ICLR 2017, workshop track.

Differs from the paper:
1. Its sizes, rates and weights could not be read off a released program; all of them are ours.
2. The mixture begins with the fit of five starts to the pre-trained codes, and takes one step of
   expectation-maximisation an epoch.
3. Diagonal variances.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dclib.assign import gaussian_mixture
from dclib.check import Count, Network, Rate, Share, Size, Sizes, Weight
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import batches, descend, encode
from dclib.losses import discriminator_loss, generator_loss, squared_error
from dclib.networks import Mixture, autoencoder, mlp, pretrain
from dclib.schedules import schedule


@dataclass(eq=False, repr=False)
class AdversarialDAC(Clusterer):
    """Cluster by a mixture from which the codes of an autoencoder cannot be told.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = AdversarialDAC(n_clusters=3, layers=(8, 2), pretrain_epochs=5, random_state=0)
    >>> model.fit_predict(x).shape, model.sample(7, cluster=0).shape
    ((40,), (7, 5))
    """

    n_clusters: Size = 8
    network: Network = "mlp"  # "cnn" for images (n, c, h, w): layers are channels and the code
    layers: Sizes = (500, 500, 2000, 10)
    hidden: Sizes = (500, 500)  # of the discriminator
    pretrain_epochs: Count = 100
    pretrain_lr: Rate = 1.0  # on the mean over pixels
    n_init: Size = 5
    refine_epochs: Count = 50
    weight: Weight = 1.0  # of deceiving the discriminator, beside the reconstruction
    lr: Rate = 0.0002
    momentum: Share = 0.5  # Adam's first; in games less than its usual 0.9
    batch_size: Size = 256
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="generative adversarial network",
        architecture="adversarial autoencoder",
        network_loss="reconstruction",
        clustering_loss="mixture prior",
        schedule="pre-training, then joint training",
        features="one layer",
        year=2017,
        source="harchaoui2017dac",
    )

    @phase
    def build(self, x: Tensor) -> None:
        auto = autoencoder(self.network, x.shape[1:], self.layers, x.dtype)
        prior = Mixture(self.n_clusters, self.layers[-1], dtype=x.dtype).requires_grad_(False)
        judge = mlp((self.layers[-1], *self.hidden, 1), dtype=x.dtype)
        self.net_ = nn.ModuleDict({"auto": auto, "prior": prior, "judge": judge})

    @phase
    def pretrain(self, x: Tensor) -> None:
        epochs, lr = self.pretrain_epochs, self.pretrain_lr
        pretrain(self.net_.auto, x, self.epochs, 0, epochs, lr, self.batch_size)

    @phase
    def place_mixture(self, x: Tensor) -> None:
        _, *parameters = gaussian_mixture(self.embed(x), self.n_clusters, self.n_init)
        self.net_.prior.place(*parameters)
        self.relabel(self.assign(x))

    @phase
    def refine(self, x: Tensor) -> None:
        auto, prior, judge = self.net_.auto, self.net_.prior, self.net_.judge
        settings = {"lr": self.lr, "betas": (self.momentum, 0.999), "fused": True}
        of_auto = torch.optim.Adam(auto.parameters(), **settings)
        of_judge = torch.optim.Adam(judge.parameters(), **settings)
        weight = schedule(self.weight)
        for epoch in self.epochs(self.refine_epochs, "refine", of_auto, of_judge):
            for i in batches(len(x), self.batch_size):
                z = auto.encoder(x[i])
                drawn = prior.draw(self.shares().multinomial(len(i), replacement=True))
                judged = discriminator_loss(judge(drawn), judge(z.detach()))
                descend(judged, of_judge)
                reconstruction = squared_error(auto.decoder(z), x[i])
                deceived = generator_loss(judge(z))
                descend(reconstruction + weight(epoch.t) * deceived, of_auto)
                epoch.log(reconstruction=reconstruction, discriminator=judged, encoder=deceived)
            self._maximise(self.embed(x))
            self.relabel(self.assign(x))

    def _maximise(self, z: Tensor) -> None:
        """One step of expectation-maximisation of the mixture on all codes."""
        gamma = encode(self.net_.prior, z)
        size = gamma.sum(0)[:, None].clamp_min(torch.finfo(z.dtype).eps)
        means = gamma.T @ z / size
        variances = (gamma.T @ z.square() / size - means.square()).clamp_min(1e-6)
        self.net_.prior.place(means, variances, (size / size.sum())[:, 0])

    def run(self, x: Tensor) -> None:
        self.pretrain(x)
        self.place_mixture(x)
        self.refine(x)

    def embed(self, x: Tensor) -> Tensor:
        return encode(self.net_.auto.encoder, x)

    def assign(self, x: Tensor) -> Tensor:
        return encode(self.net_.prior, self.embed(x))

    def shares(self) -> Tensor:
        return self.net_.prior.log_pi.exp()

    def generate(self, labels: Tensor) -> Tensor:
        return encode(self.net_.auto.decoder, self.net_.prior.draw(labels))

    @property
    def cluster_centers_(self) -> np.ndarray:
        """Means (k, m) of the components in code space."""
        return self.net_.prior.means.cpu().numpy()
