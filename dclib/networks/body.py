"""Networks that are trained from scratch: the body below the heads, and the players of a game."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from dclib.networks.cnn import ConvAutoencoder, cnn
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


def discriminator(
    network: str, shape: Sequence[int], layers: Sequence[int], dtype: torch.dtype | None = None
) -> nn.Sequential:
    """Build the body of a discriminator: the layers of `body`, bent by a ReLU that leaks a fifth.

    Shapes: as `body`. Nothing is normalised: over batches that are all real or all fake, that
    would hide by what they differ. Source: Radford et al. 2016 (DCGAN), for the ReLU.

    >>> discriminator("mlp", (4,), (3, 2))(torch.zeros(5, 4)).shape
    torch.Size([5, 2])
    """
    leaky, (*hidden, last) = partial(nn.LeakyReLU, 0.2), layers
    if network == "mlp":
        net = mlp((*shape, *layers), leaky, dtype)
    else:
        net = cnn(shape, hidden, last, kernel_size=5, activation=leaky, dtype=dtype)
    return nn.Sequential(*net, leaky())


def generator(
    network: str,
    shape: Sequence[int],
    layers: Sequence[int],
    inputs: int,
    dtype: torch.dtype | None = None,
) -> nn.Sequential:
    """Build the network that generates samples: the layers of `body` backwards.

    Shapes: shape is that of one sample; forward takes (n, inputs), with n at least 2 in training,
    and returns (n, *shape). Each layer but the last is normalised over the batch and bent by a
    ReLU. Source: Radford et al. 2016 (DCGAN), whose convolutions are transposed ones too.

    >>> generator("mlp", (4,), (3, 2), inputs=6)(torch.zeros(5, 6)).shape
    torch.Size([5, 4])
    """
    if network == "mlp":
        return mlp((inputs, *reversed(layers), *shape), dtype=dtype, norm=True)
    *channels, last = layers
    mirrored = ConvAutoencoder(shape, channels, last, kernel_size=5, dtype=dtype).decoder
    net: list[nn.Module] = [nn.Linear(inputs, last, dtype=dtype), nn.BatchNorm1d(last, dtype=dtype)]
    net.append(nn.ReLU())
    outputs = iter([*reversed(channels)])
    of_maps = nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d
    for layer in mirrored:
        net += [of_maps(next(outputs), dtype=dtype)] if isinstance(layer, nn.ReLU) else []
        net.append(layer)
    return nn.Sequential(*net)
