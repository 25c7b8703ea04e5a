"""ASPC-DA: begin with the samples that are near their center, and show each one changed.

Pre-train an autoencoder on changed samples, drop the decoder, place centers by k-means. Then move
the codes of changed samples to the center of the sample as it is; only samples count whose distance
is below a limit that rises from epoch to epoch. Neither a decoder nor a soft assignment is needed.
Source: Guo, Liu, Zhu, Zhu, Li, Xu, Yin, "Adaptive Self-Paced Deep Clustering with Data
Augmentation", IEEE TKDE 32(9), 2020.

Differs from the paper:
1. The views are a setting; without one, mild ones. The paper turns by 10 degrees and shifts by a
   tenth.
2. Centers stay where k-means placed them, as in the released code. It stops by the tolerance only
   where it is given labels.
3. The limit holds from the first epoch on; the released code's first epoch takes all samples.
4. Epochs and batches are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dclib import augment
from dclib.assign import kmeans
from dclib.check import Count, Network, Rate, Share, Size, Sizes, Views
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import batches, descend, encode
from dclib.losses import squared_error
from dclib.networks import Centers, autoencoder


@dataclass(eq=False, repr=False)
class ASPCDA(Clusterer):
    """Cluster by pulling changed samples to their centers, the near ones first.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = ASPCDA(n_clusters=3, layers=(8, 2), pretrain_epochs=5, random_state=0)
    >>> model.fit_predict(x).shape
    (40,)
    """

    n_clusters: Size = 8
    network: Network = "mlp"  # "cnn" for images (n, c, h, w): layers are channels and the code
    layers: Sizes = (500, 500, 2000, 10)
    views: Views = None  # takes a batch, returns it changed at random; None: `augment.mild`
    pretrain_epochs: Count = 200
    pretrain_lr: Rate = 1.0  # on the mean over pixels
    n_init: Size = 20
    refine_epochs: Count = 100
    lr: Rate = 0.0001
    tol: Share = 0.001
    batch_size: Size = 256
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="clustering network, pre-trained",
        architecture="MLP autoencoder",
        network_loss="reconstruction, of changed samples",
        clustering_loss="k-means, self-paced",
        schedule="pre-training, then fine-tuning",
        features="one layer",
        year=2020,
        source="guo2020aspcda",
    )

    @phase
    def build(self, x: Tensor) -> None:
        auto = autoencoder(self.network, x.shape[1:], self.layers, x.dtype)
        centers = Centers(self.n_clusters, self.layers[-1], dtype=x.dtype)
        self.net_ = nn.ModuleDict({"auto": auto, "centers": centers})

    @phase
    def pretrain(self, x: Tensor) -> None:
        auto, views = self.net_.auto, self.views or augment.mild
        rate = {"lr": self.pretrain_lr, "momentum": 0.9}
        optimizer = torch.optim.SGD(auto.parameters(), **rate, fused=True)
        for epoch in self.epochs(self.pretrain_epochs, "pretrain", optimizer):
            for i in batches(len(x), self.batch_size):
                changed = views(x[i])
                loss = squared_error(auto(changed), changed) / changed[0].numel()
                descend(loss, optimizer)
                epoch.log(reconstruction=loss)

    @phase
    def place_centers(self, x: Tensor) -> None:
        _, positions = kmeans(self.embed(x), self.n_clusters, self.n_init)
        self.net_.centers.place(positions)
        self.relabel(self.assign(x))

    @phase
    def refine(self, x: Tensor) -> None:
        encoder, centers = self.net_.auto.encoder, self.net_.centers.position.detach()
        views = self.views or augment.mild
        optimizer = torch.optim.Adam(encoder.parameters(), lr=self.lr, fused=True)
        for epoch in self.epochs(self.refine_epochs, "refine", optimizer):
            moved = self.relabel(self.assign(x))
            if epoch.number > 0 and moved < self.tol:
                self.stop_reason_ = f"refine: {moved:.2%} of the labels moved, tol={self.tol:.2%}"
                break
            own = centers[torch.from_numpy(self.labels_).to(x.device)]
            distance = (self.embed(x) - own).square().sum(1)
            limit = distance.mean() + epoch.t * distance.std()
            easy = (distance <= limit).to(x.dtype)
            for i in batches(len(x), self.batch_size):
                far = (encoder(views(x[i])) - own[i]).square().sum(1)
                loss = (easy[i] * far).mean()
                descend(loss, optimizer)
                epoch.log(scatter=loss, share=easy[i].mean())
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
