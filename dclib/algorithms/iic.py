"""IIC, invariant information clustering: what the clusters of two views tell of each other.

A network and a softmax head give every sample a distribution over the clusters. Each sample is
seen twice, as it is and changed at random. The table of how often cluster a of the one meets
cluster b of the other should hold as much mutual information as it can: then both views agree, each
is sure, and all clusters are used. Nothing is pre-trained, nothing rebuilt.
Source: Ji, Henriques, Vedaldi, "Invariant Information Clustering for Unsupervised Image
Classification and Segmentation", ICCV 2019.

Differs from the paper:
1. A small convolutional network with strides, or an MLP; the paper's are deeper.
2. The views are a setting; without one, mild ones. The paper crops, turns and recolours.
3. Both kinds of heads learn in every step; in the paper's code they take turns by epochs.
4. The rate falls to 0 along a cosine; epochs and batches are ours.
5. The scores of a head are normalised over the batch; the paper's heads are linear.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dclib import augment
from dclib.check import Count, Network, Rate, Size, Sizes, Views
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import batches, descend, encode
from dclib.losses import view_information
from dclib.networks import body
from dclib.schedules import Cosine


@dataclass(eq=False, repr=False)
class IIC(Clusterer):
    """Cluster so that two views of a sample tell as much as possible of each other.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = IIC(n_clusters=3, layers=(8,), train_epochs=5, random_state=0)
    >>> model.fit_predict(x).shape
    (40,)
    """

    n_clusters: Size = 8
    network: Network = "mlp"  # "cnn" for images (n, c, h, w): layers are channels and a dense one
    layers: Sizes = (500, 500)
    views: Views = None  # takes a batch, returns it changed at random; None: `augment.mild`
    n_copies: Size = 1  # changed copies of a sample in a step; 5 in the paper, for MNIST
    n_heads: Size = 5  # softmax heads; that with the lowest loss in the last epoch is kept
    n_over: Count = 0  # clusters of as many further heads, dropped at the end; 50 in the paper
    train_epochs: Count = 100
    balance: Rate = 1.0  # of the entropy of the clusters' shares; 1 is the mutual information
    lr: Rate = 0.001
    batch_size: Size = 500
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="clustering network, from scratch",
        architecture="convolutional network",
        network_loss="none",
        clustering_loss="mutual information of two views",
        schedule="joint training",
        features="one layer",
        year=2019,
        source="ji2019iic",
    )

    @phase
    def build(self, x: Tensor) -> None:
        net = body(self.network, x.shape[1:], self.layers, x.dtype)
        sizes = [self.n_clusters, self.n_over] if self.n_over else [self.n_clusters]
        heads = [Heads(self.n_heads, self.layers[-1], size, x.dtype) for size in sizes]
        self.net_ = nn.ModuleDict({"body": net, "heads": nn.ModuleList(heads)})
        self.net_.register_buffer("best", torch.tensor(0))

    @phase
    def train(self, x: Tensor) -> None:
        net, heads = self.net_.body, self.net_.heads
        views = self.views or augment.mild
        optimizer = torch.optim.Adam(self.net_.parameters(), lr=self.lr, fused=True)
        rate = Cosine(self.lr, 0)
        for epoch in self.epochs(self.train_epochs, "train", optimizer):
            optimizer.param_groups[0]["lr"] = rate(epoch.number / epoch.total)
            total = x.new_zeros(self.n_heads)
            for i in batches(len(x), self.batch_size, even=True):
                copies = x[i].repeat(self.n_copies, *[1] * (x.ndim - 1))
                z, z_view = net(x[i]).repeat(self.n_copies, 1), net(views(copies))
                losses = [-self._information(head(z), head(z_view)) for head in heads]
                descend(sum(loss.mean() for loss in losses), optimizer)
                total += losses[0].detach()
                epoch.log(information=-losses[0].mean())
            self.net_.best.copy_(total.argmin())
        self.relabel(self.assign(x))

    def _information(self, q: Tensor, q_view: Tensor) -> Tensor:
        """Of each head of q (n, heads, k) by itself."""
        pairs = zip(q.unbind(1), q_view.unbind(1), strict=True)
        return torch.stack([view_information(*pair, self.balance) for pair in pairs])

    def run(self, x: Tensor) -> None:
        self.train(x)

    def embed(self, x: Tensor) -> Tensor:
        return encode(self.net_.body, x)

    def assign(self, x: Tensor) -> Tensor:
        return encode(self.net_.heads[0], self.embed(x))[:, self.net_.best]


class Heads(nn.Module):
    """Several softmax heads side by side: features (n, m) to assignments (n, heads, k)."""

    def __init__(self, n_heads: int, inputs: int, n_clusters: int, dtype: torch.dtype):
        super().__init__()
        self.n_heads = n_heads
        linear = nn.Linear(inputs, n_heads * n_clusters, dtype=dtype)
        # Normalised scores differ from the start; of nearly equal ones clusters form much later.
        self.scores = nn.Sequential(linear, nn.BatchNorm1d(n_heads * n_clusters, dtype=dtype))

    def forward(self, z: Tensor) -> Tensor:
        scores = self.scores(z).to(self.scores[0].weight.dtype)  # autocast gives bfloat16
        return scores.unflatten(1, (self.n_heads, -1)).softmax(2)
