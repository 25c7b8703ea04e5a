"""ClusterGAN: a generator whose noise has clusters, and an encoder that finds the noise again.

The noise of the generator is a category and small normal numbers, so it lies in clusters of its
own. An encoder, trained together with the generator, must find both again in what was generated;
a critic sees to it that the generated samples are like the data. The cluster of a real sample is
the category that the encoder finds in it.
Source: Mukherjee, Asnani, Lin, Kannan, "ClusterGAN: Latent Space Clustering in Generative
Adversarial Networks", AAAI 2019.

Differs from the paper:
1. The cluster is the largest category that the encoder finds. The paper runs k-means on all that
   it finds.
2. Generator and encoder normalise their batches; the critic, under its penalty, must not.
3. One model. The authors train five and keep the best by labels of a validation set.
4. Networks, epochs and batches are ours; the paper takes 500,000 steps of the generator.
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
from dclib.losses import critic_loss, gradient_penalty, squared_error
from dclib.networks import body, discriminator, generator
from dclib.schedules import schedule


@dataclass(eq=False, repr=False)
class ClusterGAN(Clusterer):
    """Cluster by the category of the noise from which a sample could have been generated.

    >>> x = np.random.default_rng(0).normal(size=(40, 5))
    >>> model = ClusterGAN(n_clusters=3, layers=(8,), train_epochs=5, random_state=0)
    >>> model.fit_predict(x).shape, model.sample(7, cluster=0).shape
    ((40,), (7, 5))
    """

    n_clusters: Size = 8
    network: Network = "mlp"  # "cnn" for images (n, c, h, w): layers are channels and a dense one
    layers: Sizes = (500, 500)  # of critic and encoder; the generator has them backwards
    noise_size: Size = 30
    noise_scale: Rate = 0.1  # deviation of the noise: small beside the categories
    noise_weight: Weight = 10.0  # the paper's beta_n: of finding the noise again
    category_weight: Weight = 10.0  # its beta_c: of finding the category
    penalty: Weight = 10.0  # of slopes of the critic other than 1
    critic_steps: Size = 5  # for one of generator and encoder
    train_epochs: Count = 100
    lr: Rate = 0.0001
    momentum: Share = 0.5  # Adam's first; in games less than its usual 0.9
    batch_size: Size = 64
    device: str = "auto"
    random_state: int | np.random.RandomState | None = None
    verbose: Count = 0

    taxonomy: ClassVar[Taxonomy] = Taxonomy(
        family="generative adversarial network",
        architecture="generative adversarial network",
        network_loss="adversarial",
        clustering_loss="cycle of the codes",
        schedule="joint training",
        features="one layer",
        year=2019,
        source="mukherjee2019clustergan",
    )

    @phase
    def build(self, x: Tensor) -> None:
        shape, last = x.shape[1:], self.layers[-1]
        size = self.n_clusters + self.noise_size
        critic = discriminator(self.network, shape, self.layers, x.dtype)
        critic.append(nn.Linear(last, 1, dtype=x.dtype))
        encoder = body(self.network, shape, self.layers, x.dtype)
        encoder.append(nn.Linear(last, size, dtype=x.dtype))
        fake = generator(self.network, shape, self.layers, size, x.dtype)
        self.net_ = nn.ModuleDict({"critic": critic, "encoder": encoder, "generator": fake})

    @phase
    def train(self, x: Tensor) -> None:
        net, betas = self.net_, (self.momentum, 0.9)
        weights = [schedule(w) for w in (self.penalty, self.noise_weight, self.category_weight)]
        of_critic = torch.optim.Adam(net.critic.parameters(), self.lr, betas, fused=True)
        pair = [*net.generator.parameters(), *net.encoder.parameters()]
        of_pair = torch.optim.Adam(pair, self.lr, betas, fused=True)
        for epoch in self.epochs(self.train_epochs, "train", of_critic, of_pair):
            penalty, of_noise, of_category = (weight(epoch.t) for weight in weights)
            parts = batches(len(x), self.batch_size, even=True)
            for step, i in enumerate(parts, epoch.number * len(parts) + 1):
                labels = torch.randint(self.n_clusters, (len(i),), device=x.device)
                noise = self._noise(labels)
                fakes = net.generator(noise)
                distance = critic_loss(net.critic(x[i]), net.critic(fakes.detach()))
                slope = gradient_penalty(net.critic, x[i], fakes.detach())
                descend(distance + penalty * slope, of_critic)
                epoch.log(critic=distance)
                if step % self.critic_steps == 0:
                    found = net.encoder(fakes)
                    lost = squared_error(found[:, self.n_clusters :], noise[:, self.n_clusters :])
                    missed = cross_entropy(found[:, : self.n_clusters], labels)
                    fooled = -net.critic(fakes).mean()
                    descend(fooled + of_noise * lost + of_category * missed, of_pair)
                    epoch.log(generator=fooled, noise=lost, category=missed)
        self.relabel(self.assign(x))

    def _noise(self, labels: Tensor) -> Tensor:
        """A category (n, k) for each label, and normal noise beside it."""
        like = {"dtype": self._dtype, "device": self._device}
        noise = self.noise_scale * torch.randn(len(labels), self.noise_size, **like)
        return torch.cat([one_hot(labels, self.n_clusters).to(**like), noise], 1)

    def run(self, x: Tensor) -> None:
        self.train(x)

    def embed(self, x: Tensor) -> Tensor:
        """All that the encoder finds: scores of the categories, and the noise."""
        return encode(self.net_.encoder, x)

    def assign(self, x: Tensor) -> Tensor:
        return self.embed(x)[:, : self.n_clusters].softmax(1)

    def generate(self, labels: Tensor) -> Tensor:
        return encode(self.net_.generator, self._noise(labels))
