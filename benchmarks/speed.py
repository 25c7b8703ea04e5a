"""Compare a training step with the bare loop of the same matrix products.

    python -m benchmarks.speed

The autoencoder 784-500-500-2000-10 at batch 256, float32: our step (looking up the batch, both
passes, the loss, the optimizer) against only the products that the two passes cannot do without.
Both are timed in turns in one run, so that a busy machine slows both; the median counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch

from dclib.loop import Epoch, batches, descend
from dclib.losses import squared_error
from dclib.networks import Autoencoder

SIZES = (784, 500, 500, 2000, 10)
BATCH = 256


def main() -> None:
    """Print the milliseconds of both and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    bare, ours = compare(options.rounds)
    print(f"bare products {bare:.1f} ms, training step {ours:.1f} ms, speed {bare / ours:.0%}")


def compare(rounds: int) -> tuple[float, float]:
    """Median milliseconds of the bare products and of the training step, taken in turns."""
    torch.manual_seed(0)
    contenders = (bare_products(), training_step())
    times = np.array([[timed(contender) for contender in contenders] for _ in range(rounds + 3)])
    bare, ours = 1000 * np.median(times[3:], axis=0)  # the first three warm up
    return float(bare), float(ours)


def timed(step: Callable[[], None]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def bare_products() -> Callable[[], None]:
    """Three products a layer: forward, gradient of the weights, gradient of the inputs."""
    widths = [*SIZES, *SIZES[-2::-1]]
    layers = [
        (torch.rand(BATCH, a), torch.rand(b, a), torch.rand(BATCH, b)) for a, b in pairwise(widths)
    ]

    def step() -> None:
        for depth, (inputs, weight, gradient) in enumerate(layers):
            inputs @ weight.T
            gradient.T @ inputs
            if depth:  # nobody asks for the gradient of the data
                gradient @ weight

    return step


def training_step() -> Callable[[], None]:
    """One step of `train_end_to_end` on made-up data."""
    auto, x, epoch = Autoencoder(SIZES), torch.rand(16 * BATCH, SIZES[0]), Epoch(0, 1)
    optimizer = torch.optim.SGD(auto.parameters(), lr=0.1, momentum=0.9, fused=True)
    rows = iter(())

    def step() -> None:
        nonlocal rows
        i = next(rows, None)
        if i is None:
            rows = iter(batches(len(x), BATCH))
            i = next(rows)
        loss = squared_error(auto(x[i]), x[i]) / x.shape[1]
        descend(loss, optimizer)
        epoch.log(reconstruction=loss)

    return step


if __name__ == "__main__":
    main()
