"""Train one network with every loss of Parts II and III; measure the four elements and the cost.

    python -m benchmarks.losses            what is kept, how even, how steady: digits, five seeds
    python -m benchmarks.losses --cost     seconds of an epoch for n = 1,000 ... 32,000

Appends one JSON line a run to `results/losses.jsonl` (`losses_cost.jsonl` for the cost); a run that
stands there is skipped. All runs of a seed start from the same pre-trained autoencoder and the same
k-means centers: the loss is all that differs. Everything computes in float64 on one thread of the
CPU, so that each number but the seconds can be computed again to its last printed digit.
"""

from __future__ import annotations

import argparse
import functools
import math
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import r2_score
from sklearn.neighbors import KNeighborsRegressor
from torch import Tensor, nn

from benchmarks.run import HERE, count, run_missing, scores, surroundings
from dclib import augment, data, losses, metrics
from dclib.assign import kmeans, sharpen, squared_distances, student_t
from dclib.loop import batches, descend, encode, epochs
from dclib.networks import Autoencoder, train_end_to_end
from dclib.runtime import seeded

HIDDEN, CODE, BATCH = 128, 10, 100
PRETRAIN = {"epochs": 40, "rate": 0.01}
TRAIN = {"epochs": 40, "rate": 0.001}
ERROR = 0.05  # with which a code is read, in units of the spread that it had at the start
WEIGHTS = (None, 0.1, 1.0, 10.0)  # alone, or beside reconstruction, pulling so much as hard
SIZES = [1000 * 2**power for power in range(6)]
LARGEST = {"agglomerative": 8000}  # all merges take n^3: 4 minutes there, hours at the end
Loss = Callable[[Tensor, Tensor], Tensor]  # row numbers and their codes -> a number


class Model:
    """What all losses share: an autoencoder, k centers of its codes, and all samples."""

    def __init__(self, x: Tensor, k: int, shape: tuple[int, ...], pretrain_epochs: int):
        self.x, self.k, self.shape = x, k, shape
        self.auto = Autoencoder([x.shape[1], HIDDEN, CODE], dtype=x.dtype)
        adam = torch.optim.Adam(self.auto.parameters(), PRETRAIN["rate"])
        train_end_to_end(self.auto, x, epochs(pretrain_epochs), adam, BATCH)
        labels, centers = kmeans(self.codes(), k, n_init=10)
        self.centers = nn.Parameter(centers)
        self.sharpness = CODE / (2 * scatter(self.codes(), labels))  # of k equal Gaussians
        self.optimizer = torch.optim.Adam([*self.auto.parameters(), self.centers], TRAIN["rate"])

    def codes(self) -> Tensor:
        return encode(self.auto.encoder, self.x)

    def predict(self, x: Tensor) -> Tensor:
        """Soft assignments (n, k) of samples x (n, d)."""
        return self.soft(self.auto.encoder(x))

    def soft(self, z: Tensor) -> Tensor:
        """Soft assignments (n, k) of codes z (n, m)."""
        return self.logits(z).softmax(1)

    def logits(self, z: Tensor) -> Tensor:
        return -self.sharpness * squared_distances(z, self.centers)

    def change(self, x: Tensor) -> Tensor:
        """Turn, shift and size each image a little."""
        return augment.affine(x, rotation=10, shift=0.5, scale=0.1, shape=self.shape)

    @functools.cached_property
    def neighbours(self) -> tuple[Tensor, Tensor]:
        """Ten neighbours of each sample, and their weights."""
        near, squared = losses.nearest_neighbours(self.x, 10)
        return near, losses.heat_kernel(squared)


# ---- one recipe a loss: called once an epoch, gives the loss of a batch


def reconstruction(model: Model, t: float) -> Loss:
    return lambda i, z: losses.squared_error(model.auto.decoder(z), model.x[i])


def self_augmentation(model: Model, t: float) -> Loss:
    return lambda i, z: losses.assignment_kl(model.soft(z), model.predict(model.change(model.x[i])))


def locality(model: Model, t: float) -> Loss:
    near, weights = model.neighbours
    return lambda i, z: losses.locality_loss(z, model.auto.encoder(model.x[near[i]]), weights[i])


def group_sparsity(model: Model, t: float) -> Loss:
    return lambda i, z: losses.group_sparsity(z, [2] * (CODE // 2))


def self_expression(model: Model, t: float) -> Loss:
    """Among the codes of a batch, with the best coefficients: n x n of them would not fit."""
    return lambda i, z: losses.self_expression(z, losses.ridge_expression(z), power=2)


def correlation(model: Model, t: float) -> Loss:
    return lambda i, z: losses.correlation_loss(model.auto.decoder(z), model.x[i])


def kmeans_loss(model: Model, t: float) -> Loss:
    """Labels and centers are updated once an epoch, in turn with the network."""
    z = model.codes()
    labels = model.soft(z).argmax(1)
    with torch.no_grad():
        for j in labels.unique():
            model.centers[j] = z[labels == j].mean(0)
    return lambda i, z: losses.kmeans_loss(z, model.centers.detach(), labels[i])


def hardening(model: Model, t: float) -> Loss:
    p = sharpen(student_t(model.codes(), model.centers.detach()))
    return lambda i, z: losses.assignment_kl(p[i], student_t(z, model.centers))


def balance(model: Model, t: float) -> Loss:
    return lambda i, z: losses.balance_kl(model.soft(z))


def classification(model: Model, t: float) -> Loss:
    """The likeliest cluster of each sample at the start of the epoch is its class."""
    labels = encode(model.predict, model.x).argmax(1)
    return lambda i, z: losses.pseudo_label_loss(model.logits(z), labels[i])


def margin(model: Model, t: float) -> Loss:
    """The logits are linear in the code and a 1 (up to a term that all clusters share)."""
    labels = encode(model.predict, model.x).argmax(1)

    def loss(i: Tensor, z: Tensor) -> Tensor:
        offsets = model.centers.square().sum(1, keepdim=True)
        weights = model.sharpness * torch.cat([2 * model.centers, -offsets], 1)
        return losses.margin_loss(torch.cat([z, torch.ones_like(z[:, :1])], 1), weights, labels[i])

    return loss


def information(model: Model, t: float) -> Loss:
    return lambda i, z: -losses.mutual_information(model.soft(z))


def pairs(model: Model, t: float) -> Loss:
    def loss(i: Tensor, z: Tensor) -> Tensor:
        return losses.pair_loss(losses.label_features(model.logits(z)), *losses.pair_thresholds(t))

    return loss


def merge(model: Model, t: float) -> Tensor:
    """From hundreds of clusters to k in equal ratios, on the codes as they are; their affinity."""
    w = losses.directed_graph(model.codes(), 20)
    if t == 0:
        model.clusters = losses.nearest_components(w)
        model.n_first = len(model.clusters.unique())
    left = round(model.n_first ** (1 - t) * model.k**t)
    model.clusters = losses.agglomerate(w, model.clusters, left, contrast=1.0)
    return losses.cluster_affinity(w, model.clusters)


def agglomerative(model: Model, t: float) -> Loss:
    """The triplets follow every merge."""
    affinity = merge(model, t)

    def unit(i: Tensor) -> Tensor:
        return nn.functional.normalize(model.auto.encoder(model.x[i]), dim=-1)

    def loss(i: Tensor, z: Tensor) -> Tensor:
        triplets = losses.draw_triplets(model.clusters, affinity, i)
        return losses.triplet_loss(*(unit(rows) for rows in triplets))

    return loss


def merging(model: Model, t: float) -> Loss:
    """The control of the agglomerative loss: the same merges, and a network that stays as it is."""
    merge(model, t)
    return lambda i, z: 0 * z.sum()


NETWORK = {
    "reconstruction": reconstruction,
    "self-augmentation": self_augmentation,
    "locality": locality,
    "group sparsity": group_sparsity,
    "self-expression": self_expression,
    "correlation": correlation,
}
CLUSTERING = {
    "k-means": kmeans_loss,
    "hardening": hardening,
    "balance": balance,
    "classification": classification,
    "agglomerative": agglomerative,
    "maximum margin": margin,
    "mutual information": information,
    "pairs": pairs,
}
CONTROLS = {"merging, no training": merging}
LOSSES = NETWORK | CLUSTERING | CONTROLS


def main(arguments: list[str] | None = None) -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cost", action="store_true", help="seconds of an epoch, for several n")
    parser.add_argument("--seeds", type=count, default=5)
    parser.add_argument("--results", help="file to append to, results/losses[_cost].jsonl")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    file = "losses_cost.jsonl" if options.cost else "losses.jsonl"
    results = Path(options.results or HERE / "results" / file)
    run_missing(results, cost_runs() if options.cost else element_runs(options.seeds))


def element_runs(seeds: int) -> Iterator[tuple[dict, Callable[[], dict]]]:
    """Describe every run of the four elements; with it, how to do it."""
    digits = data.digits()
    for seed in range(seeds):
        for loaded in (digits, uneven(digits)):
            for name in LOSSES:
                # neither reconstruction nor a control has anything to stand beside
                once = name == "reconstruction" or name in CONTROLS
                for weight in WEIGHTS[:1] if once else WEIGHTS:
                    row = describe(name, loaded, seed, {"weight": weight})
                    yield row, functools.partial(measure, name, weight, loaded, seed)


def cost_runs() -> Iterator[tuple[dict, Callable[[], dict]]]:
    """Describe every measurement of the cost; with it, how to do it."""
    for n in SIZES:
        loaded = data.lifted_blobs(n, n_classes=10, n_features=64)
        for name in NETWORK | CLUSTERING:
            if n <= LARGEST.get(name, n):
                row = describe(name, loaded, 0, {"weight": None})
                yield row, functools.partial(cost_of_its_own, name, loaded.x)


def describe(name: str, loaded: data.Data, seed: int, settings: dict) -> dict:
    """What decides the outcome of a run, known before it starts."""
    return {
        "algorithm": name,
        "data": loaded.name,
        "n": len(loaded),
        "seed": seed,
        "settings": settings | {"code": CODE, "hidden": HIDDEN, "batch": BATCH, "train": TRAIN},
        "dtype": "float64",
        "data_sha256": loaded.sha256,
    }


# ---- the four elements


def uneven(loaded: data.Data) -> data.Data:
    """Keep all samples of the first class and a tenth of the last, in even steps between."""
    shares = np.linspace(1, 0.1, loaded.n_classes)
    groups = [np.flatnonzero(loaded.y == j) for j in range(loaded.n_classes)]
    kept = [rows[: round(share * len(rows))] for rows, share in zip(groups, shares, strict=True)]
    rows = np.sort(np.concatenate(kept))
    return replace(loaded, x=loaded.x[rows], y=loaded.y[rows], name=f"{loaded.name}, uneven")


def measure(name: str, weight: float | None, loaded: data.Data, seed: int) -> dict:
    """Train with a loss from the start that the seed gives; say what has become of the code."""
    x, k = torch.from_numpy(loaded.x), loaded.n_classes
    with seeded(seed, loaded.name):
        model = Model(x, k, loaded.shape, PRETRAIN["epochs"])
    z = model.codes()
    spread = z.std(0).square().sum().sqrt()
    with seeded(seed, loaded.name, name):
        begin = time.process_time()
        train(model, name, weight)
        seconds = round(time.process_time() - begin, 2)
        finish(model, name)
        labels = model.soft(model.codes()).argmax(1)
        again = encode(model.predict, model.change(x)).argmax(1)
        elements = {
            "kept": kept(model.codes(), x, ERROR * spread),
            "evenness": losses.entropy(shares(labels, k)).item() / math.log(k),
            "steadiness": float(metrics.adjusted_rand_score(labels, again)),
            "size error": sizes_off(labels, loaded.y, k),
            "scatter": scatter(model.codes(), labels) / scatter(z, torch.zeros_like(labels)),
        }
    return finished() | {
        "scores": scores(loaded.y, labels.numpy()),
        "elements": {name: round(value, 4) for name, value in elements.items()},
        "seconds": {"train": seconds, "total": seconds},
    }


def finished() -> dict:
    """What the rows of all runs have in common."""
    return surroundings("cpu") | {"start": None, "stop_reason": "all epochs done"}


def train(model: Model, name: str, weight: float | None) -> None:
    """Descend the loss alone, or beside reconstruction, `weight` saying how hard each pulls."""
    for epoch in epochs(TRAIN["epochs"]):
        loss, rebuild = LOSSES[name](model, epoch.t), reconstruction(model, epoch.t)
        if weight is not None and epoch.number == 0:
            factor = weight * pull(model, rebuild) / pull(model, loss)
        for i in batches(len(model.x), BATCH):
            z = model.auto.encoder(model.x[i])
            step = loss(i, z) if weight is None else rebuild(i, z) + factor * loss(i, z)
            descend(step, model.optimizer)


def pull(model: Model, loss: Loss) -> float:
    """Length of a batch's gradient on the encoder, mean over the batches."""
    weights = list(model.auto.encoder.parameters())
    lengths = []
    for i in batches(len(model.x), BATCH):
        gradient = torch.autograd.grad(loss(i, model.auto.encoder(model.x[i])), weights)
        lengths.append(sum(part.square().sum() for part in gradient).sqrt())
    return float(torch.stack(lengths).mean())


def finish(model: Model, name: str) -> None:
    """Put the centers where the method has its clusters: k-means' where it has none."""
    z = model.codes()
    with torch.no_grad():
        if name in NETWORK:
            model.centers.copy_(kmeans(z, model.k, n_init=10)[1])
        elif hasattr(model, "clusters"):
            for j in range(model.k):
                model.centers[j] = z[model.clusters == j].mean(0)


def kept(z: Tensor, x: Tensor, error: Tensor) -> float:
    """Share of the variance of x that neighbours in the code, read with an error, explain.

    Every other sample is rebuilt as the mean of its ten nearest among the rest: R^2, at most 1.
    """
    read = z + error / math.sqrt(z.shape[1]) * torch.randn_like(z)
    rebuilt = KNeighborsRegressor(10).fit(read[::2], x[::2]).predict(read[1::2])
    return max(0.0, float(r2_score(x[1::2], rebuilt, multioutput="variance_weighted")))


def shares(labels: Tensor, k: int) -> Tensor:
    """Share of the samples in each cluster."""
    return torch.bincount(labels, minlength=k) / len(labels)


def sizes_off(labels: Tensor, y: np.ndarray, k: int) -> float:
    """Share of the samples that would have to move to make the sizes those of the classes."""
    found, true = shares(labels, k).sort().values, shares(torch.from_numpy(y), k).sort().values
    return float((found - true).abs().sum() / 2)


def scatter(z: Tensor, labels: Tensor) -> float:
    """Mean squared distance of the codes from the mean of their cluster."""
    means = torch.stack([z[labels == j].mean(0) for j in labels.unique()])
    place = labels.unique(return_inverse=True)[1]
    return float((z - means[place]).square().sum(1).mean())


# ---- the cost


def cost_of_its_own(name: str, x: np.ndarray) -> dict:
    """Measure the cost in a process of its own, whose peak of memory is nobody else's."""
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
        return fresh.submit(cost, name, x).result()


def cost(name: str, x: np.ndarray) -> dict:
    """Seconds and megabytes from the start of training to the end of one pass over the samples.

    What is prepared once is in it, and so is what is looked up for the pass: a target, a
    clustering, all merges from the first clusters to the last.
    """
    torch.set_num_threads(1)
    with seeded(0, "cost"):
        model = Model(torch.from_numpy(x), 10, (8, 8), pretrain_epochs=1)
        before, begin = peak(), time.process_time()
        LOSSES[name](model, 0.0)
        loss = LOSSES[name](model, 1.0)
        for i in batches(len(x), BATCH):
            descend(loss(i, model.auto.encoder(model.x[i])), model.optimizer)
    seconds = round(time.process_time() - begin, 3)
    megabytes = round(peak() - before, 1)
    return finished() | {"seconds": {"total": seconds}, "megabytes": megabytes}


def peak() -> float:
    """Largest memory of this process so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
