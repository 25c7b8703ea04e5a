"""DSC-Nets: rebuild every code from the codes of the other samples, and cut the graph of who helps.

An autoencoder with a layer between encoder and decoder that replaces each code by a combination
of the others. Samples of one subspace need only each other; the coefficients become a graph, and
its spectrum the clusters. Nothing is learned that could place a new sample.
Source: Ji, Zhang, Li, Salzmann, Reid, "Deep Subspace Clustering Networks", NIPS 2017.

Differs from the paper:
1. One border of zeros and one kernel size for all layers; sizes are settings. The decoder's output
   is linear, where the released code has a ReLU.
2. The pre-training is ours; when theirs was stopped is not known.
3. By default the coefficients are only made symmetric, the same for all data. The released code has
   other steps behind them (`keep`, `rank`, `power`) and other numbers of steps for each data set;
   they are settings here. What there is but the labels to choose them by, we do not know.
4. The loss is divided by the number of samples; but for its epsilon, Adam takes the same path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dclib import check
from dclib.assign import cut, keep_largest, low_rank_affinity
from dclib.check import Count, Flag, Network, Rate, Rule, Share, Size, Sizes, is_whole
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import descend, encode
from dclib.losses import self_expression, self_expression_affinity, squared_error
from dclib.networks import Autoencoder, ConvAutoencoder

Norm = Annotated[int, Rule("1 or 2", lambda v: is_whole(v) and v in (1, 2))]


@dataclass(eq=False, repr=False)
class DSCNet(Clusterer):
    """Cluster by the graph of which codes rebuild which.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = DSCNet(n_clusters=3, layers=(8, 4), pretrain_epochs=5, refine_epochs=5)
    >>> model.fit_predict(x).shape
    (40,)
    """

    n_clusters: Size = 8
    network: Network = "mlp"  # "cnn" for images (n, c, h, w): layers are channels
    layers: Sizes = (500, 200)  # released code: "cnn", one to three layers of 3 to 50 channels
    pretrain_epochs: Count = 1000  # steps: all samples are one batch
    refine_epochs: Count = 500
    norm: Norm = 2  # of the coefficients: 2 is the paper's DSC-Net-L2, 1 its L1
    penalty: Rate = 1.0  # the paper's lambda_1: of the coefficients
    weight: Rate = 1.0  # the paper's lambda_2: of rebuilding codes by codes
    frozen: Flag = False  # a control: only the coefficients are refined, not the network
    keep: Share = 1.0  # share of a sample's coefficients, the largest, that make the graph
    rank: Count = 0  # directions a cluster: the affinity is made from that many, 0 for all
    power: Rate = 1.0  # of the affinity, where rank is not 0
    lr: Rate = 0.001
    memory: Rate = 8.0  # gigabytes that the n x n coefficients may take
    batch_size: Size = 256  # of encoding; training takes all samples at once
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    transductive: ClassVar[bool] = True
    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="autoencoder",
        architecture="convolutional autoencoder",
        network_loss="reconstruction, self-expression",
        clustering_loss="none",
        schedule="clustering after training",
        features="one layer",
        year=2017,
        source="ji2017dscnets",
    )

    @phase
    def build(self, x: Tensor) -> None:
        check.memory(x, squares=4, limit=self.memory)  # c, its gradient, Adam's two moments
        if self.network == "cnn":
            auto = ConvAutoencoder(x.shape[1:], self.layers, code_size=None, dtype=x.dtype)
        else:
            auto = Autoencoder((*x.shape[1:], *self.layers), dtype=x.dtype)
        self.net_ = nn.ModuleDict({"auto": auto})
        c = torch.full((len(x), len(x)), 1e-8, dtype=x.dtype)
        self.net_.register_parameter("c", nn.Parameter(c))

    @phase
    def pretrain(self, x: Tensor) -> None:
        auto = self.net_.auto
        optimizer = torch.optim.Adam(auto.parameters(), lr=self.lr, fused=True)
        for epoch in self.epochs(self.pretrain_epochs, "pretrain", optimizer):
            loss = squared_error(auto(x), x) / 2
            descend(loss, optimizer)
            epoch.log(reconstruction=loss)

    @phase
    def refine(self, x: Tensor) -> None:
        auto, c = self.net_.auto, self.net_.c
        auto.requires_grad_(not self.frozen)
        optimizer = torch.optim.Adam(self.net_.parameters(), lr=self.lr, fused=True)
        settings = {"penalty": 2 * self.penalty / self.weight, "power": self.norm}
        for epoch in self.epochs(self.refine_epochs, "refine", optimizer):
            z = auto.encoder(x)
            others = c if self.norm == 2 else c - c.diagonal().diag()
            rebuilt = squared_error(auto.decoder(others @ z), x) / 2
            expressed = self_expression(z, others, zero_diagonal=False, **settings)
            descend(rebuilt + self.weight / 2 * expressed, optimizer)
            epoch.log(reconstruction=rebuilt, self_expression=expressed)

    @phase
    def cut(self, x: Tensor) -> None:
        c = keep_largest(self.net_.c.detach(), self.keep)
        if self.rank:
            rank = min(self.rank * self.n_clusters + 1, len(x))
            affinity = low_rank_affinity(c, rank, self.power)
        else:
            affinity = self_expression_affinity(c)
        self.labels_ = cut(affinity, self.n_clusters).cpu().numpy()

    def run(self, x: Tensor) -> None:
        self.pretrain(x)
        self.refine(x)
        self.cut(x)

    def embed(self, x: Tensor) -> Tensor:
        return encode(self.net_.auto.encoder, x, self.batch_size)
