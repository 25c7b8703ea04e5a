"""The convolutional network, and the autoencoder built from one and its mirror image."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from dclib.check import is_whole


def cnn(
    shape: Sequence[int],
    channels: Sequence[int],
    outputs: int | None,
    kernel_size: int = 3,
    activation: type[nn.Module] = nn.ReLU,
    dtype: torch.dtype | None = None,
    norm: bool = False,
) -> nn.Sequential:
    """Stack convolutions, each of which halves every side, and end with one linear layer.

    Shapes: shape (c, h, w) of one image, or (c, length) of one series, without n; forward takes
    (n, *shape) and returns (n, outputs). Layer l has channels[l] kernels, stride 2 and a border
    of zeros, so that a side s becomes s / 2, rounded up. The activation follows each convolution,
    not the linear layer; `outputs` None leaves that away, and the outputs are all numbers of the
    last convolution. With `norm`, batch normalisation stands before each activation. Raises
    ValueError, here for a kernel_size that is even or for more
    layers than a side can be halved, and in forward for a batch of another shape.

    >>> cnn((1, 8, 8), [4, 6], 10)
    Sequential(
      (0): Expect(1, 8, 8)
      (1): Conv2d(1, 4, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))
      (2): ReLU()
      (3): Conv2d(4, 6, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))
      (4): ReLU()
      (5): Flatten(start_dim=1, end_dim=-1)
      (6): Linear(in_features=24, out_features=10, bias=True)
    )
    """
    last = _sides(shape, channels, kernel_size)[-1]
    convolution = nn.Conv1d if len(shape) == 2 else nn.Conv2d
    normalisation = nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d
    layers: list[nn.Module] = [Expect(shape)]
    for before, after in pairwise([shape[0], *channels]):
        settings = {"stride": 2, "padding": kernel_size // 2, "dtype": dtype}
        layers += [convolution(before, after, kernel_size, **settings)]
        layers += [normalisation(after, dtype=dtype)] if norm else []
        layers += [activation()]
    layers.append(nn.Flatten())
    if outputs is not None:
        layers.append(nn.Linear(channels[-1] * prod(last), outputs, dtype=dtype))
    return nn.Sequential(*layers)


class ConvAutoencoder(nn.Module):
    """A convolutional encoder and its mirror image, with strides that the decoder undoes.

    Shapes: as `cnn`; encoder (n, *shape) -> (n, code_size), decoder back to (n, *shape), for odd
    sides too. With code_size None the last convolution is the code. Source: the network of Guo et
    al. 2017 (DCEC), Sec. 3.1, is shape (1, 28, 28) and channels (32, 64, 128), with kernels of 5,
    5 and 3; ours has one kernel size for all layers, and a border of zeros in all.

    >>> auto = ConvAutoencoder((1, 9, 7), [4, 6], code_size=5)
    >>> x = torch.zeros(2, 1, 9, 7)
    >>> auto.encoder(x).shape, auto(x).shape
    (torch.Size([2, 5]), torch.Size([2, 1, 9, 7]))
    """

    def __init__(
        self,
        shape: Sequence[int],
        channels: Sequence[int],
        code_size: int | None,
        kernel_size: int = 3,
        activation: type[nn.Module] = nn.ReLU,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self.encoder = cnn(shape, channels, code_size, kernel_size, activation, dtype)
        sides = _sides(shape, channels, kernel_size)
        start = (channels[-1], *sides[-1])
        layers: list[nn.Module] = [nn.Unflatten(1, start)]
        if code_size is not None:
            layers = [nn.Linear(code_size, prod(start), dtype=dtype), *layers, activation()]
        transposed = nn.ConvTranspose1d if len(shape) == 2 else nn.ConvTranspose2d
        changes = pairwise([*reversed(channels), shape[0]])
        for (before, after), back_to in zip(changes, sides[-2::-1], strict=True):
            settings = {"stride": 2, "padding": kernel_size // 2, "dtype": dtype}
            settings["output_padding"] = tuple(1 - side % 2 for side in back_to)  # 4 came of 8 or 7
            layers += [transposed(before, after, kernel_size, **settings), activation()]
        self.decoder = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


class Expect(nn.Module):
    """Pass on a batch (n, *shape) as it is; refuse any other, naming both shapes."""

    def __init__(self, shape: Sequence[int]):
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1:] != self.shape:
            expected = ", ".join(map(str, self.shape))
            raise ValueError(f"x has shape {tuple(x.shape)}, expected (n, {expected})")
        return x

    def extra_repr(self) -> str:
        return ", ".join(map(str, self.shape))


def _sides(
    shape: Sequence[int], channels: Sequence[int], kernel_size: int
) -> list[tuple[int, ...]]:
    """List the sides of the image before, between and after the layers, or say what is wrong."""
    if len(shape) not in (2, 3) or not all(is_whole(size) and size >= 1 for size in shape):
        raise ValueError(f"shape={shape!r}, expected the whole numbers (c, h, w) or (c, length)")
    if not len(channels) or not all(is_whole(count) and count >= 1 for count in channels):
        raise ValueError(f"channels={channels!r}, expected one or more whole numbers of at least 1")
    if not is_whole(kernel_size) or kernel_size < 3 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size={kernel_size!r}, expected an odd number of at least 3")
    sides = [tuple(shape[1:])]
    for _ in channels:
        if min(sides[-1]) < 2:
            raise ValueError(
                f"channels={channels!r} are {len(channels)} layers that halve the sides of "
                f"shape={shape!r}, expected at most {len(sides) - 1}"
            )
        sides.append(tuple(-(-side // 2) for side in sides[-1]))
    return sides
