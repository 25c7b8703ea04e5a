"""DCN, Deep Clustering Network: rebuild the data from codes that k-means likes.

As autoencoder + k-means, but the two go on together: a step of the network on the reconstruction
and the distances to the centers, new assignments of the batch, a step of the centers.
Source: Yang, Fu, Sidiropoulos, Hong, "Towards K-means-friendly Spaces: Simultaneous Deep Learning
and Clustering", ICML 2017.

Differs from the paper:
1. Trains end to end by default; the paper trains layer by layer first (set `layer_epochs`).
2. The layers are DEC's; the paper's text and its released code name different ones for MNIST.
3. Adam in place of SGD.
4. The loss is a mean over the samples of a batch; the paper's is a sum. Beside each other the two
   terms weigh as in the paper, where the weight is on the k-means term; in the released code it
   is on the reconstruction.
5. The counts behind the step size of a center are floats. In the released code they are whole
   numbers, and under Python 2 one divided by such a count is 0: read so, its centers never move.
6. The labels that a step of the network holds are those of all samples at the start of the epoch;
   the paper's are from the sample's last visit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dclib.assign import kmeans
from dclib.check import Count, Network, Rate, Share, Size, Sizes, Weight
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import batches, descend, encode
from dclib.losses import kmeans_loss, squared_error, update_centers
from dclib.networks import Centers, autoencoder, pretrain
from dclib.schedules import schedule


@dataclass(eq=False, repr=False)
class DCN(Clusterer):
    """Cluster by training an autoencoder and k-means on its codes by turns.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = DCN(n_clusters=3, layers=(8, 2), pretrain_epochs=5, random_state=0)
    >>> model.fit_predict(x).shape
    (40,)
    """

    n_clusters: Size = 8
    network: Network = "mlp"  # "cnn" for images (n, c, h, w): layers are channels and the code
    layers: Sizes = (500, 500, 2000, 10)
    layer_epochs: Count = 0  # released code: 50 epochs a layer
    pretrain_epochs: Count = 200
    pretrain_lr: Rate = 1.0  # on the mean over pixels
    n_init: Size = 20
    refine_epochs: Count = 50  # released code, for MNIST
    weight: Weight = 1.0  # the paper's lambda: of the k-means term, a number or a schedule
    lr: Rate = 0.0001
    tol: Share = 0.001
    batch_size: Size = 256
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="autoencoder",
        architecture="MLP autoencoder",
        network_loss="reconstruction",
        clustering_loss="k-means",
        schedule="pre-training, then joint training",
        features="one layer",
        year=2017,
        source="yang2017dcn",
    )

    @phase
    def build(self, x: Tensor) -> None:
        auto = autoencoder(self.network, x.shape[1:], self.layers, x.dtype)
        centers = Centers(self.n_clusters, self.layers[-1], dtype=x.dtype)
        self.net_ = nn.ModuleDict({"auto": auto, "centers": centers})
        # Released code: as if each center had already been given 100 codes.
        self.net_.register_buffer("counts", torch.full((self.n_clusters,), 100.0, dtype=x.dtype))

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
        auto, centers = self.net_.auto, self.net_.centers
        optimizer = torch.optim.Adam(auto.parameters(), lr=self.lr, fused=True)
        weight = schedule(self.weight)
        for epoch in self.epochs(self.refine_epochs, "refine", optimizer):
            q = self.assign(x)
            labels, moved = q.argmax(1), self.relabel(q)
            if epoch.number > 0 and moved < self.tol:
                self.stop_reason_ = f"refine: {moved:.2%} of the labels moved, tol={self.tol:.2%}"
                break
            for i in batches(len(x), self.batch_size):
                z = auto.encoder(x[i])  # a step of the network, centers and labels held
                reconstruction = squared_error(auto.decoder(z), x[i])
                scatter = kmeans_loss(z, centers.position.detach(), labels[i])
                descend(reconstruction + weight(epoch.t) / 2 * scatter, optimizer)
                epoch.log(reconstruction=reconstruction, kmeans=scatter)
                z = encode(auto.encoder, x[i])  # a step of labels and centers, the network held
                nearest = centers(z).argmax(1)
                position, counts = update_centers(centers.position, self.net_.counts, z, nearest)
                centers.place(position)
                self.net_.counts.copy_(counts)
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
