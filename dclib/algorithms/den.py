"""DEN, Deep Embedding Network: codes that keep neighbours together and use few groups of units.

An autoencoder whose fine-tuning has two more terms: the codes of neighbouring samples shall be
near each other, and of the groups into which the units of a code are cut, as many as there are
clusters, few shall be awake. Then k-means on the codes.
Source: Huang, Huang, Wang, Wang, "Deep Embedding Network for Clustering", ICPR 2014.

Differs from the paper:
1. Pre-trains end to end, or layer by layer as a denoising autoencoder (set `layer_epochs`); the
   paper stacks unsupervised layers.
2. The paper's sizes and weights are not known to us; the defaults are our choice.
3. The weights of the two terms are in units of the reconstruction: at 1, a term counts as much as
   the reconstruction does when the refinement begins. The terms depend on the scale of the code,
   and no plain number would suit two data sets.
4. The width of the heat kernel is the median squared distance of neighbours, so that no unit of
   the data decides whether the second term acts at all.
5. The neighbours of a batch are encoded with it; Adam.
6. Losses are means over the samples; the paper's are sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dclib.assign import kmeans
from dclib.check import Count, Network, Rate, Size, Sizes, Weight
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import batches, descend, encode
from dclib.losses import (
    group_sparsity,
    heat_kernel,
    locality_loss,
    nearest_neighbours,
    squared_error,
)
from dclib.networks import Centers, autoencoder, pretrain
from dclib.schedules import schedule


@dataclass(eq=False, repr=False)
class DEN(Clusterer):
    """Cluster the codes of an autoencoder that keeps neighbours and wakes few groups of units.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = DEN(n_clusters=3, hidden=(8,), pretrain_epochs=5, refine_epochs=5, random_state=0)
    >>> model.fit_predict(x).shape
    (40,)
    """

    n_clusters: Size = 8
    network: Network = "mlp"  # "cnn" for images (n, c, h, w): hidden are channels
    hidden: Sizes = (500, 500, 2000)
    group_size: Size = 2  # units of the code a cluster
    layer_epochs: Count = 0
    pretrain_epochs: Count = 200
    pretrain_lr: Rate = 1.0  # on the mean over pixels
    refine_epochs: Count = 100
    locality: Weight = 1.0  # alpha, in units of the reconstruction: a number or a schedule
    sparsity: Weight = 1.0  # beta, likewise
    n_neighbors: Size = 4
    lr: Rate = 0.001
    n_init: Size = 20
    batch_size: Size = 256
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="autoencoder",
        architecture="MLP autoencoder",
        network_loss="reconstruction, locality preserving, group sparsity",
        clustering_loss="none",
        schedule="clustering after training",
        features="one layer",
        year=2014,
        source="huang2014den",
    )

    @phase
    def build(self, x: Tensor) -> None:
        size = self.n_clusters * self.group_size
        auto = autoencoder(self.network, x.shape[1:], (*self.hidden, size), x.dtype)
        centers = Centers(self.n_clusters, size, dtype=x.dtype)
        self.net_ = nn.ModuleDict({"auto": auto, "centers": centers})
        self.net_.register_buffer("units", torch.zeros(2, dtype=x.dtype))  # of the two weights

    @phase
    def pretrain(self, x: Tensor) -> None:
        pretrain(
            self.net_.auto, x, self.epochs,
            self.layer_epochs, self.pretrain_epochs, self.pretrain_lr, self.batch_size,
        )  # fmt: skip

    @phase
    def refine(self, x: Tensor) -> None:
        auto, groups = self.net_.auto, [self.group_size] * self.n_clusters
        optimizer = torch.optim.Adam(auto.parameters(), lr=self.lr, fused=True)
        locality, sparsity = schedule(self.locality), schedule(self.sparsity)
        near, squared = nearest_neighbours(x, min(self.n_neighbors, len(x) - 1))  # in the input
        weights = heat_kernel(squared)  # S
        if not self.net_.units.any():  # else the fit was interrupted
            z = self.embed(x)
            terms = torch.stack([locality_loss(z, z[near], weights), group_sparsity(z, groups)])
            least = torch.finfo(x.dtype).eps  # the terms are 0 where all samples are equal
            self.net_.units = squared_error(encode(auto.decoder, z), x) / terms.clamp_min(least)
        alpha, beta = self.net_.units
        for epoch in self.epochs(self.refine_epochs, "refine", optimizer):
            for i in batches(len(x), self.batch_size):
                z = auto.encoder(x[i])
                z_near = auto.encoder(x[near[i]].flatten(0, 1)).unflatten(0, near[i].shape)
                rebuilt = squared_error(auto.decoder(z), x[i])  # E_r
                apart = locality_loss(z, z_near, weights[i])  # E_g
                awake = group_sparsity(z, groups)  # E_s
                t = epoch.t
                extra = locality(t) * alpha * apart + sparsity(t) * beta * awake
                descend(rebuilt + extra, optimizer)
                epoch.log(reconstruction=rebuilt, locality=apart, sparsity=awake)

    @phase
    def place_centers(self, x: Tensor) -> None:
        _, positions = kmeans(self.embed(x), self.n_clusters, self.n_init)
        self.net_.centers.place(positions)
        self.relabel(self.assign(x))

    def run(self, x: Tensor) -> None:
        self.pretrain(x)
        self.refine(x)
        self.place_centers(x)

    def embed(self, x: Tensor) -> Tensor:
        return encode(self.net_.auto.encoder, x)

    def assign(self, x: Tensor) -> Tensor:
        return encode(self.net_.centers, self.embed(x))

    @property
    def cluster_centers_(self) -> np.ndarray:
        """Centers (k, m) in code space."""
        return self.net_.centers.position.detach().cpu().numpy()
