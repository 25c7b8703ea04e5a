"""Neural Clustering: cluster what all layers of an encoder see, side by side.

The code of an autoencoder has thrown away what its earlier layers still knew. Put the outputs of
all layers of the encoder side by side, each layer with the same say, and cluster these rows.
Source: Saito and Tan, "Neural Clustering: Concatenating Layers for Better Projections", ICLR 2017
workshop submission.

Differs from the paper:
1. Clusters the concatenated layers by k-means, the number of clusters given; the paper projects
   them further and clusters without that number.
2. Each layer is centered and divided by the root of its mean squared distance from the mean, so
   that a wide layer does not outvote a narrow one. Sizes and training are our choice, the paper's
   not known to us.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dclib.assign import kmeans
from dclib.check import Count, Network, Rate, Size, Sizes
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import encode
from dclib.networks import Centers, autoencoder, layer_outputs, pretrain


@dataclass(eq=False, repr=False)
class NeuralClustering(Clusterer):
    """Cluster the layers of an autoencoder's encoder, put side by side, by k-means.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = NeuralClustering(n_clusters=3, layers=(8, 2), pretrain_epochs=5, random_state=0)
    >>> model.fit(x).transform(x).shape  # 8 + 2
    (40, 10)
    """

    n_clusters: Size = 8
    network: Network = "mlp"  # "cnn" for images (n, c, h, w): layers are channels and the code
    layers: Sizes = (500, 500, 2000, 10)
    layer_epochs: Count = 0
    pretrain_epochs: Count = 200
    pretrain_lr: Rate = 1.0  # on the mean over pixels
    n_init: Size = 20
    batch_size: Size = 256
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="autoencoder",
        architecture="MLP autoencoder",
        network_loss="reconstruction",
        clustering_loss="none",
        schedule="clustering after training",
        features="several layers",
        year=2017,
        source="saito2017neural",
    )

    @phase
    def build(self, x: Tensor) -> None:
        auto = autoencoder(self.network, x.shape[1:], self.layers, x.dtype)
        with torch.no_grad():
            width = sum(h.shape[1] for h in layer_outputs(auto.encoder, x[:1].cpu()))
        centers = Centers(self.n_clusters, width, dtype=x.dtype)
        self.net_ = nn.ModuleDict({"auto": auto, "centers": centers})
        self.net_.register_buffer("mean", torch.zeros(width, dtype=x.dtype))
        self.net_.register_buffer("scale", torch.ones(width, dtype=x.dtype))  # one a layer

    @phase
    def pretrain(self, x: Tensor) -> None:
        pretrain(
            self.net_.auto, x, self.epochs,
            self.layer_epochs, self.pretrain_epochs, self.pretrain_lr, self.batch_size,
        )  # fmt: skip

    @phase
    def place_centers(self, x: Tensor) -> None:
        self._measure(x)
        _, positions = kmeans(self.embed(x), self.n_clusters, self.n_init)
        self.net_.centers.place(positions)
        self.relabel(self.assign(x))

    def _measure(self, x: Tensor) -> None:
        """Take mean and size of every layer from the samples."""
        layers = encode(lambda rows: torch.cat(layer_outputs(self.net_.auto.encoder, rows), 1), x)
        widths = [h.shape[1] for h in layer_outputs(self.net_.auto.encoder, x[:1])]
        self.net_.mean = layers.mean(0)
        apart = (layers - self.net_.mean).square().mean(0).split(widths)  # variances, by layer
        least = torch.finfo(x.dtype).eps  # all samples equal
        sizes = [
            variances.sum().sqrt().clamp_min(least).expand(len(variances)) for variances in apart
        ]
        self.net_.scale = torch.cat(sizes)

    def run(self, x: Tensor) -> None:
        self.pretrain(x)
        self.place_centers(x)

    def embed(self, x: Tensor) -> Tensor:
        return encode(self._layers, x)

    def _layers(self, x: Tensor) -> Tensor:
        layers = layer_outputs(self.net_.auto.encoder, x)
        return (torch.cat(layers, 1) - self.net_.mean) / self.net_.scale

    def assign(self, x: Tensor) -> Tensor:
        return encode(self.net_.centers, self.embed(x))

    @property
    def cluster_centers_(self) -> np.ndarray:
        """Centers (k, m) in the space of the layers side by side."""
        return self.net_.centers.position.detach().cpu().numpy()
