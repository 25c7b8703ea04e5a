"""CCNN: cluster the features of a network that others have trained, and train it on the clusters.

A network that has learned from labels, of other data, gives the first features. Then, batch by
batch: assign the features to their nearest centers, move these as k-means does, let a softmax head
learn the assignments as if they were labels, and move the centers after the features, which have
drifted with the network.
Source: Hsu and Lin, "CNN-Based Joint Clustering and Representation Learning with Feature Drift
Compensation for Large-Scale Image Data", IEEE Transactions on Multimedia 20(2), 2018.

Differs from the paper:
1. The paper's network comes from ImageNet. Here `backbone` is any module from samples to features;
   without one, the network is untrained.
2. The first centers are those of k-means on all features; the paper takes the features of random
   samples (set `n_init=0`).
3. How the paper compensates the drift in detail, and its rates, are not known to us: a center moves
   by the mean displacement of its samples in the batch.
4. The network is trained in eval mode: its normalisations keep the statistics they came with.
5. With `views` the head learns the labels of the samples from changed copies of them, as in
   DeepCluster (Caron et al. 2018). Whether the paper does so is not known to us: none by default.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dclib.assign import kmeans
from dclib.check import Count, Flag, Network, Rate, Rule, Share, Size, Sizes, Views
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import batches, descend, encode
from dclib.losses import compensate_drift, pseudo_label_loss, update_centers
from dclib.networks import Centers, cnn, mlp

Backbone = Annotated[
    nn.Module | None,
    Rule("a torch.nn.Module or None", lambda v: v is None or isinstance(v, nn.Module)),
]


@dataclass(eq=False, repr=False)
class CCNN(Clusterer):
    """Cluster by teaching a pre-trained network its own clusters, centers in tow.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = CCNN(n_clusters=3, layers=(8, 2), refine_epochs=5, random_state=0)
    >>> model.fit_predict(x).shape
    (40,)
    """

    n_clusters: Size = 8
    network: Network = "mlp"  # "cnn" where a sample is an image (c, h, w)
    layers: Sizes = (500, 500, 2000, 10)  # of the untrained network that stands in for a backbone
    backbone: Backbone = None  # trained elsewhere: samples in, features (n, m) out
    n_init: Count = 20  # restarts of k-means for the first centers; 0: random samples
    refine_epochs: Count = 20
    views: Views = None  # a batch -> the same, changed at random: what the head learns from
    compensate: Flag = True  # move the centers after the features, once the network has changed
    lr: Rate = 0.001
    tol: Share = 0.001
    batch_size: Size = 256
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="clustering network, pre-trained",
        architecture="CNN, trained with labels of other data",
        network_loss="none",
        clustering_loss="k-means, cluster classification",
        schedule="pre-training, then fine-tuning",
        features="one layer",
        year=2018,
        source="hsu2018ccnn",
    )

    @phase
    def build(self, x: Tensor) -> None:
        if self.backbone is not None:
            encoder = deepcopy(self.backbone).to(x.device, x.dtype)
        elif self.network == "mlp":
            encoder = mlp((*x.shape[1:], *self.layers), dtype=x.dtype)
        else:
            encoder = cnn(x.shape[1:], self.layers[:-1], self.layers[-1], 5, dtype=x.dtype)
        features = encode(encoder.to(x.device), x[:1])
        if features.ndim != 2:
            shape = f"(1, {', '.join(map(str, features.shape[1:]))})"
            raise ValueError(f"backbone gives {shape} for one sample, expected features (1, m)")
        m = features.shape[1]
        head = nn.Linear(m, self.n_clusters, dtype=x.dtype)
        centers = Centers(self.n_clusters, m, dtype=x.dtype)
        self.net_ = nn.ModuleDict({"encoder": encoder, "head": head, "centers": centers}).eval()
        self.net_.register_buffer("counts", torch.zeros(self.n_clusters, dtype=x.dtype))

    @phase
    def place_centers(self, x: Tensor) -> None:
        z = self.embed(x)
        if self.n_init:
            _, positions = kmeans(z, self.n_clusters, self.n_init)
        else:
            positions = z[torch.randperm(len(z))[: self.n_clusters]]
        self.net_.centers.place(positions)
        self.relabel(self.assign(x))

    @phase
    def refine(self, x: Tensor) -> None:
        encoder, head, centers = self.net_.encoder, self.net_.head, self.net_.centers
        weights = [*encoder.parameters(), *head.parameters()]
        optimizer = torch.optim.Adam(weights, lr=self.lr, fused=True)
        for epoch in self.epochs(self.refine_epochs, "refine", optimizer):
            moved = self.relabel(self.assign(x))
            if epoch.number > 0 and moved < self.tol:
                self.stop_reason_ = f"refine: {moved:.2%} of the labels moved, tol={self.tol:.2%}"
                break
            for i in batches(len(x), self.batch_size):
                z = encoder(x[i])
                before = z.detach()
                labels = centers(before).argmax(1)
                position, counts = update_centers(
                    centers.position, self.net_.counts, before, labels
                )
                if self.views is not None:  # the labels are those of the samples as they are
                    z = encoder(self.views(x[i]))
                loss = pseudo_label_loss(head(z), labels)
                descend(loss, optimizer)
                if self.compensate:
                    position = compensate_drift(position, before, encode(encoder, x[i]), labels)
                centers.place(position)
                self.net_.counts.copy_(counts)
                epoch.log(classification=loss)
        self.relabel(self.assign(x))

    def run(self, x: Tensor) -> None:
        self.place_centers(x)
        self.refine(x)

    def embed(self, x: Tensor) -> Tensor:
        return encode(self.net_.encoder, x)

    def assign(self, x: Tensor) -> Tensor:
        return encode(self.net_.centers, self.embed(x))

    @property
    def cluster_centers_(self) -> np.ndarray:
        """Centers (k, m) in feature space."""
        return self.net_.centers.position.detach().cpu().numpy()
