"""The body of a network that is trained from scratch: batch normalisation behind every layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from dclib.networks.cnn import cnn
from dclib.networks.mlp import mlp


def body(
    network: str, shape: Sequence[int], layers: Sequence[int], dtype: torch.dtype | None = None
) -> nn.Sequential:
    """Build the network below the heads that an algorithm's settings `network` and `layers` name.

    Shapes: shape is that of one sample, (d,) for "mlp" and (c, h, w) or (c, length) for "cnn";
    forward takes (n, *shape) and returns (n, layers[-1]). Each layer is normalised over the batch
    and bent by a ReLU, the last one too. The last of `layers` is a linear layer; those before it
    are linear in an "mlp", and convolutions of 5 pixels and stride 2 in a "cnn".

    >>> body("mlp", (4,), (3, 2))(torch.zeros(5, 4)).shape
    torch.Size([5, 2])
    """
    *hidden, last = layers
    if network == "mlp":
        net = mlp((*shape, *layers), dtype=dtype, norm=True)
    else:
        net = cnn(shape, hidden, last, kernel_size=5, dtype=dtype, norm=True)
    return nn.Sequential(*net, nn.BatchNorm1d(last, dtype=dtype), nn.ReLU())
