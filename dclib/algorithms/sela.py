"""SeLa, self-labelling: labels in equal parts, by optimal transport, learned as if they were true.

A network and a softmax head say how probable each cluster is. Then, for all samples at once, labels
are given out so that they are as probable as can be while every cluster gets the same share:
transport of the samples to the clusters, solved by Sinkhorn's iteration. The network learns these
labels from changed samples, and so on in turn. Equal parts keep all from ending in one cluster.
Source: Asano, Rupprecht, Vedaldi, "Self-labelling via Simultaneous Clustering and Representation
Learning", ICLR 2020.

Differs from the paper:
1. The paper learns representations, with thousands of clusters and several heads that share a
   network; here there is one head, and its clusters are the result.
2. Small networks, our rates and epochs; labels are given anew every epoch (the paper: 100 times in
   the 400 epochs of ImageNet).
3. The setting `sharpness` is in units of the spread of the log-probabilities, which grows while
   the network learns, so that as many rounds make equal parts at the end as at the beginning.
4. The labels of the end are the largest probabilities, which need not be of equal parts.
5. Labels are given to the samples as they are, in a fixed number of rounds; the released code gives
   them to changed ones, until the parts are even.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dclib import augment
from dclib.assign import sinkhorn
from dclib.check import Count, Network, Rate, Size, Sizes, Views
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import batches, descend, encode
from dclib.losses import pseudo_label_loss
from dclib.networks import body


@dataclass(eq=False, repr=False)
class SeLa(Clusterer):
    """Cluster by labels in equal parts that the network finds most probable.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = SeLa(n_clusters=3, layers=(8,), train_epochs=5, random_state=0)
    >>> model.fit_predict(x).shape
    (40,)
    """

    n_clusters: Size = 8
    network: Network = "mlp"  # "cnn" for images (n, c, h, w): layers are channels and a dense one
    layers: Sizes = (500, 500)
    views: Views = None  # takes a batch, returns it changed at random; None: `augment.mild`
    sharpness: Rate = 25.0  # the paper's lambda: nearer to the best equal parts, in more rounds
    rounds: Size = 100  # of Sinkhorn's iteration; with too few, parts are not equal
    train_epochs: Count = 50
    lr: Rate = 0.001
    batch_size: Size = 250
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="clustering network, from scratch",
        architecture="convolutional network",
        network_loss="none",
        clustering_loss="cluster classification, in equal parts",
        schedule="joint training",
        features="one layer",
        year=2020,
        source="asano2020sela",
    )

    @phase
    def build(self, x: Tensor) -> None:
        net = body(self.network, x.shape[1:], self.layers, x.dtype)
        head = nn.Linear(self.layers[-1], self.n_clusters, dtype=x.dtype)
        self.net_ = nn.ModuleDict({"body": net, "head": head})

    @phase
    def train(self, x: Tensor) -> None:
        net, views = nn.Sequential(self.net_.body, self.net_.head), self.views or augment.mild
        optimizer = torch.optim.Adam(net.parameters(), lr=self.lr, fused=True)
        for epoch in self.epochs(self.train_epochs, "train", optimizer):
            labels = self.share_out(self._log_q(net, x))
            for i in batches(len(x), self.batch_size, even=True):
                loss = pseudo_label_loss(net(views(x[i])).to(x.dtype), labels[i])
                descend(loss, optimizer)
                epoch.log(classification=loss)
        self.relabel(self.assign(x))

    def share_out(self, log_q: Tensor) -> Tensor:
        """Labels (n,) in equal parts whose log-probabilities log_q (n, k) have the largest sum."""
        spread = log_q.std(0).mean().clamp_min(torch.finfo(log_q.dtype).tiny)
        return sinkhorn(log_q / spread, 1 / self.sharpness, self.rounds).argmax(1)

    def _log_q(self, net: nn.Module, x: Tensor) -> Tensor:
        """Log-probabilities (n, k) of the network as it trains, each batch normalised by itself."""
        log_q = x.new_empty(len(x), self.n_clusters)
        with torch.no_grad():
            for i in batches(len(x), self.batch_size, even=True):
                log_q[i] = net(x[i]).to(x.dtype).log_softmax(1)
        return log_q

    def run(self, x: Tensor) -> None:
        self.train(x)

    def embed(self, x: Tensor) -> Tensor:
        return encode(self.net_.body, x)

    def assign(self, x: Tensor) -> Tensor:
        return encode(self.net_.head, self.embed(x)).softmax(1)
