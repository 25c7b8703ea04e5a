"""DEPICT: what a softmax says of a clean image, a corrupted copy has to say too.

A denoising autoencoder that rebuilds every layer, with a softmax on its code. The targets are the
softmax's own answers to the clean samples, divided by the root of the cluster sizes so that no
cluster takes all; the network is trained to give them for corrupted samples while it goes on
rebuilding.
Source: Ghasedi Dizaji, Herandi, Deng, Cai, Huang, "Deep Clustering via Joint Convolutional
Autoencoder Embedding and Relative Entropy Minimization", ICCV 2017.

Differs from the paper:
1. One convolutional network for all data, with strides that halve and ReLU; an MLP for data
   without shape. Codes and rebuilt images are linear; the paper's end in tanh, of images scaled to
   [-1, 1].
2. Adam at ten times the rate, larger batches, fewer epochs, and no early stopping: the released
   code watches a tenth of the data that keeps the shares of the true classes.
3. The softmax starts from k-means on the codes, or from clusters merged on their graph of nearest
   neighbours; of more than `n_merged` samples, small clusters of k-means are merged by their means.
   The paper takes k-means for large sets, and merges small ones by another affinity (path integrals
   in place of degrees); here every edge of the graph counts both ways.
4. The softmax has a bias, as in the released code; the paper's formula has none.
5. What the hidden layers have to rebuild is held constant, so that no layer gains by becoming
   easy to rebuild.
6. Targets are those of the network at the start of an epoch; the released code takes each
   sample's from its last step, an epoch old at most.
7. Stops when few labels change; the released code, when the targets stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dclib.assign import balance, kmeans, sharpen
from dclib.check import Count, Network, Rate, Rule, Share, Size, Sizes, Weight
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import batches, descend, encode
from dclib.losses import (
    agglomerate,
    directed_graph,
    nearest_components,
    pseudo_label_loss,
    squared_error,
)
from dclib.networks import autoencoder, layer_outputs
from dclib.schedules import schedule

TARGETS = {"root": balance, "square": sharpen}
Target = Annotated[str, Rule("'root' or 'square'", lambda v: v in list(TARGETS))]
STARTS = ("kmeans", "agglomerative")
Start = Annotated[str, Rule("'kmeans' or 'agglomerative'", lambda v: v in STARTS)]


@dataclass(eq=False, repr=False)
class DEPICT(Clusterer):
    """Cluster by a softmax that must say of corrupted samples what it says of clean ones.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = DEPICT(n_clusters=3, layers=(8, 2), pretrain_epochs=5, random_state=0)
    >>> model.fit_predict(x).shape
    (40,)
    """

    n_clusters: Size = 8
    network: Network = "mlp"  # "cnn" for images (n, c, h, w): layers are channels and the code
    layers: Sizes = (500, 500, 2000, 10)  # of the paper: "cnn", (50, 50, n_clusters)
    drop: Share = 0.1  # share of the input of each layer, but the code's, that noise sets to 0
    hidden_weight: Share = 0.1  # released code: of rebuilding a hidden layer, beside the input
    pretrain_epochs: Count = 100
    start: Start = "kmeans"  # "agglomerative" is, on USPS, that of the paper
    n_init: Size = 20  # of k-means
    n_neighbors: Size = 20  # of the graph of the agglomerative start
    n_merged: Size = 2000  # of more samples, the graph joins the means of so many small clusters
    head_epochs: Count = 10
    refine_epochs: Count = 50
    target: Target = "root"  # the paper's q; "square" is that of the released code, and DEC's
    gamma: Weight = 1.0  # of the clustering loss; 1 in the released code
    lr: Rate = 0.001
    tol: Share = 0.001
    batch_size: Size = 256
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="autoencoder",
        architecture="convolutional autoencoder",
        network_loss="reconstruction of every layer, from noise",
        clustering_loss="balanced cluster assignment",
        schedule="pre-training, then joint training",
        features="one layer",
        year=2017,
        source="dizaji2017depict",
    )

    @phase
    def build(self, x: Tensor) -> None:
        if self.start == "agglomerative" and self.n_merged < self.n_clusters:
            expected = f"expected at least n_clusters={self.n_clusters}"
            raise ValueError(f"n_merged={self.n_merged}, {expected}")
        auto = autoencoder(self.network, x.shape[1:], self.layers, x.dtype)
        head = nn.Linear(self.layers[-1], self.n_clusters, dtype=x.dtype)
        self.net_ = nn.ModuleDict({"auto": auto, "head": head})

    @phase
    def pretrain(self, x: Tensor) -> None:
        optimizer = torch.optim.Adam(self.net_.auto.parameters(), lr=self.lr, fused=True)
        for epoch in self.epochs(self.pretrain_epochs, "pretrain", optimizer):
            for i in batches(len(x), self.batch_size):
                loss, _ = self._rebuild(x[i])
                descend(loss, optimizer)
                epoch.log(reconstruction=loss)

    @phase
    def place_head(self, x: Tensor) -> None:
        z, k = self.embed(x), self.n_clusters
        labels = kmeans(z, k, self.n_init)[0] if self.start == "kmeans" else self._merge(z)
        members = nn.functional.one_hot(labels, k).to(z.dtype)
        means = members.T @ z / members.sum(0)[:, None].clamp_min(1)
        with torch.no_grad():
            self.net_.head.weight.copy_(nn.functional.normalize(means))
            self.net_.head.bias.zero_()
        self.relabel(members)

    @phase
    def fit_head(self, x: Tensor) -> None:
        labels = torch.from_numpy(self.labels_).to(x.device)
        optimizer = torch.optim.Adam(self.net_.parameters(), lr=self.lr, fused=True)
        for epoch in self.epochs(self.head_epochs, "head", optimizer):
            for i in batches(len(x), self.batch_size):
                rebuilt, noisy = self._rebuild(x[i])
                loss = pseudo_label_loss(self.net_.head(noisy), labels[i])
                descend(rebuilt + loss, optimizer)
                epoch.log(reconstruction=rebuilt, classification=loss)

    @phase
    def refine(self, x: Tensor) -> None:
        optimizer = torch.optim.Adam(self.net_.parameters(), lr=self.lr, fused=True)
        gamma = schedule(self.gamma)
        for epoch in self.epochs(self.refine_epochs, "refine", optimizer):
            p = self.assign(x)  # the paper's p, of clean samples
            moved = self.relabel(p)
            if epoch.number > 0 and moved < self.tol:
                self.stop_reason_ = f"refine: {moved:.2%} of the labels moved, tol={self.tol:.2%}"
                break
            q = TARGETS[self.target](p)  # the paper's q
            for i in batches(len(x), self.batch_size):
                rebuilt, noisy = self._rebuild(x[i])
                said = self.net_.head(noisy).log_softmax(1)
                clustering = -(q[i] * said).sum(1).mean()
                descend(rebuilt + gamma(epoch.t) * clustering, optimizer)
                epoch.log(reconstruction=rebuilt, clustering=clustering)
        self.relabel(self.assign(x))

    def _rebuild(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of rebuilding input and hidden layers from noise, means over pixels; noisy codes."""
        encoder, decoder = self.net_.auto.encoder, self.net_.auto.decoder
        with torch.no_grad():
            clean = [x.flatten(1), *layer_outputs(encoder, x)[:-1]]
        noise = [self.drop] * (len(clean) - 1)  # the code's own input stays whole
        noisy = layer_outputs(encoder, x, noise)[-1]
        rebuilt = reversed(layer_outputs(decoder, noisy))
        errors = [
            squared_error(h_hat, h) / h.shape[1] for h_hat, h in zip(rebuilt, clean, strict=True)
        ]
        return errors[0] + self.hidden_weight * sum(errors[1:]), noisy

    def _merge(self, z: Tensor) -> Tensor:
        """Merge the codes on their graph of neighbours until there are as many as clusters."""
        with torch.autocast(z.device.type, enabled=False):  # affinities need all their digits
            if len(z) > self.n_merged:
                parts, means = kmeans(z, self.n_merged, n_init=1)
                return self._merge(means)[parts]
            graph = directed_graph(z, min(self.n_neighbors, len(z) - 1))
            # Outliers that nobody points at could not be merged on the graph as it is.
            return agglomerate(graph + graph.T, nearest_components(graph), self.n_clusters)

    def run(self, x: Tensor) -> None:
        self.pretrain(x)
        self.place_head(x)
        self.fit_head(x)
        self.refine(x)

    def embed(self, x: Tensor) -> Tensor:
        return encode(self.net_.auto.encoder, x)

    def assign(self, x: Tensor) -> Tensor:
        return encode(self.net_.head, self.embed(x)).softmax(1)
