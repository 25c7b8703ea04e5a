"""The four verbs of every training loop: epochs, batches, descend, encode."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn


class Epoch:
    """One pass over the data: where it stands in the run, and the mean of what it logged."""

    def __init__(self, number: int, total: int):
        self.number, self.total = number, total
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    @property
    def t(self) -> float:
        """Progress of the run: 0 in the first epoch, 1 in the last."""
        return self.number / max(self.total - 1, 1)

    def log(self, **losses: Tensor) -> None:
        """Add each loss to its running mean; the values stay on their device, nothing waits."""
        for name, loss in losses.items():
            self._sums[name] = self._sums.get(name, 0) + loss.detach()
            self._counts[name] = self._counts.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        """Read the mean of everything logged.

        Raises FloatingPointError where one is not finite: on a GPU, where `descend` does not
        look at every step, a diverging run ends here.
        """
        means = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        for name, mean in means.items():
            if not math.isfinite(mean):
                raise FloatingPointError(
                    f"{name} is {mean} in epoch {self.number}; "
                    "try a smaller learning rate or scale the data"
                )
        return means


def epochs(total: int, start: int = 0) -> Iterator[Epoch]:
    """Count through the passes over the data, from `start` (0) to `total` - 1.

    >>> [epoch.t for epoch in epochs(3)]
    [0.0, 0.5, 1.0]
    """
    for number in range(start, total):
        yield Epoch(number, total)


def batches(n: int, size: int, even: bool = False) -> tuple[Tensor, ...]:
    """Shuffle the row numbers 0..n-1 and cut them into batches of `size` (the last may be smaller).

    `even` cuts as many batches into equal parts, for a loss or a normalisation that looks at the
    batch as a whole: none is much smaller than the others.

    A batch is a tensor of row numbers: whatever is known per sample (data, targets, neighbours,
    weights) is looked up with it, `x[i]`, `p[i]`.

    >>> sorted(torch.cat(batches(5, size=2)).tolist())
    [0, 1, 2, 3, 4]
    """
    rows = torch.randperm(n)
    if even:
        return rows.tensor_split(math.ceil(n / size))
    return rows.split(int(size))  # PyTorch takes no whole number of NumPy's here


def descend(loss: Tensor, *optimizers: torch.optim.Optimizer) -> None:
    """Take one gradient step down `loss`, a single number.

    Raises FloatingPointError where the loss is not finite, before any weight is touched (on the
    CPU; on a GPU, looking would stall it, and `Epoch.means` looks once an epoch instead).
    """
    if loss.device.type == "cpu" and not loss.isfinite():
        raise FloatingPointError(
            f"the loss is {float(loss.detach())}; try a smaller learning rate or scale the data"
        )
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()


def encode(f: Callable[[Tensor], Tensor], x: Tensor, batch_size: int = 4096) -> Tensor:
    """Apply `f` to all rows of x (n, ...) in batches, without gradients; a module in eval mode.

    The result has x's dtype also where `f` computes in a lower precision.

    >>> encode(lambda batch: 2 * batch, torch.ones(3, 1)).tolist()
    [[2.0], [2.0], [2.0]]
    """
    was_training = isinstance(f, nn.Module) and f.training
    if was_training:
        f.eval()
    with torch.inference_mode():
        parts = [f(part).to(x.dtype) for part in x.split(batch_size)]
    if was_training:
        f.train()
    return torch.cat(parts)  # outside inference mode: a tensor that may enter a loss
