"""IDEC, Improved Deep Embedded Clustering: DEC that keeps its decoder.

As DEC, but the refinement goes on rebuilding the data, so that the clustering loss cannot tear
the code space away from what the data look like.
Source: Guo, Gao, Liu, Yin, "Improved Deep Embedded Clustering with Local Structure Preservation",
IJCAI 2017.

With `network="cnn"` this is DCEC (Guo, Liu, Zhu, Yin, "Deep Clustering with Convolutional
Autoencoders", ICONIP 2017), but for one kernel size in all layers.

Differs from the paper:
1. Trains end to end by default; the paper starts from DEC's layer-wise weights (set
   `layer_epochs`).
2. The reconstruction loss is the mean over pixels, as in the released code; the paper's formula
   is a sum. So gamma = 0.1 means here what it means in the code.
3. The target is refreshed once an epoch, on all samples; the paper counts steps (every 140, 30
   or 3, by data set).
4. Adam for all data; the paper takes SGD with rate 0.1 for USPS and Reuters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dclib.assign import kmeans, sharpen
from dclib.check import Count, Network, Rate, Share, Size, Sizes, Weight
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import batches, descend, encode
from dclib.losses import assignment_kl, squared_error
from dclib.networks import Centers, autoencoder, pretrain
from dclib.schedules import schedule


@dataclass(eq=False, repr=False)
class IDEC(Clusterer):
    """Cluster by self-training on sharpened soft assignments, with the decoder kept.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = IDEC(n_clusters=3, layers=(8, 2), pretrain_epochs=5, random_state=0)
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
    gamma: Weight = 0.1  # weight of the clustering loss: a number or a schedule
    lr: Rate = 0.001
    tol: Share = 0.001  # DEC Sec. 4.3: stop when fewer labels than this change
    batch_size: Size = 256  # DEC Sec. 4.3
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="autoencoder",
        architecture="MLP autoencoder",
        network_loss="reconstruction",
        clustering_loss="cluster assignment hardening",
        schedule="pre-training, then joint training",
        features="one layer",
        year=2017,
        source="guo2017idec",
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
        auto, centers = self.net_.auto, self.net_.centers  # the decoder stays
        optimizer = torch.optim.Adam(self.net_.parameters(), lr=self.lr, fused=True)
        gamma = schedule(self.gamma)
        for epoch in self.epochs(self.refine_epochs, "refine", optimizer):
            q = self.assign(x)  # DEC Eq. 1, over all n samples
            moved = self.relabel(q)
            if epoch.number > 0 and moved < self.tol:
                self.stop_reason_ = f"refine: {moved:.2%} of the labels moved, tol={self.tol:.2%}"
                break
            p = sharpen(q)  # DEC Eq. 3, over all n samples
            for i in batches(len(x), self.batch_size):
                z = auto.encoder(x[i])
                reconstruction = squared_error(auto.decoder(z), x[i]) / x[0].numel()  # L_r
                kl = assignment_kl(p[i], centers(z))  # L_c, DEC Eq. 2
                descend(reconstruction + gamma(epoch.t) * kl, optimizer)
                epoch.log(reconstruction=reconstruction, kl=kl)
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
