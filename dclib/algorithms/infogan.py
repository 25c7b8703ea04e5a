"""InfoGAN: a generator whose choices can be read off what it made.

Beside its noise the generator is given a category and a few numbers. A second head of the
discriminator has to read both off the generated sample, and the generator has to let it: what can
be read of them is a lower bound on the information that sample and code hold of each other. The
cluster of a real sample is the category that is read off it.
Source: Chen, Duan, Houthooft, Schulman, Sutskever, Abbeel, "InfoGAN: Interpretable Representation
Learning by Information Maximizing Generative Adversarial Nets", NIPS 2016.

Differs from the paper:
1. Small networks of our own, with both heads on the last layer of the body; the paper's code has
   a hidden layer more before it reads the codes.
2. The numbers are read with a variance of 1; in the released code the variance is read too.
3. An epoch goes through all samples; in the released code it has 100 steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from dclib.check import Count, Network, Rate, Share, Size, Sizes, Weight
from dclib.core import Clusterer, Taxonomy, phase
from dclib.loop import batches, descend, encode
from dclib.losses import discriminator_loss, generator_loss, squared_error
from dclib.networks import discriminator, generator
from dclib.schedules import schedule


@dataclass(eq=False, repr=False)
class InfoGAN(Clusterer):
    """Cluster by the category that a generator must have been given to make the sample.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = InfoGAN(n_clusters=3, layers=(8,), train_epochs=5, random_state=0)
    >>> model.fit_predict(x).shape, model.sample(7, cluster=0).shape
    ((40,), (7, 5))
    """

    n_clusters: Size = 8
    network: Network = "mlp"  # "cnn" for images (n, c, h, w): layers are channels and a dense one
    layers: Sizes = (500, 500)  # of the discriminator; the generator has them backwards
    noise_size: Size = 62
    n_codes: Count = 2  # numbers from -1 to 1 that the generator is given beside the category
    train_epochs: Count = 50
    weight: Weight = 1.0  # the paper's lambda: of the information
    lr: Rate = 0.0002  # of the discriminator
    generator_lr: Rate = 0.001
    momentum: Share = 0.5  # Adam's first; in games less than its usual 0.9
    batch_size: Size = 128
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="generative adversarial network",
        architecture="generative adversarial network",
        network_loss="adversarial",
        clustering_loss="mutual information with codes",
        schedule="joint training",
        features="one layer",
        year=2016,
        source="chen2016infogan",
    )

    @phase
    def build(self, x: Tensor) -> None:
        shape, last = x.shape[1:], self.layers[-1]
        given = self.noise_size + self.n_clusters + self.n_codes
        parts = {"body": discriminator(self.network, shape, self.layers, x.dtype)}
        parts["real"] = nn.Linear(last, 1, dtype=x.dtype)
        parts["codes"] = nn.Linear(last, self.n_clusters + self.n_codes, dtype=x.dtype)
        parts["generator"] = generator(self.network, shape, self.layers, given, x.dtype)
        self.net_ = nn.ModuleDict(parts)

    @phase
    def train(self, x: Tensor) -> None:
        net, weight, betas = self.net_, schedule(self.weight), (self.momentum, 0.999)
        judges = [*net.body.parameters(), *net.real.parameters(), *net.codes.parameters()]
        of_judge = torch.optim.Adam(judges, self.lr, betas, fused=True)
        of_generator = torch.optim.Adam(
            net.generator.parameters(), self.generator_lr, betas, fused=True
        )
        for epoch in self.epochs(self.train_epochs, "train", of_judge, of_generator):
            for i in batches(len(x), self.batch_size, even=True):
                labels = torch.randint(self.n_clusters, (len(i),), device=x.device)
                given = self._given(labels)
                fakes = net.generator(given)
                real, (fake, missed) = (
                    net.real(net.body(x[i])),
                    self._read_off(fakes.detach(), given),
                )
                judged = discriminator_loss(real, fake)
                descend(judged + weight(epoch.t) * missed, of_judge)
                fake, missed = self._read_off(fakes, given)
                fooled = generator_loss(fake)
                descend(fooled + weight(epoch.t) * missed, of_generator)
                epoch.log(discriminator=judged, generator=fooled, missed=missed)
        self.relabel(self.assign(x))

    def _given(self, labels: Tensor) -> Tensor:
        """What the generator is given: noise, the category of each label, and its numbers."""
        like = {"dtype": self._dtype, "device": self._device}
        noise = torch.randn(len(labels), self.noise_size, **like)
        numbers = 2 * torch.rand(len(labels), self.n_codes, **like) - 1
        return torch.cat([noise, one_hot(labels, self.n_clusters).to(**like), numbers], 1)

    def _read_off(self, fakes: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of being real (n, 1), and what the second head misses of the codes, in nats."""
        features = self.net_.body(fakes)
        wanted, k = given[:, self.noise_size :], self.n_clusters
        category, numbers = self.net_.codes(features).tensor_split([k], 1)
        missed = cross_entropy(category, wanted[:, :k])
        if self.n_codes:
            missed = missed + squared_error(numbers, wanted[:, k:]) / 2
        return self.net_.real(features), missed

    def run(self, x: Tensor) -> None:
        self.train(x)

    def embed(self, x: Tensor) -> Tensor:
        return encode(self.net_.body, x)

    def assign(self, x: Tensor) -> Tensor:
        return encode(self.net_.codes, self.embed(x))[:, : self.n_clusters].softmax(1)

    def generate(self, labels: Tensor) -> Tensor:
        return encode(self.net_.generator, self._given(labels))
