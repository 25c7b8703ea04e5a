"""GATCluster: look at one place of the image, and agree with what the whole image said.

A convolutional network gives features at every place of an image. Their mean is classified; so is
their sum under a Gaussian window whose middle and width the network chooses, its attention. A
batch first says what it takes its images for, as they are; then, in small batches, the network
learns from changed images to say the same, to use all clusters, to tell apart what k-means of the
answers tells apart, and to say from the window alone what the whole image said, only more surely.
Source: Niu, Zhang, Wang, Liang, "GATCluster: Self-Supervised Gaussian-Attention Network for Image
Clustering", ECCV 2020.

Differs from the paper:
1. Small: convolutions with strides, for small grey images; the released code has ten layers with
   pooling, and one more, of single places, below the answers.
2. The views are a setting; without one, mild ones. The code also mirrors, shears and changes
   brightness. Every pass sees new views; in the code the passes over a batch share one.
3. Rows, which have no places, have a single one; the window then only weighs it.
4. Where k-means leaves a cluster with less than a tenth of its share, the code takes all pairs for
   different; here they stay what k-means makes them.
5. Gradients are not clipped (the code: values at 10). A sample's pair with itself does not count.
6. The labels are those of the end; the code also keeps the checkpoint of the best accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn.functional import one_hot

from dclib import augment
from dclib.assign import kmeans, sharpen
from dclib.check import Count, Network, Rate, Size, Sizes, Views
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import batches, descend, encode
from dclib.losses import entropy, label_features, pair_loss
from dclib.networks import body, cnn

LENGTH = 1 - 1e-5  # below 1 as in the released code: two equal answers have a finite loss


@dataclass(eq=False, repr=False)
class GATCluster(Clusterer):
    """Cluster images by four tasks that they set themselves, with a window of attention.

    >>> x = np.random.default_rng(0).normal(size=(40, 1, 8, 8))
    >>> model = GATCluster(3, network="cnn", layers=(4, 8), train_epochs=2, random_state=0).fit(x)
    >>> model.labels_.shape, model.attention(x).shape  # the windows, on the places of the features
    ((40,), (40, 2, 2))
    """

    n_clusters: Size = 8
    network: Network = "mlp"  # "cnn" for images (n, c, h, w)
    layers: Sizes = (32, 64)  # channels of the convolutions, each of which halves the sides
    views: Views = None  # takes a batch, returns it changed at random; None: `augment.mild`
    invariance: Rate = 5.0  # weights of the four tasks, those of the released code
    evenness: Rate = 3.0
    separation: Rate = 1.0
    attention_weight: Rate = 5.0
    width: Rate = 0.05  # of the widest window, as a variance; both sides of an image are 1 long
    target_size: Size = 1000  # samples that say together what they take each other for
    n_repeats: Size = 8  # times that they are then learned
    n_init: Size = 20
    train_epochs: Count = 50
    lr: Rate = 0.001
    batch_size: Size = 32
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="clustering network, from scratch",
        architecture="convolutional network, attention",
        network_loss="none",
        clustering_loss="pairwise similarity, self-classification",
        schedule="joint training",
        features="one layer",
        year=2020,
        source="niu2020gatcluster",
    )

    @phase
    def build(self, x: Tensor) -> None:
        if self.network == "cnn":
            net = cnn(x.shape[1:], self.layers, None, 5, dtype=x.dtype, norm=True)[:-1]
        else:
            net = body("mlp", x.shape[1:], self.layers, x.dtype).append(nn.Unflatten(1, (-1, 1)))
        sides = encode(net.to(x.device), x[:1]).shape[2:]
        self.net_ = nn.ModuleDict(
            {
                "body": net,
                "window": Window(self.layers[-1], self.n_clusters, sides, self.width, x.dtype),
                "whole": classifier(self.layers[-1], self.n_clusters, x.dtype),
                "seen": classifier(self.layers[-1], self.n_clusters, x.dtype),
            }
        )

    @phase
    def train(self, x: Tensor) -> None:
        views = self.views or augment.mild
        optimizer = torch.optim.Adam(self.net_.parameters(), lr=self.lr, fused=True)
        for epoch in self.epochs(self.train_epochs, "train", optimizer):
            for rows in batches(len(x), self.target_size, even=True):
                said = self.assign(x[rows])
                even, sure = sharpen(said, 1), sharpen(said)
                parts = self._part(sure)
                passes = range(self.n_repeats)
                shuffled = [batches(len(rows), self.batch_size, even=True) for _ in passes]
                for i in chain(*shuffled):
                    h = self.net_.body(views(x[rows[i]]))
                    scores, q_seen = self._whole(h), self._seen(h).softmax(1)
                    q = scores.softmax(1)
                    agreement = (q * even[i]).sum(1).mean()
                    spread = entropy(q.mean(0)) + entropy(q_seen.mean(0))
                    features = LENGTH * label_features(scores)
                    pairs = pair_loss(features, 0.5, 0.5, parts[i])
                    seen = cross_entropies(sure[i], q_seen).mean()
                    loss = self.separation * pairs + self.attention_weight * seen
                    loss = loss - self.invariance * agreement - self.evenness * spread
                    descend(loss, optimizer)
                    epoch.log(agreement=agreement, spread=spread, pairs=pairs, attention=seen)
        self.relabel(self.assign(x))

    def run(self, x: Tensor) -> None:
        self.train(x)

    def _part(self, q: Tensor) -> Tensor:
        """Clusters of the answers, as 0 and 1 (n, k)."""
        if len(q.unique(dim=0)) < self.n_clusters:  # too few for k-means
            parts = q.argmax(1)
        else:
            parts, _ = kmeans(q, self.n_clusters, self.n_init)
        return one_hot(parts, self.n_clusters).to(q.dtype)

    def _whole(self, h: Tensor) -> Tensor:
        return self.net_.whole(h.flatten(2).mean(2)).to(self._dtype)  # autocast gives bfloat16

    def _seen(self, h: Tensor) -> Tensor:
        seen = (h * self.net_.window(h)[:, None]).flatten(2).sum(2)
        return self.net_.seen(seen).to(self._dtype)

    def embed(self, x: Tensor) -> Tensor:
        return encode(nn.Sequential(self.net_.body, nn.Flatten(2)), x).mean(2)

    def assign(self, x: Tensor) -> Tensor:
        return encode(self.net_.whole, self.embed(x)).softmax(1)

    def attention(self, X: Any) -> np.ndarray:
        """Windows of the samples, from 0 to 1: (n, h, w), the places of the features of images."""
        check_is_fitted(self)
        x = self._read(X, reset=False)
        return encode(nn.Sequential(self.net_.body, self.net_.window), x).cpu().numpy()


class Window(nn.Module):
    """A Gaussian window for every sample: features (n, m, *sides) to weights (n, *sides)."""

    def __init__(self, m: int, k: int, sides: torch.Size, width: float, dtype: torch.dtype):
        super().__init__()
        self.width = width
        ends = [torch.linspace(0, 1, side, dtype=dtype) for side in sides]
        self.register_buffer("places", torch.cartesian_prod(*ends).view(-1, len(sides)))
        look = [nn.Flatten(2), nn.Conv1d(m, k, 1, dtype=dtype), nn.BatchNorm1d(k, dtype=dtype)]
        choose = nn.Linear(k * len(self.places), len(sides) + 1, dtype=dtype)
        self.choose = nn.Sequential(*look, nn.ReLU(), nn.Flatten(), choose, nn.Sigmoid())

    def forward(self, h: Tensor) -> Tensor:
        *middle, size = self.choose(h).unbind(1)
        far = (self.places - torch.stack(middle, 1)[:, None]).square().sum(2)
        variance = self.width * size.clamp_min(torch.finfo(h.dtype).eps)
        return (-far / (2 * variance[:, None])).exp().view(len(h), *h.shape[2:])


def classifier(m: int, k: int, dtype: torch.dtype) -> nn.Sequential:
    """From features (n, m) to scores (n, k)."""
    hidden, normalise = nn.Linear(m, k, dtype=dtype), nn.BatchNorm1d(k, dtype=dtype)
    return nn.Sequential(hidden, normalise, nn.ReLU(), nn.Linear(k, k, dtype=dtype))


def cross_entropies(target: Tensor, q: Tensor) -> Tensor:
    """Of every cluster by itself, "this one" against "another": (n, k) each."""
    q = q.clamp(torch.finfo(q.dtype).eps, 1 - torch.finfo(q.dtype).eps)
    return -(target * q.log() + (1 - target) * (1 - q).log())
