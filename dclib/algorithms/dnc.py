"""DNC, deep learning with nonparametric clustering: how many clusters there are is inferred.

A deep belief network gives the codes. Clusters have weight vectors; a code belongs where its
score is highest, by a margin, and a Dirichlet process prior lets clusters close and new ones open.
Weights and labels are fitted in turn; then the network is refined by the same margin.
Source: Chen, "Deep Learning with Nonparametric Clustering", arXiv 1501.03084, 2015.

Differs from the paper:
1. Every sample takes its best cluster, where a sampler would draw one; what a new cluster offers is
   our choice (see `crp_assign`).
2. Sizes, margin, precision and rates are our choice, the paper's not known to us.
3. Visible units are Gaussian, so that the data may be any numbers; the machines begin with weights
   of Glorot's size. The codes are the input of the topmost hidden units, before the sigmoid,
   brought to mean 0 and one common variance. Weights of longer codes have a narrower prior.
4. The refinement goes through all layers, with a small rate and no other loss.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dclib.assign import kmeans
from dclib.check import Count, Rate, Size, Sizes
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import batches, descend, encode
from dclib.losses import crp_assign, margin_loss
from dclib.networks import DeepBelief, train_belief


class Scale(nn.Module):
    """Take the mean from every feature, and divide all features by one number."""

    def __init__(self, width: int, dtype: torch.dtype):
        super().__init__()
        self.register_buffer("mean", torch.zeros(width, dtype=dtype))
        self.register_buffer("unit", torch.ones((), dtype=dtype))

    def measure(self, x: Tensor, unit: float = 1.0) -> None:
        """Give x (n, width) mean 0, and a standard deviation of 1 / unit over all numbers."""
        x = x.contiguous()  # one order of summation, however the rows lie in memory
        self.mean = x.mean(0)
        size = (x - self.mean).square().mean().sqrt()
        self.unit = (unit * size).clamp_min(torch.finfo(x.dtype).eps)

    def forward(self, x: Tensor) -> Tensor:
        return (x.contiguous() - self.mean) / self.unit


class OpenHead(nn.Module):
    """Weights (k, m + 1) and sizes (k,) of clusters whose number may change.

    Forward takes codes z (n, m) and returns scores (n, k), w_j . (z_i, 1).
    """

    def __init__(self, code_size: int, dtype: torch.dtype):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, code_size + 1, dtype=dtype))
        self.register_buffer("sizes", torch.zeros(1, dtype=dtype))

    def forward(self, z: Tensor) -> Tensor:
        return with_one(z) @ self.weight.T

    def set(self, weight: Tensor, labels: Tensor) -> None:
        """Take over clusters, as many as weight has rows, and count their members."""
        self.weight = nn.Parameter(weight)
        self.sizes = torch.bincount(labels, minlength=len(weight)).to(weight)

    def _load_from_state_dict(self, state: dict, prefix: str, *rest) -> None:
        weight = state[prefix + "weight"].to(self.weight)
        self.set(weight, torch.zeros(0, dtype=torch.long, device=weight.device))
        super()._load_from_state_dict(state, prefix, *rest)


@dataclass(eq=False, repr=False)
class DNC(Clusterer):
    """Cluster by margins between clusters that open and close.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = DNC(n_clusters=1, layers=(8, 2), pretrain_epochs=5, random_state=0).fit(x)
    >>> model.labels_.shape, model.n_clusters_ == len(set(model.labels_))
    ((40,), True)
    """

    n_clusters: Size = 8  # to begin with, by k-means; `n_clusters_` says how many were inferred
    layers: Sizes = (500, 100)  # hidden units of each machine
    pretrain_epochs: Count = 100  # of each machine
    pretrain_lr: Rate = 0.01  # of the first machine; ten times as much of the others, all binary
    noise: Rate = 0.3  # of the visible units, in standard deviations of the data
    concentration: Rate = 1.0  # of the Dirichlet process: more of it, more clusters
    margin: Rate = 10.0
    precision: Rate = 0.04  # of the prior on the weights, for each number of a code
    cluster_epochs: Count = 12  # rounds of weights and labels, fewer where no label moves
    weight_steps: Size = 60  # of the clusters' weights, in a round
    weight_rate: Rate = 0.1  # of these steps; codes of any data have the same scale here
    refine_epochs: Count = 10
    lr: Rate = 0.0001  # of the network
    batch_size: Size = 256
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="clustering network, pre-trained",
        architecture="deep belief network",
        network_loss="none",
        clustering_loss="nonparametric maximum margin",
        schedule="pre-training, then fine-tuning",
        features="one layer",
        year=2015,
        source="chen2015dnc",
    )

    @phase
    def build(self, x: Tensor) -> None:
        belief = DeepBelief((*x.shape[1:], *self.layers), x.dtype, gaussian=True)
        for rbm in belief.encoder:
            nn.init.xavier_normal_(rbm.weight)  # from smaller ones all hidden units learn the same
        encoder = belief.unroll().encoder[:-1]  # without the last sigmoid
        head = OpenHead(self.layers[-1], x.dtype)
        scales = nn.ModuleList([Scale(x.shape[1], x.dtype), Scale(self.layers[-1], x.dtype)])
        self.net_ = nn.ModuleDict(
            {"belief": belief, "encoder": encoder, "head": head, "scales": scales}
        )

    @phase
    def pretrain(self, x: Tensor) -> None:
        belief, encoder = self.net_.belief, self.net_.encoder
        of_data, of_codes = self.net_.scales
        of_data.measure(x, self.noise)
        epochs = functools.partial(self.epochs, self.pretrain_epochs)
        rates = [self.pretrain_lr, *[10 * self.pretrain_lr] * (len(self.layers) - 1)]
        train_belief(belief, of_data(x), epochs, rates, self.batch_size)
        encoder.load_state_dict(belief.unroll().encoder[:-1].state_dict())
        of_codes.measure(encode(encoder, of_data(x)))

    @phase
    def open(self, x: Tensor) -> None:
        z = self.embed(x)
        labels, _ = kmeans(z, self.n_clusters)
        self._keep_clusters(z.new_zeros(self.n_clusters, z.shape[1] + 1), labels)

    @phase
    def cluster(self, x: Tensor) -> None:
        z = self.embed(x)
        for epoch in self.epochs(self.cluster_epochs, "cluster"):
            labels, weight = torch.from_numpy(self.labels_).to(z.device), self.net_.head.weight
            optimizer = torch.optim.Adam([weight], lr=self.weight_rate, fused=True)
            for _ in range(self.weight_steps):
                loss = self._margin(z, labels)
                descend(loss, optimizer)
            epoch.log(margin=loss)
            if torch.equal(self._seat(z, labels), labels):
                self.stop_reason_ = "cluster: no label moved"
                break

    @phase
    def refine(self, x: Tensor) -> None:
        optimizer = torch.optim.Adam(self.net_.encoder.parameters(), lr=self.lr, fused=True)
        for epoch in self.epochs(self.refine_epochs, "refine", optimizer):
            labels, weight = torch.from_numpy(self.labels_).to(x.device), self.net_.head.weight
            of_weights = torch.optim.Adam([weight], lr=self.weight_rate, fused=True)
            for i in batches(len(x), self.batch_size):
                loss = self._margin(self._code(x[i]), labels[i])
                descend(loss, optimizer, of_weights)
                epoch.log(margin=loss)
            self._seat(self.embed(x), labels)
        labels = self.assign(x).argmax(1)
        used, labels = labels.unique(return_inverse=True)
        self._keep_clusters(self.net_.head.weight.detach()[used], labels)

    def _margin(self, z: Tensor, labels: Tensor) -> Tensor:
        weight = self.net_.head.weight
        size = weight.square().sum() / len(self.labels_)
        precision = self.precision * z.shape[1]
        return margin_loss(with_one(z), weight, labels, self.margin) + precision / 2 * size

    def _seat(self, z: Tensor, labels: Tensor) -> Tensor:
        """Let every sample choose among the clusters and a new one; returns the labels (n,)."""
        weight = self.net_.head.weight.detach()
        precision = self.precision * z.shape[1]  # what a new cluster offers is then of one size
        labels, weight = crp_assign(with_one(z), weight, labels, self.concentration, precision)
        self._keep_clusters(weight, labels)
        return labels

    def _keep_clusters(self, weight: Tensor, labels: Tensor) -> None:
        self.net_.head.set(weight, labels)
        self.labels_ = labels.cpu().numpy()

    def _code(self, x: Tensor) -> Tensor:
        of_data, of_codes = self.net_.scales
        return of_codes(self.net_.encoder(of_data(x)))

    def run(self, x: Tensor) -> None:
        self.pretrain(x)
        self.open(x)
        self.cluster(x)
        self.refine(x)

    def embed(self, x: Tensor) -> Tensor:
        return encode(self._code, x)

    def assign(self, x: Tensor) -> Tensor:
        head = self.net_.head
        return encode(lambda z: (head(z) + head.sizes.log()).softmax(1), self.embed(x))

    @property
    def n_clusters_(self) -> int:
        """How many clusters were inferred."""
        return len(self.net_.head.weight)


def with_one(z: Tensor) -> Tensor:
    """Append a 1 to each code, for the bias: (n, m) to (n, m + 1)."""
    return torch.cat([z, torch.ones_like(z[:, :1])], 1)
