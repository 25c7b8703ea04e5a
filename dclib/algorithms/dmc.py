"""DMC, Deep Multi-manifold Clustering: a code from which a sample's neighbours can be rebuilt.

Each cluster is thought to be a manifold of its own. An autoencoder rebuilds from the code of a
sample not only the sample but its neighbours too, and codes are drawn to the centers, the more
the nearer they are.
Source: Chen, Lv, Zhang, "Unsupervised Multi-Manifold Clustering by Learning Deep Representation",
AAAI Workshops 2017.

Differs from the paper:
1. The paper's formulas are not known to us in their details: this is our reading of its two
   terms. Locality: the squared error of rebuilding each of a sample's neighbours from its code,
   weighed by a heat kernel. Clustering: the squared distance to every center, weighed by how near
   it is, as Gaussians would that are as wide as the clusters; the weights are held constant.
   (With DEC's Student-t weights, whose tails are heavy, the centers merge.)
2. Sizes, weights and recipe of training are our choice, for the same reason.
3. The width of the heat kernel is the median squared distance of neighbours.
4. Losses are means over the samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dclib.assign import kmeans, softmax, squared_distances
from dclib.check import Count, Network, Rate, Share, Size, Sizes, Weight
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import batches, descend, encode
from dclib.losses import heat_kernel, locality_loss, nearest_neighbours, squared_error
from dclib.networks import Centers, autoencoder, pretrain
from dclib.schedules import schedule


@dataclass(eq=False, repr=False)
class DMC(Clusterer):
    """Cluster by an autoencoder that also rebuilds a sample's neighbours and seeks the centers.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = DMC(n_clusters=3, layers=(8, 2), pretrain_epochs=5, refine_epochs=5, random_state=0)
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
    locality: Weight = 1.0  # alpha: of rebuilding the neighbours, a number or a schedule
    gamma: Weight = 0.1  # beta: of the distances to the centers, a number or a schedule
    n_neighbors: Size = 5
    lr: Rate = 0.001
    tol: Share = 0.001
    batch_size: Size = 256
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="autoencoder",
        architecture="MLP autoencoder",
        network_loss="reconstruction, locality preserving",
        clustering_loss="soft k-means",
        schedule="pre-training, then joint training",
        features="one layer",
        year=2017,
        source="chen2017dmc",
    )

    @phase
    def build(self, x: Tensor) -> None:
        auto = autoencoder(self.network, x.shape[1:], self.layers, x.dtype)
        centers = Centers(self.n_clusters, self.layers[-1], dtype=x.dtype)
        self.net_ = nn.ModuleDict({"auto": auto, "centers": centers})
        self.net_.register_buffer("sharpness", torch.ones((), dtype=x.dtype))

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
        self.relabel(self._measure(x))

    @phase
    def refine(self, x: Tensor) -> None:
        auto, centers, rows = self.net_.auto, self.net_.centers, x.flatten(1)
        optimizer = torch.optim.Adam(self.net_.parameters(), lr=self.lr, fused=True)
        locality, gamma = schedule(self.locality), schedule(self.gamma)
        near, squared = nearest_neighbours(x, min(self.n_neighbors, len(x) - 1))
        weights = heat_kernel(squared)
        for epoch in self.epochs(self.refine_epochs, "refine", optimizer):
            q = self._measure(x)
            moved = self.relabel(q)
            if epoch.number > 0 and moved < self.tol:
                self.stop_reason_ = f"refine: {moved:.2%} of the labels moved, tol={self.tol:.2%}"
                break
            for i in batches(len(x), self.batch_size):
                z = auto.encoder(x[i])
                x_hat = auto.decoder(z)
                rebuilt = squared_error(x_hat, x[i])
                near_by = locality_loss(x_hat.flatten(1), rows[near[i]], weights[i])
                distance = squared_distances(z, centers.position)
                scatter = (q[i] * distance).sum(1).mean()
                t = epoch.t
                descend(rebuilt + locality(t) * near_by + gamma(t) * scatter, optimizer)
                epoch.log(reconstruction=rebuilt, locality=near_by, scatter=scatter)
        self.relabel(self._measure(x))

    def _measure(self, x: Tensor) -> Tensor:
        """Take the width of the clusters from the distances to the nearest centers; assign x."""
        z, position = self.embed(x), self.net_.centers.position.detach()
        nearest = squared_distances(z, position).min(1).values.mean()
        self.net_.sharpness = z.shape[1] / (2 * nearest).clamp_min(torch.finfo(z.dtype).tiny)
        return softmax(z, position, self.net_.sharpness)

    def run(self, x: Tensor) -> None:
        self.pretrain(x)
        self.place_centers(x)
        self.refine(x)

    def embed(self, x: Tensor) -> Tensor:
        return encode(self.net_.auto.encoder, x)

    def assign(self, x: Tensor) -> Tensor:
        return softmax(self.embed(x), self.net_.centers.position.detach(), self.net_.sharpness)

    @property
    def cluster_centers_(self) -> np.ndarray:
        """Centers (k, m) in code space."""
        return self.net_.centers.position.detach().cpu().numpy()
