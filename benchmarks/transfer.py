"""Cluster MNIST by CCNN, on a network that has learned from the labels of other images.

    python -m benchmarks.transfer --backbone fashion --seeds 2

A small convolutional network learns the classes of Fashion-MNIST, those of letters in many fonts,
or nothing. On MNIST its features are whitened, which needs no labels, and brought to length 1, as
DeepCluster does; CCNN clusters them, and trains the network on the clusters. One recipe for all
backbones; `--without` leaves a part of it away. No training sees the labels of MNIST. The recipe is
not free of them: it was found by NMI on 10,000 and 20,000 of its images, with the backbone of
Fashion-MNIST: the layer, whitening, unit length, views in both trainings, labels from the centers.
One JSON line a run; what stands in the results file with the same settings is skipped.
"""

from __future__ import annotations

import argparse
import functools
import json
import string
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.run import HERE, TAKEN, count, run_missing, scores, surroundings
from dclib import data
from dclib.algorithms import CCNN
from dclib.augment import affine
from dclib.loop import batches, descend, encode, epochs
from dclib.networks import cnn
from dclib.runtime import seeded

MOTION = {"rotation": 15, "shift": 2, "scale": 0.15}  # of the views, in both trainings
RECIPE = {
    "channels": [16, 32, 64],
    "kernel_size": 5,
    "pretrain_epochs": 4,
    "pretrain_lr": 0.001,
    "code_size": 64,
    "unit_length": True,
}
PARTS = {  # what `--without` changes
    "views": {"views": None},
    "compensation": {"compensate": False},
    "unit_length": {"unit_length": False},
}


class UnitLength(nn.Module):
    """Bring every row to length 1: z (n, m) to (n, m)."""

    def forward(self, z: Tensor) -> Tensor:
        return nn.functional.normalize(z)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", choices=SOURCES, default="fashion")
    parser.add_argument("--without", choices=PARTS, help="leave this away, as a control")
    parser.add_argument("--seeds", type=count, default=1, help="how many, from --first-seed on")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--epochs", type=count, default=10, help="of CCNN")
    parser.add_argument("--n", type=count, help="only the first of MNIST's images")
    parser.add_argument("--threads", type=int, help="processor threads, all of them if not given")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "mnist.jsonl")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    run_missing(options.results, runs(options))


def runs(options: argparse.Namespace) -> Iterator[tuple[dict, Callable[[], dict]]]:
    """Describe every run; with it, how to do it."""
    loaded = data.mnist()
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        row = describe(options, loaded, seed)
        yield row, functools.partial(measure, loaded, row)


def describe(options: argparse.Namespace, loaded: data.Data, seed: int) -> dict:
    """What decides the outcome of a run, known before it starts."""
    defaults = {k: v for k, v in CCNN().get_params().items() if k not in (*TAKEN, "layers")}
    changed = {"network": "cnn", "backbone": options.backbone, "refine_epochs": options.epochs}
    left_away = PARTS.get(options.without, {})
    settings = defaults | RECIPE | changed | {"views": MOTION} | left_away
    return {
        "algorithm": "CCNN",
        "data": loaded.name,
        "n": options.n or len(loaded),
        "seed": seed,
        "settings": json.loads(json.dumps(settings)),
        "dtype": "float32",
        "data_sha256": loaded.sha256,
    }


def measure(loaded: data.Data, row: dict) -> dict:
    """Train the backbone, cluster with it, train it on; score the clusters before and after."""
    settings, seed = row["settings"], row["seed"]
    x = torch.from_numpy(images(loaded)[: row["n"]])
    begin = time.perf_counter()
    with seeded(seed, "pretrain"):
        features = SOURCES[settings["backbone"]](settings)
    pretrained = time.perf_counter()
    own = {name: settings[name] for name in CCNN().get_params() if name in settings}
    own["backbone"] = on_target(features, x, settings)
    own["views"] = functools.partial(affine, **settings["views"]) if settings["views"] else None
    model = CCNN(loaded.n_classes, **own, device="cpu", random_state=seed, verbose=1)
    y = loaded.y[: row["n"]]
    start = scores(y, model.build(x).place_centers(x).labels_)
    model.refine(x)
    seconds = {"pretrain": pretrained - begin, **model.seconds_}
    seconds["total"] = time.perf_counter() - begin
    return surroundings("cpu") | {
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "scores": scores(y, model.labels_),
        "start": start,
        "epochs": model.n_iter_,
        "stop_reason": model.stop_reason_,
    }


def images(loaded: data.Data) -> np.ndarray:
    """All images as (n, 1, h, w), ink or cloth 1 on 0."""
    return loaded.x.reshape(len(loaded), 1, *loaded.shape).astype("float32")


def taught(load: Callable[[], data.Data], settings: dict) -> nn.Sequential:
    """Convolutions that have learned to tell the classes of other images, themselves unmoved."""
    loaded = load()
    x, y = torch.from_numpy(images(loaded)), torch.from_numpy(loaded.y)
    features = untaught(settings)
    net = nn.Sequential(features, nn.LazyLinear(loaded.n_classes))
    net(x[:1])  # gives the last layer its width
    optimizer = torch.optim.Adam(net.parameters(), lr=settings["pretrain_lr"])
    for _ in epochs(settings["pretrain_epochs"]):
        for i in batches(len(x), 128):
            descend(nn.functional.cross_entropy(net(affine(x[i], **MOTION)), y[i]), optimizer)
    return features


def untaught(settings: dict) -> nn.Sequential:
    """The same convolutions with random weights."""
    return cnn((1, 28, 28), settings["channels"], None, settings["kernel_size"])


def on_target(features: nn.Sequential, x: Tensor, settings: dict) -> nn.Sequential:
    """The features, whitened on x and brought to length 1: the backbone for CCNN."""
    whiten = whitening(encode(features, x), settings["code_size"])
    return nn.Sequential(features, whiten, *[UnitLength()] * settings["unit_length"])


def whitening(h: Tensor, m: int) -> nn.Linear:
    """The linear layer that gives h (n, width) mean 0 and m principal axes of variance 1."""
    center = h.mean(0)
    variance, axes = torch.linalg.eigh((h - center).T.cov().double())
    weight = (axes[:, -m:] / variance[-m:].sqrt()).T.to(h)
    layer = nn.Linear(h.shape[1], m, dtype=h.dtype)
    layer.load_state_dict({"weight": weight, "bias": -weight @ center})
    return layer


SOURCES: dict[str, Callable[[dict], nn.Sequential]] = {
    "fashion": functools.partial(taught, data.fashion_mnist),
    "letters": functools.partial(
        taught, functools.partial(data.glyphs, 20_000, 28, string.ascii_uppercase)
    ),
    "random": untaught,
}


if __name__ == "__main__":
    main()
