"""DBC, Discriminatively Boosted Clustering: self-training with a power that can be set.

Pre-train a convolutional autoencoder, drop the decoder, place centers by k-means in the code
space; then repeat: compute soft assignments, boost them into a target, move encoder and centers
towards it. DEC with convolutions and with another target: its power is a setting, and the sizes
that it divides by are the sums of the boosted assignments.
Source: Li, Qiao, Zhang, "Discriminatively Boosted Image Clustering with Fully Convolutional
Auto-Encoders", Pattern Recognition 83, 2018.

Differs from the paper:
1. For images set `network="cnn"`: convolutions that halve the sides, and a linear layer as code;
   the paper's network is convolutional throughout. Its sizes are not known to us.
2. Power, learning rate, epochs and stopping rule are our choice, the paper's not known to us.
3. The target is refreshed once an epoch, on all samples. We have not been able to check its
   formula, the sizes above all, against the paper's text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dclib.assign import boost, kmeans
from dclib.check import Count, Network, Rate, Share, Size, Sizes
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import batches, descend, encode
from dclib.losses import assignment_kl
from dclib.networks import Centers, autoencoder, pretrain


@dataclass(eq=False, repr=False)
class DBC(Clusterer):
    """Cluster by self-training on boosted soft assignments.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = DBC(n_clusters=3, layers=(8, 2), pretrain_epochs=5, random_state=0)
    >>> model.fit_predict(x).shape
    (40,)
    """

    n_clusters: Size = 8
    network: Network = "mlp"  # "cnn" for images (n, c, h, w): layers are channels and the code
    layers: Sizes = (500, 500, 2000, 10)
    layer_epochs: Count = 0
    pretrain_epochs: Count = 200
    pretrain_lr: Rate = 1.0  # on the mean over pixels
    n_init: Size = 20
    refine_epochs: Count = 100
    power: Rate = 2.0  # alpha of the paper, above 1: how much the target is boosted
    lr: Rate = 0.01
    tol: Share = 0.001
    batch_size: Size = 256
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="clustering network, pre-trained",
        architecture="convolutional autoencoder",
        network_loss="reconstruction",
        clustering_loss="cluster assignment hardening",
        schedule="pre-training, then fine-tuning",
        features="one layer",
        year=2018,
        source="li2018dbc",
    )

    @phase
    def build(self, x: Tensor) -> None:
        auto = autoencoder(self.network, x.shape[1:], self.layers, x.dtype)
        centers = Centers(self.n_clusters, self.layers[-1], dtype=x.dtype)
        self.net_ = nn.ModuleDict({"auto": auto, "centers": centers})

    @phase
    def pretrain(self, x: Tensor) -> None:
        pretrain(
            self.net_.auto, x, self.epochs,
            self.layer_epochs, self.pretrain_epochs, self.pretrain_lr, self.batch_size,
        )  # fmt: skip

    @phase
    def place_centers(self, x: Tensor) -> None:
        _, positions = kmeans(self.embed(x), self.n_clusters, self.n_init)
        self.net_.centers.place(positions)
        self.relabel(self.assign(x))

    @phase
    def refine(self, x: Tensor) -> None:
        encoder, centers = self.net_.auto.encoder, self.net_.centers  # the decoder is dropped
        weights = [*encoder.parameters(), *centers.parameters()]
        optimizer = torch.optim.SGD(weights, lr=self.lr, momentum=0.9, fused=True)
        for epoch in self.epochs(self.refine_epochs, "refine", optimizer):
            s = self.assign(x)  # the paper's scores, over all n samples
            moved = self.relabel(s)
            if epoch.number > 0 and moved < self.tol:
                self.stop_reason_ = f"refine: {moved:.2%} of the labels moved, tol={self.tol:.2%}"
                break
            r = boost(s, self.power)
            for i in batches(len(x), self.batch_size):
                loss = assignment_kl(r[i], centers(encoder(x[i])))
                descend(loss, optimizer)
                epoch.log(kl=loss)
        self.relabel(self.assign(x))

    def run(self, x: Tensor) -> None:
        self.pretrain(x)
        self.place_centers(x)
        self.refine(x)

    def embed(self, x: Tensor) -> Tensor:
        return encode(self.net_.auto.encoder, x)

    def assign(self, x: Tensor) -> Tensor:
        return encode(self.net_.centers, self.embed(x))

    @property
    def cluster_centers_(self) -> np.ndarray:
        """Centers (k, m) in code space."""
        return self.net_.centers.position.detach().cpu().numpy()
