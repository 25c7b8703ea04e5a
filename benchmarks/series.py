"""Cluster the UCR series on five representations; append one JSON line a run.

    python -m benchmarks.series --seeds 5

k-means on the series themselves, on their moving average, on the magnitudes of their spectrum, on
the code of a convolutional autoencoder and on that of a recurrent one. One recipe for all sets,
chosen without their labels, except the width of the average: of 5, 9 and 17 the best for k-means.
Otherwise labels serve for the scores only. What stands in the results file with the same settings
is skipped.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.run import HERE, count, run_missing, scores, surroundings
from dclib import data
from dclib.assign import kmeans
from dclib.loop import encode, epochs
from dclib.networks import (
    ConvAutoencoder,
    RecurrentAutoencoder,
    train_end_to_end,
    train_recurrent,
)
from dclib.runtime import seeded

SETS = ("CBF", "ECG200", "GunPoint", "SyntheticControl")
NETWORK = {"code_size": 8, "steps": 600, "batch_size": 50, "lr": 0.005, "n_init": 10}
CONV = {"channels": [16, 32], "kernel_size": 5, **NETWORK}
RECURRENT = {"cell": "gru", "hidden": 32, "values_a_step": 2, **NETWORK}


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and run what is missing."""
    command(__doc__, METHODS, measure, "series.jsonl", arguments)


def command(
    text: str, methods: dict, measure: Callable, file: str, arguments: list[str] | None
) -> None:
    """Run what is missing of `methods` on the UCR sets, each found by `measure`."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("--data", nargs="*", choices=SETS, default=SETS)
    parser.add_argument("--methods", nargs="*", choices=methods, default=list(methods))
    parser.add_argument("--seeds", type=count, default=5, help="how many, from 0 on")
    parser.add_argument("--steps", type=count, default=NETWORK["steps"], help="of training")
    parser.add_argument("--results", type=Path, default=HERE / "results" / file)
    options = parser.parse_args(arguments)
    chosen = {method: methods[method] for method in options.methods}
    run_missing(options.results, runs(options, chosen, measure))


def runs(
    options: argparse.Namespace, methods: dict, measure: Callable
) -> Iterator[tuple[dict, Callable[[], dict]]]:
    """Describe every run; with it, how to do it."""
    for name in options.data:
        loaded = data.ucr(name)
        for method, (_, settings) in methods.items():
            for seed in range(options.seeds):
                row = describe(method, settings, loaded, seed, options.steps)
                yield row, functools.partial(measure, method, loaded, row["settings"], seed)


def describe(method: str, settings: dict, loaded: data.Data, seed: int, steps: int) -> dict:
    """What decides the outcome of a run, known before it starts."""
    trained = {"steps": steps} if "steps" in settings else {}
    return {
        "algorithm": method,
        "data": loaded.name,
        "n": len(loaded),
        "seed": seed,
        "settings": {"scaled": "each series", **settings, **trained},
        "dtype": "float32",
        "data_sha256": loaded.sha256,
    }


def scaled(loaded: data.Data) -> Tensor:
    """Each series with mean 0 and standard deviation 1."""
    x = torch.from_numpy(loaded.x).float()
    return (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True)


def outcome(seconds: dict[str, float], settings: dict, loaded: data.Data, labels: Tensor) -> dict:
    """What was found, and where."""
    return surroundings("cpu") | {
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "scores": scores(loaded.y, labels),
        "start": None,
        "stop_reason": f"all {settings['steps']} steps done" if "steps" in settings else None,
    }


def measure(method: str, loaded: data.Data, settings: dict, seed: int) -> dict:
    """Represent the series, cluster them, and score the clusters."""
    represent, _ = METHODS[method]
    x = scaled(loaded)
    begin = time.perf_counter()
    with seeded(seed, "represent"):
        z = represent(x, settings)
    middle = time.perf_counter()
    with seeded(seed, "k-means"):
        labels, _ = kmeans(z, loaded.n_classes, n_init=settings["n_init"])
    end = time.perf_counter()
    seconds = {"represent": middle - begin, "cluster": end - middle, "total": end - begin}
    return outcome(seconds, settings, loaded, labels)


def raw(x: Tensor, settings: dict) -> Tensor:
    """The series as they are."""
    return x


def smooth(x: Tensor, settings: dict) -> Tensor:
    """The moving average over `width` values."""
    return x.unfold(1, settings["width"], 1).mean(2)


def spectrum(x: Tensor, settings: dict) -> Tensor:
    """How much of each frequency is in a series, wherever it starts."""
    return torch.fft.rfft(x, norm="ortho").abs()


def convolutional(x: Tensor, settings: dict) -> Tensor:
    """The code of a convolutional autoencoder."""
    shape, made = (1, x.shape[1]), ("channels", "code_size", "kernel_size")
    auto = ConvAutoencoder(shape, **{name: settings[name] for name in made})
    train_end_to_end(auto, x[:, None], *training(auto, len(x), settings))
    return encode(auto.encoder, x[:, None])


def recurrent(x: Tensor, settings: dict) -> Tensor:
    """The code of a recurrent autoencoder that reads a few values a step, to be done sooner."""
    features, made = settings["values_a_step"], ("hidden", "code_size", "cell")
    steps = x.reshape(len(x), -1, features)
    auto = RecurrentAutoencoder(features, **{name: settings[name] for name in made})
    train_recurrent(auto, steps, None, *training(auto, len(x), settings))
    return encode(auto.encoder, steps)


def training(auto: torch.nn.Module, n: int, settings: dict) -> tuple:
    """Epochs that come to about `steps` steps, the optimizer, and the size of a batch."""
    per_epoch = -(-n // settings["batch_size"])
    total = -(-settings["steps"] // per_epoch)
    optimizer = torch.optim.Adam(auto.parameters(), lr=settings["lr"])
    return epochs(total), optimizer, settings["batch_size"]


METHODS: dict[str, tuple[Callable[[Tensor, dict], Tensor], dict]] = {
    "KMeans": (raw, {"n_init": 10}),
    "MovingAverage + KMeans": (smooth, {"width": 9, "n_init": 10}),
    "Spectrum + KMeans": (spectrum, {"n_init": 10}),
    "ConvAutoencoder + KMeans": (convolutional, CONV),
    "RecurrentAutoencoder + KMeans": (recurrent, RECURRENT),
}


if __name__ == "__main__":
    main()
