"""JULE, joint unsupervised learning: merge clusters, learn from them, merge what was learned.

Clusters begin as pairs and triples of nearest neighbours. In each period a network learns by
triplets that samples of one cluster are nearer to each other than to samples of other clusters;
its features, of length 1, make a new graph of neighbours, and on it most of the clusters are
merged, those with the strongest edges between them. When `n_clusters` are left, the features are
merged once more, from the beginning. Nothing is learned that could place a new sample.
Source: Yang, Parikh, Batra, "Joint Unsupervised Learning of Deep Representations and Image
Clusters", CVPR 2016. Procedure and settings are those of the program that its authors released
for Torch, which, they say, differs slightly from the one of the paper.

Differs from the paper:
1. We follow the program. With network="cnn" and layers=(50, 160) the network is its one for USPS
   but for a border of zeros, which keeps the sides of an image; the default is for rows.
2. The learning rate stays as it is; the program's falls slowly with the steps.
3. Negatives may be drawn twice for a pair, and clusters without affinity to any other are given
   to their neighbours all at once.
4. The lead of the best partner counts in all merges; there, while there are over 100 clusters.
5. Weights begin as PyTorch's do; the program's with a standard deviation of 0.01.
6. The graphs between periods are made with the running means of the batch normalisation; there,
   with those of the batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, one_hot

from dclib import check
from dclib.check import Count, Flag, Network, Rate, Rule, Share, Size, Sizes, is_whole
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import batches, descend, encode
from dclib.losses import (
    agglomerate,
    cluster_affinity,
    directed_graph,
    nearest_components,
    triplet_loss,
)
from dclib.networks import mlp

Rivals = Annotated[int, Rule("a whole number of at least 2", lambda v: is_whole(v) and v >= 2)]
Part = Annotated[Share, Rule("a share above 0", lambda v: v > 0)]


@dataclass(eq=False, repr=False)
class JULE(Clusterer):
    """Cluster by merging, and by learning from what was merged.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = JULE(n_clusters=3, layers=(8, 4), n_neighbors=5, period_epochs=2, random_state=0)
    >>> model.fit_predict(x).shape
    (40,)
    """

    n_clusters: Size = 8
    network: Network = "mlp"  # "cnn" for images (n, c, h, w): layers are channels and the features
    layers: Sizes = (500, 160)
    n_neighbors: Size = 20  # of the graph; the paper's K_s
    n_rivals: Rivals = 5  # the next clusters that a merge looks at; the paper's K_c
    contrast: Rate = 1.0  # of how much nearer the nearest cluster is than the other rivals
    merged: Part = 0.9  # of the clusters, between two periods; the paper's unrolling rate
    period_epochs: Count = 20
    n_negatives: Size = 20  # for each pair of a cluster
    margin: Rate = 0.2
    anew: Flag = True  # merge the last features from the beginning, or keep the clusters grown
    lr: Rate = 0.01
    memory: Rate = 8.0  # gigabytes that the n x n graph may take
    batch_size: Size = 100
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    transductive: ClassVar[bool] = True
    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="clustering network, from scratch",
        architecture="convolutional network",
        network_loss="none",
        clustering_loss="agglomerative",
        schedule="alternating",
        features="one layer",
        year=2016,
        source="yang2016jule",
    )

    @phase
    def build(self, x: Tensor) -> None:
        check.memory(x, squares=3, limit=self.memory)  # the graph, its paths, the affinities
        net = perceptron if self.network == "mlp" else pooled
        self.net_ = nn.ModuleDict({"body": net(x.shape[1:], self.layers, x.dtype)})
        k = min(self.n_neighbors, len(x) - 1)
        self.net_.register_buffer("neighbours", torch.zeros(len(x), k, dtype=torch.long))
        self.net_.register_buffer("n_first", torch.tensor(0))

    @phase
    def begin(self, x: Tensor) -> None:
        parts = self._parts(self._join(normalize(x.flatten(1))))
        self.net_.n_first.copy_(parts.max() + 1)
        self.labels_ = parts.cpu().numpy()

    @phase
    def train(self, x: Tensor) -> None:
        weights = self.net_.body.parameters()
        optimizer = torch.optim.SGD(weights, self.lr, momentum=0.9, weight_decay=5e-5)
        sizes = self.sizes()
        for epoch in self.epochs((len(sizes) - 1) * self.period_epochs, "train", optimizer):
            period, rest = divmod(epoch.number, self.period_epochs)
            if period and rest == 0:
                self._merge(self.embed(x), sizes[period])
            labels = self._labels(x)
            for rows in batches(len(x), self.batch_size, even=True):
                anchor, positive, negative = triplets(labels[rows], self.n_negatives)
                if len(anchor):
                    z = normalize(self.net_.body(x[rows]).to(x.dtype))
                    loss = triplet_loss(z[anchor], z[positive], z[negative], margin=self.margin)
                    descend(loss, optimizer)
                    epoch.log(triplets=loss)

    @phase
    def merge(self, x: Tensor) -> None:
        self._merge(self.embed(x), self.n_clusters, self.anew)

    def sizes(self) -> list[int]:
        """How many clusters there are in each period, and at the end."""
        sizes = [self.net_.n_first.item()]
        while sizes[-1] > self.n_clusters:
            left = sizes[-1] - math.ceil(self.merged * sizes[-1])
            sizes.append(max(left, self.n_clusters))
        return sizes

    def _join(self, z: Tensor) -> Tensor:
        """The graph (n, n) from every sample to its nearest neighbours; keeps who they are."""
        graph = directed_graph(z, self.net_.neighbours.shape[1])
        self.net_.neighbours.copy_(graph.topk(self.net_.neighbours.shape[1]).indices)
        return graph

    def _parts(self, graph: Tensor) -> Tensor:
        """The clusters that merging begins with: at least as many as it is to end with."""
        parts = nearest_components(graph)
        enough = parts.max() + 1 >= self.n_clusters
        return parts if enough else torch.arange(len(parts), device=parts.device)

    def _merge(self, z: Tensor, n_clusters: int, anew: bool = False) -> None:
        """Merge the clusters on the graph of these features."""
        graph = self._join(z)
        labels = self._parts(graph) if anew else self._labels(z)
        if labels.max() + 1 > 20 * n_clusters:
            labels = adopt(z, labels, cluster_affinity(graph, labels))
        merged = agglomerate(graph, labels, n_clusters, self.contrast, self.n_rivals)
        self.labels_ = merged.cpu().numpy()

    def _labels(self, x: Tensor) -> Tensor:
        return torch.from_numpy(self.labels_).to(x.device)

    def run(self, x: Tensor) -> None:
        self.begin(x)
        self.train(x)
        self.merge(x)

    def embed(self, x: Tensor) -> Tensor:
        return normalize(encode(self.net_.body, x))


def perceptron(shape: Sequence[int], layers: Sequence[int], dtype: torch.dtype) -> nn.Sequential:
    """Stack linear layers, each but the last normalised over the batch and bent by a ReLU."""
    return mlp((*shape, *layers), dtype=dtype, norm=True)


def pooled(shape: Sequence[int], layers: Sequence[int], dtype: torch.dtype) -> nn.Sequential:
    """Stack convolutions of 5 pixels that keep the sides and maxima that halve them, and a layer.

    Shapes: shape (c, h, w) or (c, length) of one sample; forward takes (n, *shape) and returns
    (n, layers[-1]). The other layers are maps, normalised over the batch and bent by a ReLU.

    >>> pooled((1, 9, 8), (4, 6, 5), torch.float32)(torch.zeros(3, 1, 9, 8)).shape
    torch.Size([3, 5])
    """
    *maps, features = layers
    of_images = nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d
    of_series = nn.Conv1d, nn.BatchNorm1d, nn.MaxPool1d
    convolution, norm, pool = of_images if len(shape) == 3 else of_series
    net: list[nn.Module] = []
    for before, after in pairwise([shape[0], *maps]):
        net += [convolution(before, after, 5, padding=2, dtype=dtype), norm(after, dtype=dtype)]
        net += [nn.ReLU(), pool(2, ceil_mode=True)]
    sides = [math.ceil(side / 2 ** len(maps)) for side in shape[1:]]
    width = math.prod([maps[-1] if maps else shape[0], *sides])
    return nn.Sequential(*net, nn.Flatten(), nn.Linear(width, features, dtype=dtype))


def adopt(z: Tensor, labels: Tensor, affinity: Tensor) -> Tensor:
    """Give each cluster that is alike to no other to the one with the nearest mean.

    Shapes: z (n, m), labels (n,) 0..k-1, affinity (k, k). Returns labels (n,), with gaps.

    >>> z, affinity = torch.tensor([[0.0], [5.0], [6.0]]), torch.zeros(3, 3)
    >>> affinity[0, 1] = affinity[1, 0] = 1.0
    >>> adopt(z, torch.arange(3), affinity)
    tensor([0, 1, 1])
    """
    stray = affinity.clone().fill_diagonal_(0).sum(1) == 0
    if stray.all():
        return labels
    member = one_hot(labels).to(z.dtype)
    means = member.T @ z / member.sum(0)[:, None]
    nearest = torch.cdist(means, means).masked_fill(stray, math.inf).argmin(1)
    return nearest.where(stray, torch.arange(len(stray), device=z.device))[labels]


def triplets(labels: Tensor, n_negatives: int) -> tuple[Tensor, Tensor, Tensor]:
    """List all pairs of one cluster in a batch, and draw for each some samples of other clusters.

    Shapes: labels (b,). Returns places in the batch: one of each pair (a,), the other (a,), and
    negatives (a, n_negatives); none at all where the batch is of one cluster.

    >>> triplets(torch.tensor([0, 1, 0]), n_negatives=2)
    (tensor([0]), tensor([2]), tensor([[1, 1]]))
    """
    alike = labels[:, None] == labels
    anchor, positive = torch.where(alike.triu(1) & ~alike.all())
    if not len(anchor):
        return anchor, positive, anchor[:, None].expand(-1, n_negatives)
    others = (~alike[anchor]).double()
    return anchor, positive, others.multinomial(n_negatives, replacement=True)
