"""DAC, deep adaptive clustering: are these two the same? First the sure pairs, in the end all.

A network gives every image label features: one number a cluster, none negative, of length 1. Where
two images' product is near 1 they are taken for the same cluster, where it is small for different
ones, and the network learns that. At first only the surest pairs count; two thresholds close, until
every pair does. The largest label feature is the cluster. Nothing is pre-trained, nothing rebuilt.
Source: Chang, Wang, Meng, Xiang, Pan, "Deep Adaptive Image Clustering", ICCV 2017.

Differs from the paper:
1. A small network with strides; the paper's is deeper. Its batches, rates and epochs are ours.
2. Pairs are chosen on the images as they are, and learned on changed ones (`views`), as in the
   released code. The thresholds close over all epochs; the paper closes them by small steps.
3. The pairs are those of a batch, each step; the code chooses for 1,000 images at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dclib import augment
from dclib.check import Count, Network, Rate, Share, Size, Sizes, Views
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import batches, descend, encode
from dclib.losses import label_features, pair_loss, pair_thresholds
from dclib.networks import body


@dataclass(eq=False, repr=False)
class DAC(Clusterer):
    """Cluster by telling pairs of one cluster from pairs of two.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = DAC(n_clusters=3, layers=(8,), train_epochs=5, random_state=0)
    >>> model.fit_predict(x).shape
    (40,)
    """

    n_clusters: Size = 8
    network: Network = "mlp"  # "cnn" for images (n, c, h, w): layers are channels and a dense one
    layers: Sizes = (500, 500)
    views: Views = None  # takes a batch, returns it changed at random; None: `augment.mild`
    closed: Share = 1.0  # how far the thresholds have closed by the end; 0: the sure pairs only
    train_epochs: Count = 50
    lr: Rate = 0.001
    batch_size: Size = 500
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="clustering network, from scratch",
        architecture="convolutional network",
        network_loss="none",
        clustering_loss="pairwise similarity",
        schedule="joint training",
        features="one layer",
        year=2017,
        source="chang2017dac",
    )

    @phase
    def build(self, x: Tensor) -> None:
        net = body(self.network, x.shape[1:], self.layers, x.dtype)
        k = self.n_clusters
        # Normalised scores differ from the start; of nearly equal ones no pair is dissimilar.
        linear = nn.Linear(self.layers[-1], k, dtype=x.dtype)
        head = nn.Sequential(linear, nn.BatchNorm1d(k, dtype=x.dtype))
        self.net_ = nn.ModuleDict({"body": net, "head": head})

    @phase
    def train(self, x: Tensor) -> None:
        net, views = nn.Sequential(self.net_.body, self.net_.head), self.views or augment.mild
        optimizer = torch.optim.RMSprop(net.parameters(), lr=self.lr)
        for epoch in self.epochs(self.train_epochs, "train", optimizer):
            upper, lower = pair_thresholds(self.closed * epoch.t)
            for i in batches(len(x), self.batch_size, even=True):
                with torch.no_grad():
                    clean = label_features(net(x[i]).to(x.dtype))  # autocast gives bfloat16
                features = label_features(net(views(x[i])).to(x.dtype))
                loss = pair_loss(features, upper, lower, clean)
                descend(loss, optimizer)
                epoch.log(pairs=loss)
        self.relabel(self.assign(x))

    def run(self, x: Tensor) -> None:
        self.train(x)

    def embed(self, x: Tensor) -> Tensor:
        return encode(self.net_.body, x)

    def assign(self, x: Tensor) -> Tensor:
        return encode(self.net_.head, self.embed(x)).softmax(1)
