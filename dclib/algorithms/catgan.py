"""CatGAN, categorical generative adversarial network: sure of the data, at a loss for fakes.

The discriminator does not tell real from fake; it sorts into clusters. It should be sure of every
real sample, use all clusters alike, and be undecided about what the generator makes. The generator
wants its samples to be sorted with certainty, and into all clusters. Only what looks like data can
be. The cluster of a sample is the discriminator's answer.
Source: Springenberg, "Unsupervised and Semi-supervised Learning with Categorical Generative
Adversarial Networks", ICLR 2016.

Differs from the paper:
1. Small networks of our own; batches, rates and epochs too.
2. Only the generator normalises its batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dclib.check import Count, Network, Rate, Size, Sizes
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import batches, descend, encode
from dclib.losses import entropy, mutual_information
from dclib.networks import discriminator, generator


@dataclass(eq=False, repr=False)
class CatGAN(Clusterer):
    """Cluster by a discriminator that sorts real samples and cannot sort fakes.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = CatGAN(n_clusters=3, layers=(8,), train_epochs=5, random_state=0)
    >>> model.fit_predict(x).shape, model.sample(7).shape
    ((40,), (7, 5))
    """

    n_clusters: Size = 8  # 20 in the paper for MNIST: more than classes, many to one
    network: Network = "mlp"  # "cnn" for images (n, c, h, w): layers are channels and a dense one
    layers: Sizes = (500, 500)  # of the discriminator; the generator has them backwards
    noise_size: Size = 64
    train_epochs: Count = 100
    lr: Rate = 0.0002
    momentum: Rate = 0.5  # Adam's first; in games less than its usual 0.9
    batch_size: Size = 100
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="generative adversarial network",
        architecture="generative adversarial network",
        network_loss="adversarial",
        clustering_loss="mutual information",
        schedule="joint training",
        features="one layer",
        year=2016,
        source="springenberg2016catgan",
    )

    @phase
    def build(self, x: Tensor) -> None:
        net = discriminator(self.network, x.shape[1:], self.layers, x.dtype)
        head = nn.Linear(self.layers[-1], self.n_clusters, dtype=x.dtype)
        fake = generator(self.network, x.shape[1:], self.layers, self.noise_size, x.dtype)
        self.net_ = nn.ModuleDict({"body": net, "head": head, "generator": fake})

    @phase
    def train(self, x: Tensor) -> None:
        judge, generate = nn.Sequential(self.net_.body, self.net_.head), self.net_.generator
        settings = {"lr": self.lr, "betas": (self.momentum, 0.999), "fused": True}
        of_judge = torch.optim.Adam(judge.parameters(), **settings)
        of_generator = torch.optim.Adam(generate.parameters(), **settings)
        for epoch in self.epochs(self.train_epochs, "train", of_judge, of_generator):
            for i in batches(len(x), self.batch_size, even=True):
                fakes = generate(self._noise(len(i)))
                real, fake = judge(x[i]).softmax(1), judge(fakes.detach()).softmax(1)
                information, doubt = mutual_information(real), entropy(fake).mean()
                descend(-information - doubt, of_judge)
                passed = mutual_information(judge(fakes).softmax(1))
                descend(-passed, of_generator)
                epoch.log(information=information, doubt=doubt, passed=passed)
        self.relabel(self.assign(x))

    def _noise(self, n: int) -> Tensor:
        return torch.randn(n, self.noise_size, dtype=self._dtype, device=self._device)

    def run(self, x: Tensor) -> None:
        self.train(x)

    def embed(self, x: Tensor) -> Tensor:
        return encode(self.net_.body, x)

    def assign(self, x: Tensor) -> Tensor:
        return encode(self.net_.head, self.embed(x)).softmax(1)

    def generate(self, labels: Tensor) -> Tensor:
        """Of many fakes, draw for each label one by the probability that it belongs there."""
        fakes = encode(self.net_.generator, self._noise(max(10 * len(labels), 1000)))
        return fakes[self.assign(fakes).T[labels].multinomial(1)[:, 0]]
