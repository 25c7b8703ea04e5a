"""The multilayer perceptron: linear maps with a bend between them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn


def mlp(
    sizes: Sequence[int],
    activation: type[nn.Module] = nn.ReLU,
    dtype: torch.dtype | None = None,
) -> nn.Sequential:
    """Stack linear layers sizes[0] -> sizes[1] -> ..., with the activation between them.

    The last layer has no activation, so that a code or a reconstruction may take any value. The
    weights are born in `dtype`; cast afterwards, they would differ between processors in the
    tenth digit. They are drawn uniformly from +-1 / sqrt(inputs), PyTorch's default.

    >>> mlp([784, 500, 10])
    Sequential(
      (0): Linear(in_features=784, out_features=500, bias=True)
      (1): ReLU()
      (2): Linear(in_features=500, out_features=10, bias=True)
    )
    """
    if len(sizes) < 2:
        raise ValueError(f"sizes={sizes!r}, expected at least an input and an output size")
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs, dtype=dtype), activation()]
    return nn.Sequential(*layers[:-1])
