"""The multilayer perceptron: linear maps with a bend between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from numbers import Real

import torch
from torch import nn


def mlp(
    sizes: Sequence[int],
    activation: type[nn.Module] = nn.ReLU,
    dtype: torch.dtype | None = None,
    norm: bool = False,
) -> nn.Sequential:
    """Stack linear layers sizes[0] -> sizes[1] -> ..., with the activation between them.

    The last layer has no activation, so that a code or a reconstruction may take any value. With
    `norm`, batch normalisation stands before each activation. The
    weights are born in `dtype`; cast afterwards, they would differ between processors in the
    tenth digit. They are drawn uniformly from +-1 / sqrt(inputs), PyTorch's default; `initialise`
    draws them anew.

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
        layers += [nn.Linear(inputs, outputs, dtype=dtype)]
        layers += [nn.BatchNorm1d(outputs, dtype=dtype)] if norm else []
        layers += [activation()]
    return nn.Sequential(*layers[: -2 if norm else -1])


def initialise(net: nn.Module, scheme: str | float) -> nn.Module:
    """Draw the weights of all linear layers anew, Gaussian around zero; all biases become zero.

    `scheme` sets the variance of the weights of a layer: "he" 2 / inputs, which keeps the mean
    square of the signal from layer to layer of a ReLU network; "xavier" 2 / (inputs + outputs),
    which keeps signal and gradient, as far as one number can, where the bend is nearly linear; a
    number is the standard deviation itself, the same for all layers. Returns the network.
    Raises ValueError for another scheme, and where there is no linear layer.

    Source: He et al. 2015, Eq. 10; Glorot and Bengio 2010, Eq. 12 (theirs drawn uniformly, with
    the bounds of Eq. 16 for the same variance).

    >>> with torch.random.fork_rng():
    ...     _ = torch.manual_seed(0)
    ...     net = initialise(mlp([1000, 500]), "he")
    >>> print(f"{net[0].weight.var().item():.4f}, expected {2 / 1000:.4f}")
    0.0020, expected 0.0020
    """
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Linear)]
    if not layers:
        raise ValueError(f"{type(net).__name__} has no linear layer, expected at least one")
    for layer in layers:
        inputs, outputs = layer.in_features, layer.out_features
        if scheme == "he":
            deviation = math.sqrt(2 / inputs)  # Eq. 10
        elif scheme == "xavier":
            deviation = math.sqrt(2 / (inputs + outputs))  # Eq. 12
        elif isinstance(scheme, Real) and not isinstance(scheme, bool) and 0 < scheme < math.inf:
            deviation = float(scheme)
        else:
            raise ValueError(
                f"scheme={scheme!r}, expected 'he', 'xavier' or a finite number above 0"
            )
        nn.init.normal_(layer.weight, 0.0, deviation)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return net
