"""DEC, Deep Embedded Clustering: sharpen your own soft assignments and learn from them.

Pre-train an autoencoder, drop the decoder, place centers by k-means in the code space; then
repeat: compute soft assignments, sharpen them into a target, move encoder and centers towards it.
Source: Xie, Girshick, Farhadi, "Unsupervised Deep Embedding for Clustering Analysis", ICML 2016.

Differs from the paper:
1. Trains end to end by default; the paper trains layer by layer first (set `layer_epochs`).
2. Pre-trains for 200 epochs at rate 1.0; the paper takes 100,000 steps (366 epochs of MNIST) at
   a rate that starts at 0.1 and falls by 10 every 20,000 steps.
3. Weights start uniform in +-1 / sqrt(inputs); the paper draws from N(0, 0.01).
4. The target is refreshed once an epoch, on all samples; the released code counts steps (every
   20 to 160, by data set).
5. At most `refine_epochs` epochs; the paper only stops at `tol`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dclib.assign import kmeans, sharpen
from dclib.check import Count, Network, Rate, Share, Size, Sizes
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import batches, descend, encode
from dclib.losses import assignment_kl
from dclib.networks import Centers, autoencoder, pretrain


@dataclass(eq=False, repr=False)
class DEC(Clusterer):
    """Cluster by self-training on sharpened soft assignments.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = DEC(n_clusters=3, layers=(8, 2), pretrain_epochs=5, random_state=0)
    >>> model.fit_predict(x).shape
    (40,)
    """

    n_clusters: Size = 8
    network: Network = "mlp"  # "cnn" for images (n, c, h, w): layers are channels and the code
    layers: Sizes = (500, 500, 2000, 10)  # DEC Sec. 4.3: the encoder behind the input
    layer_epochs: Count = 0  # DEC Sec. 4.3: 50,000 steps a layer
    pretrain_epochs: Count = 200  # DEC Sec. 4.3: 100,000 steps, 366 epochs of MNIST
    pretrain_lr: Rate = 1.0  # on the mean over pixels; DEC Sec. 4.3: 0.1, falling
    n_init: Size = 20  # DEC Sec. 4.3: restarts of k-means
    refine_epochs: Count = 100
    lr: Rate = 0.01  # DEC Sec. 4.3
    tol: Share = 0.001  # DEC Sec. 4.3: stop when fewer labels than this change
    batch_size: Size = 256  # DEC Sec. 4.3
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="clustering network, pre-trained",
        architecture="MLP autoencoder",
        network_loss="reconstruction",
        clustering_loss="cluster assignment hardening",
        schedule="pre-training, then fine-tuning",
        features="one layer",
        year=2016,
        source="xie2016dec",
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
            q = self.assign(x)  # DEC Eq. 1, over all n samples
            moved = self.relabel(q)
            if epoch.number > 0 and moved < self.tol:
                self.stop_reason_ = f"refine: {moved:.2%} of the labels moved, tol={self.tol:.2%}"
                break
            p = sharpen(q)  # DEC Eq. 3, over all n samples
            for i in batches(len(x), self.batch_size):
                loss = assignment_kl(p[i], centers(encoder(x[i])))  # DEC Eq. 2
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
