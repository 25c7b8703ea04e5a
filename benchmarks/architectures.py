"""Train every architecture of Part I on three data sets and cluster its code with k-means.

    python -m benchmarks.architectures

Appends one JSON line a run to `results/architectures.jsonl`; a run that stands there is skipped.
All trained networks get codes of ten numbers (a GAN has none: the last hidden layer stands in) and
the same number of steps of 100 samples each. The learning rate is the network's own, one for all
sets: where there is a reconstruction, chosen from 0.001, 0.003 and 0.01 by its own loss.
Everything computes in float64 on one thread of the CPU, so that each number can be computed again
to its last printed digit.
"""

from __future__ import annotations

import argparse
import functools
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.run import HERE, count, run_missing, scores, surroundings
from dclib import augment, data
from dclib.assign import kmeans
from dclib.loop import Epoch, encode, epochs
from dclib.networks import (
    GAN,
    VAE,
    Autoencoder,
    ConvAutoencoder,
    DeepBelief,
    RecurrentAutoencoder,
    cnn,
    mlp,
    train_adversarial,
    train_belief,
    train_end_to_end,
    train_recurrent,
    train_variational,
)
from dclib.runtime import seeded

CODE, HIDDEN, BATCH, STEPS = 10, 128, 100, 1000
DATA = {
    "digits": data.digits,
    "glyphs": lambda: data.glyphs(1000, size=16),
    "waves": data.waves,
}
Encoder = Callable[[Tensor], Tensor]


def main(arguments: list[str] | None = None) -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=count, default=5)
    parser.add_argument("--results", default=HERE / "results" / "architectures.jsonl")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    run_missing(Path(options.results), runs(options.seeds))


def runs(seeds: int) -> Iterator[tuple[dict, Callable[[], dict]]]:
    """Describe every run; with it, how to do it."""
    for seed in range(seeds):
        for loaded in (load() for load in DATA.values()):
            for architecture in ARCHITECTURES:
                row = describe(architecture, loaded, seed)
                yield row, functools.partial(_finish, architecture, loaded, seed)


def _finish(architecture: str, loaded: data.Data, seed: int) -> dict:
    _, found = measure(architecture, loaded, seed)
    return found | surroundings("cpu") | {"start": None, "stop_reason": "all steps done"}


def describe(architecture: str, loaded: data.Data, seed: int) -> dict:
    """What decides the outcome of a run, known before it starts."""
    return {
        "algorithm": architecture,
        "data": loaded.name,
        "n": len(loaded),
        "seed": seed,
        "settings": {"code": CODE, "hidden": HIDDEN, "batch": BATCH, "steps": STEPS},
        "dtype": "float64",
        "data_sha256": loaded.sha256,
    }


def measure(architecture: str, loaded: data.Data, seed: int) -> tuple[Tensor, dict]:
    """Train, encode, run k-means; return the code (n, m) and what was found."""
    x = torch.from_numpy(loaded.x)
    x = (x - x.min()) / (x.max() - x.min())  # one scale for all features: pixels stay as they are
    shape = loaded.shape or (x.shape[1],)
    begin = time.process_time()
    with seeded(seed, architecture, loaded.name):
        net, encoder = ARCHITECTURES[architecture](x, shape)
        seconds = round(time.process_time() - begin, 2)
        z = encode(encoder, x)
        labels, _ = kmeans(z, loaded.n_classes, n_init=10)
    return z, {
        "scores": scores(loaded.y, labels),
        "parameters": sum(weights.numel() for weights in net.parameters()),
        "seconds": {"train": seconds, "total": seconds},
    }


# ---- one recipe an architecture: rows x (n, d) of samples of a shape -> the network, its encoder


def raw(x: Tensor, shape: tuple[int, ...]) -> tuple[nn.Module, Encoder]:
    """The samples as they are."""
    return nn.Identity(), nn.Identity()


def unit_length(x: Tensor, shape: tuple[int, ...]) -> tuple[nn.Module, Encoder]:
    """The samples, each divided by its length: how much ink there is no longer counts."""
    return nn.Identity(), nn.functional.normalize


def pca(x: Tensor, shape: tuple[int, ...]) -> tuple[nn.Module, Encoder]:
    """The first principal components: the best linear code."""
    directions = torch.linalg.svd(x - x.mean(0), full_matrices=False).Vh[:CODE]
    linear = nn.Linear(x.shape[1], CODE, bias=False, dtype=x.dtype)
    linear.weight = nn.Parameter(directions)
    return linear, linear


def untrained_mlp(x: Tensor, shape: tuple[int, ...]) -> tuple[nn.Module, Encoder]:
    """A multilayer perceptron with random weights: what the layers do by themselves."""
    net = mlp([x.shape[1], HIDDEN, CODE], dtype=x.dtype)
    return net, net


def untrained_cnn(x: Tensor, shape: tuple[int, ...]) -> tuple[nn.Module, Encoder]:
    """A convolutional network with random weights."""
    net = cnn((1, *shape), (8, 16), CODE, dtype=x.dtype)
    return net, rows_as(net, 1, *shape)


def pooled_cnn(x: Tensor, shape: tuple[int, ...]) -> tuple[nn.Module, Encoder]:
    """Random patterns, and how well each fits at its best place: where that is, is not said."""
    convolution = nn.Conv1d if len(shape) == 1 else nn.Conv2d
    patterns = convolution(1, HIDDEN, kernel_size=9, padding=4, dtype=x.dtype)
    answers = nn.Sequential(rows_as(patterns, 1, *shape), nn.ReLU(), nn.Flatten(2))
    return patterns, lambda rows: nn.functional.normalize(answers(rows).amax(2))


def autoencoder(x: Tensor, shape: tuple[int, ...]) -> tuple[nn.Module, Encoder]:
    """An autoencoder, end to end."""
    auto = Autoencoder([x.shape[1], HIDDEN, CODE], dtype=x.dtype)
    train_end_to_end(auto, x, passes(x), adam(auto, 0.01), BATCH)
    return auto, auto.encoder


def denoising_autoencoder(x: Tensor, shape: tuple[int, ...]) -> tuple[nn.Module, Encoder]:
    """The same, rebuilding the samples from noisy ones."""
    auto = Autoencoder([x.shape[1], HIDDEN, CODE], dtype=x.dtype)
    corrupt = functools.partial(augment.noise, deviation=0.2)
    train_end_to_end(auto, x, passes(x), adam(auto, 0.01), BATCH, corrupt)
    return auto, auto.encoder


def convolutional_autoencoder(x: Tensor, shape: tuple[int, ...]) -> tuple[nn.Module, Encoder]:
    """An autoencoder of convolutions, with two dimensions for images and one for series."""
    auto = ConvAutoencoder((1, *shape), (8, 16), CODE, dtype=x.dtype)
    train_end_to_end(auto, x.view(-1, 1, *shape), passes(x), adam(auto, 0.01), BATCH)
    return auto, rows_as(auto.encoder, 1, *shape)


def variational_autoencoder(x: Tensor, shape: tuple[int, ...]) -> tuple[nn.Module, Encoder]:
    """A variational autoencoder; the code is the mean."""
    vae = VAE([x.shape[1], HIDDEN, CODE], dtype=x.dtype)
    train_variational(vae, x, passes(x), adam(vae, 0.003), BATCH)
    return vae, vae.encoder


def adversarial_network(x: Tensor, shape: tuple[int, ...]) -> tuple[nn.Module, Encoder]:
    """A GAN; for want of an encoder, the discriminator's last hidden layer stands for the code."""
    gan = GAN(CODE, [x.shape[1], HIDDEN, HIDDEN], nn.LeakyReLU, dtype=x.dtype)
    players = adam(gan.generator, 0.001), adam(gan.discriminator, 0.001)
    train_adversarial(gan, x, passes(x), *players, BATCH)
    return gan, gan.features


def deep_belief_network(x: Tensor, shape: tuple[int, ...]) -> tuple[nn.Module, Encoder]:
    """Two Boltzmann machines on top of each other, half of the steps each."""
    dbn = DeepBelief([x.shape[1], HIDDEN, CODE], dtype=x.dtype)
    train_belief(dbn, x, lambda name, optimizer: passes(x, 1 / 2), lr=0.5, batch_size=BATCH)
    return dbn, dbn.encoder


def recurrent_autoencoder(x: Tensor, shape: tuple[int, ...]) -> tuple[nn.Module, Encoder]:
    """A GRU that reads images row by row and series four values a step, and one that writes."""
    series = shape if len(shape) == 2 else (x.shape[1] // 4, 4)
    auto = RecurrentAutoencoder(series[1], HIDDEN // 4, CODE, "gru", dtype=x.dtype)
    train_recurrent(auto, x.view(-1, *series), None, passes(x), adam(auto, 0.01), BATCH)
    return auto, rows_as(auto.encoder, *series)


ARCHITECTURES = {
    "raw input": raw,
    "raw input, unit length": unit_length,
    "PCA": pca,
    "MLP, untrained": untrained_mlp,
    "CNN, untrained": untrained_cnn,
    "CNN, untrained, pooled": pooled_cnn,
    "autoencoder": autoencoder,
    "denoising autoencoder": denoising_autoencoder,
    "convolutional autoencoder": convolutional_autoencoder,
    "variational autoencoder": variational_autoencoder,
    "GAN, discriminator": adversarial_network,
    "deep belief network": deep_belief_network,
    "recurrent autoencoder": recurrent_autoencoder,
}


def passes(x: Tensor, share: float = 1.0) -> Iterator[Epoch]:
    """As many passes over the rows as make a share of all steps, or a few steps more."""
    return epochs(math.ceil(share * STEPS / math.ceil(len(x) / BATCH)))


def adam(net: nn.Module, rate: float) -> torch.optim.Optimizer:
    """The optimizer of all but the Boltzmann machines."""
    return torch.optim.Adam(net.parameters(), rate, fused=True)


def rows_as(encoder: nn.Module, *shape: int) -> Encoder:
    """An encoder that takes rows and gives them their shape back."""
    return nn.Sequential(nn.Unflatten(1, shape), encoder)


if __name__ == "__main__":
    main()
