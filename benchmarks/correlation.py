"""Cluster the UCR series by correlation; append one JSON line a run.

    python -m benchmarks.correlation --seeds 5

Spectral clustering of the correlations of all pairs, at no lag and at the best one; k-Shape; and
k-means on the code of a convolutional autoencoder whose loss is the correlation, at no lag and at
the best one. Its rivals with the squared error are in the results of `benchmarks.series`, of which
it takes network, training and command line. Labels serve for the scores only. What stands in the
results file with the same settings is skipped.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from sklearn.cluster import SpectralClustering
from torch import Tensor

from benchmarks.series import CONV, command, outcome, scaled
from dclib import data
from dclib.assign import kmeans
from dclib.loop import batches, descend, encode, epochs
from dclib.losses import correlation_loss, cross_correlation, shape_distance
from dclib.networks import ConvAutoencoder
from dclib.runtime import draw_seed, seeded


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and run what is missing."""
    command(__doc__, METHODS, measure, "correlation.jsonl", arguments)


def measure(method: str, loaded: data.Data, settings: dict, seed: int) -> dict:
    """Cluster the series, and score the clusters."""
    cluster, _ = METHODS[method]
    x = scaled(loaded)
    begin = time.perf_counter()
    with seeded(seed, "correlation"):
        labels = cluster(x, loaded.n_classes, settings)
    return outcome({"total": time.perf_counter() - begin}, settings, loaded, labels)


def graph(x: Tensor, k: int, settings: dict) -> Tensor:
    """Cut the graph whose edges are the correlations of all pairs, those below 0 left out."""
    correlation = 1 - shape_distance(x, x, max_lag=most(x, settings))
    edges = ((correlation + correlation.T) / 2).clamp_min(0)  # rounding is not symmetric
    model = SpectralClustering(k, affinity="precomputed", random_state=draw_seed())
    return torch.from_numpy(model.fit_predict(edges.numpy()))


def k_shape(x: Tensor, k: int, settings: dict) -> Tensor:
    """Shift, average and assign by turns: the best of `n_init` starts at random series."""
    runs = [
        _k_shape_once(x, x[torch.randperm(len(x))[:k]], settings) for _ in range(settings["n_init"])
    ]
    return min(runs, key=lambda run: run[0])[1]


def _k_shape_once(x: Tensor, centers: Tensor, settings: dict) -> tuple[float, Tensor]:
    labels = None
    for _ in range(settings["most_rounds"]):
        distance = shape_distance(x, centers)
        before, labels = labels, distance.argmin(1)
        if before is not None and bool((before == labels).all()):
            break
        for j in labels.unique():
            centers[j] = shape_of(x[labels == j], centers[j])
    return float(distance.amin(1).sum()), labels


def shape_of(x: Tensor, center: Tensor) -> Tensor:
    """The series that correlates best with those given, each shifted to fit the last center.

    Source: Paparrizos and Gravano 2015, shape extraction: the largest eigenvector of Q S Q.
    """
    t = x.shape[1]
    lag = cross_correlation(x, center.expand_as(x)).argmax(1) - (t - 1)
    step = torch.arange(t) + lag[:, None]
    outside = (step < 0) | (step >= t)
    fitted = x.gather(1, step.clamp(0, t - 1)).masked_fill(outside, 0)
    fitted = fitted - fitted.mean(1, keepdim=True)
    fitted = fitted / fitted.norm(dim=1, keepdim=True)
    shape = torch.linalg.eigh(fitted.T @ fitted).eigenvectors[:, -1]
    return shape if (fitted @ shape).sum() >= 0 else -shape


def code(x: Tensor, k: int, settings: dict) -> Tensor:
    """k-means on the code of a convolutional autoencoder, trained to correlate."""
    made = ("channels", "code_size", "kernel_size")
    auto = ConvAutoencoder((1, x.shape[1]), **{name: settings[name] for name in made})
    optimizer = torch.optim.Adam(auto.parameters(), lr=settings["lr"])
    size, lag = settings["batch_size"], most(x, settings)
    for _ in epochs(-(-settings["steps"] // -(-len(x) // size))):
        for i in batches(len(x), size):
            x_hat = auto(x[i][:, None])[:, 0]
            descend(correlation_loss(x_hat, x[i], lag), optimizer)
    labels, _ = kmeans(encode(auto.encoder, x[:, None]), k, n_init=settings["n_init"])
    return labels


def most(x: Tensor, settings: dict) -> int:
    """The largest lag in steps, given as a share of the length."""
    return int(settings["max_lag"] * x.shape[1])


METHODS: dict[str, tuple[Callable[[Tensor, int, dict], Tensor], dict]] = {
    "Correlation + spectral": (graph, {"max_lag": 0}),
    "ShapeDistance + spectral": (graph, {"max_lag": 0.25}),
    "KShape": (k_shape, {"n_init": 10, "most_rounds": 50}),
    "ConvAutoencoder, correlation": (code, {**CONV, "max_lag": 0}),
    "ConvAutoencoder, best lag": (code, {**CONV, "max_lag": 0.25}),
}


if __name__ == "__main__":
    main()
