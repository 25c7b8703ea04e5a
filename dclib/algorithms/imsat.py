"""IMSAT: clusters that tell much of the sample, and survive the worst small step of it.

A network with a softmax on top says the cluster. Its answers should hold much information on the
sample: sure of each, even over all. Any rich network can do that in useless ways, so the answer for
a sample must also be that for the sample after a small step: one in a random direction (RPT), one
that a backward pass finds to be the worst (VAT), or any change that leaves the cluster what it is.
Nothing is pre-trained, nothing rebuilt.
Source: Hu, Miyato, Tokui, Matsumoto, Sugiyama, "Learning Discrete Representations via Information
Maximizing Self-Augmented Training", ICML 2017.

Differs from the paper:
1. Clusters are assumed to be about even (`balance`), as in the code; the paper also has priors for
   uneven ones.
2. The probe of the power iteration is `probe` times the radius of the sample, about the length
   that the code has for MNIST; the code has one length for all samples.
3. Moved samples count in the running means of the batch normalisation; in the code they do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dclib import augment
from dclib.check import Count, Flag, Network, Rate, Rule, Size, Sizes, Views
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import batches, descend, encode
from dclib.losses import (
    adaptive_radius,
    adversarial_perturbation,
    assignment_kl,
    mutual_information,
    random_perturbation,
)
from dclib.networks import body
from dclib.schedules import Cosine

STEPS = ("adversarial", "random", "views")
Step = Annotated[str, Rule(f"one of {STEPS}", STEPS.__contains__)]


@dataclass(eq=False, repr=False)
class IMSAT(Clusterer):
    """Cluster by information maximisation and self-augmentation.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = IMSAT(n_clusters=3, layers=(8,), train_epochs=5, neighbor=3, random_state=0)
    >>> model.fit_predict(x).shape
    (40,)
    """

    n_clusters: Size = 8
    network: Network = "mlp"  # "cnn" for images (n, c, h, w): layers are channels and a dense one
    layers: Sizes = (1200, 1200)
    step: Step = "adversarial"  # the paper's VAT; "random" is its RPT; "views" is none but views
    views: Views = None  # takes a batch, returns it changed at random; other steps start from there
    neighbor: Size = 10  # the radius of a sample's step is a share of the distance to this one
    share: Rate = 0.25
    probe: Rate = 3.5  # where the worst direction is read, in radii
    hidden_scale: Rate = 0.1  # weights at the start: this / sqrt(inputs)
    head_scale: Rate = 0.0001  # all clusters are as good as equal to begin with
    weight: Rate = 0.1  # the paper's lambda: of the information, beside the steps
    balance: Rate = 4.0  # released code: of the clusters' entropy in the information
    train_epochs: Count = 50
    lr: Rate = 0.002
    decay: Flag = False  # the rate falls to 0 along a cosine; in the paper it stays
    batch_size: Size = 250
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="clustering network, from scratch",
        architecture="MLP",
        network_loss="self-augmentation",
        clustering_loss="mutual information",
        schedule="joint training",
        features="one layer",
        year=2017,
        source="hu2017imsat",
    )

    @phase
    def build(self, x: Tensor) -> None:
        head = nn.Linear(self.layers[-1], self.n_clusters, dtype=x.dtype)
        net = body(self.network, x.shape[1:], self.layers, x.dtype)
        for layer in [*net, head]:
            if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d):
                scale = self.head_scale if layer is head else self.hidden_scale
                nn.init.normal_(layer.weight, 0, scale / layer.weight[0].numel() ** 0.5)
                nn.init.zeros_(layer.bias)
        self.net_ = nn.ModuleDict({"body": net, "head": head})

    @phase
    def train(self, x: Tensor) -> None:
        radius = x.new_zeros(len(x))
        if self.step != "views":
            radius = adaptive_radius(x, min(self.neighbor, len(x) - 1), self.share)
        optimizer = torch.optim.Adam(self.net_.parameters(), lr=self.lr, fused=True)
        rate = Cosine(self.lr, 0 if self.decay else self.lr)
        for epoch in self.epochs(self.train_epochs, "train", optimizer):
            optimizer.param_groups[0]["lr"] = rate(epoch.number / epoch.total)
            for i in batches(len(x), self.batch_size, even=True):
                q = self._say(x[i])
                moved = self._say(self._move(x[i], radius[i]))
                stays = assignment_kl(q, moved)
                information = mutual_information(q, self.balance)
                descend(stays - self.weight * information, optimizer)
                epoch.log(self_augmentation=stays, information=information)
        self.relabel(self.assign(x))

    def _move(self, x: Tensor, radius: Tensor) -> Tensor:
        if self.step == "views" or self.views:
            x = (self.views or augment.mild)(x)
        if self.step == "adversarial":
            x = x + adversarial_perturbation(self._say, x, radius, self.probe * radius)
        if self.step == "random":
            x = x + random_perturbation(x, radius)
        return x

    def _say(self, x: Tensor) -> Tensor:
        scores = self.net_.head(self.net_.body(x))
        return scores.to(x.dtype).softmax(1)  # autocast gives bfloat16: too coarse for small steps

    def run(self, x: Tensor) -> None:
        self.train(x)

    def embed(self, x: Tensor) -> Tensor:
        return encode(self.net_.body, x)

    def assign(self, x: Tensor) -> Tensor:
        return encode(self.net_.head, self.embed(x)).softmax(1)
