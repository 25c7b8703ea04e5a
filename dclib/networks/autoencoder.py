"""The autoencoder and its two ways of pre-training: end to end, and layer by layer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from dclib.loop import Epoch, batches, descend, encode
from dclib.losses import squared_error
from dclib.networks.cnn import ConvAutoencoder
from dclib.networks.mlp import mlp


class Autoencoder(nn.Module):
    """An encoder d -> ... -> m and its mirror image, the decoder m -> ... -> d.

    Shapes: sizes (d, ..., m); forward takes x (n, d) and returns its reconstruction (n, d).
    Source: the network of Xie et al. 2016 (DEC), Sec. 3.2, is sizes (d, 500, 500, 2000, 10).

    >>> auto = Autoencoder([64, 32, 5])
    >>> auto(torch.zeros(7, 64)).shape, auto.encoder(torch.zeros(7, 64)).shape
    (torch.Size([7, 64]), torch.Size([7, 5]))
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: type[nn.Module] = nn.ReLU,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self.activation = activation
        self.encoder = mlp(sizes, activation, dtype)
        self.decoder = mlp(sizes[::-1], activation, dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


def autoencoder(
    network: str, shape: Sequence[int], layers: Sequence[int], dtype: torch.dtype | None = None
) -> Autoencoder | ConvAutoencoder:
    """Build the autoencoder that an algorithm's settings `network` and `layers` name.

    Shapes: shape is that of one sample, (d,) for "mlp" and (c, h, w) or (c, length) for "cnn". The
    last of `layers` is the size of the code; those before are the widths of an "mlp", or the
    channels of the convolutions of a "cnn", which have kernels of 5 pixels, as the first two of
    Guo et al. 2017 (DCEC), Sec. 3.1.

    >>> auto = autoencoder("cnn", (1, 8, 8), (4, 6, 5))
    >>> auto(torch.zeros(2, 1, 8, 8)).shape, auto.encoder(torch.zeros(2, 1, 8, 8)).shape
    (torch.Size([2, 1, 8, 8]), torch.Size([2, 5]))
    """
    if network == "mlp":
        return Autoencoder((*shape, *layers), dtype=dtype)
    *channels, code_size = layers
    return ConvAutoencoder(shape, channels, code_size, kernel_size=5, dtype=dtype)


def train_end_to_end(
    auto: nn.Module,
    x: Tensor,
    epochs: Iterable[Epoch],
    optimizer: torch.optim.Optimizer,
    batch_size: int = 256,
    corrupt: Callable[[Tensor], Tensor] = lambda rows: rows,
) -> None:
    """Train all layers at once to rebuild x (n, d) from a corrupted (or augmented) x.

    Minimises `squared_error / d`, the mean over pixels, on whose scale the learning rates of the
    published recipes are given.

    >>> from dclib.loop import epochs
    >>> auto, x = Autoencoder([3, 2]), torch.eye(3)
    >>> before = squared_error(auto(x), x)
    >>> train_end_to_end(auto, x, epochs(20), torch.optim.SGD(auto.parameters(), lr=1.0))
    >>> bool(squared_error(auto(x), x) < before)
    True
    """
    for epoch in epochs:
        for i in batches(len(x), batch_size):
            rows = x[i]
            loss = squared_error(auto(corrupt(rows)), rows) / rows[0].numel()
            descend(loss, optimizer)
            epoch.log(reconstruction=loss)


def train_layer_by_layer(
    auto: Autoencoder,
    x: Tensor,
    epochs: Callable[[str, torch.optim.Optimizer], Iterable[Epoch]],
    lr: float,
    batch_size: int = 256,
    dropout: float = 0.2,
) -> None:
    """Train the layers one after the other, from the outside in, each as a denoising autoencoder.

    Layer l learns to rebuild the output of the trained layers below it from a copy in which
    every number is dropped with probability `dropout`; `epochs(name, optimizer)` gives its
    epochs. Source: Xie et al. 2016 (DEC), Sec. 3.2, where each layer takes 50,000 steps.

    >>> from dclib.loop import epochs
    >>> auto, x = Autoencoder([3, 4, 2]), torch.eye(3)
    >>> train_layer_by_layer(auto, x, lambda name, optimizer: epochs(5), lr=0.1)
    """
    drop = nn.Dropout(dropout)
    layers = list(zip(_linear(auto.encoder), reversed(_linear(auto.decoder)), strict=True))
    below = nn.Sequential()
    for depth, (encode_layer, decode_layer) in enumerate(layers):
        h = encode(below, x)
        bend_code = nn.Identity() if depth == len(layers) - 1 else auto.activation()
        bend_out = nn.Identity() if depth == 0 else auto.activation()
        layer = nn.Sequential(drop, encode_layer, bend_code, drop, decode_layer, bend_out)
        optimizer = torch.optim.SGD(layer.parameters(), lr=lr, momentum=0.9, fused=True)
        train_end_to_end(layer, h, epochs(f"layer {depth + 1}", optimizer), optimizer, batch_size)
        below.extend([encode_layer, bend_code])


def pretrain(
    auto: Autoencoder | ConvAutoencoder,
    x: Tensor,
    epochs: Callable[..., Iterable[Epoch]],
    layer_epochs: int,
    pretrain_epochs: int,
    lr: float,
    batch_size: int,
) -> None:
    """Prepare an autoencoder for clustering: layer by layer, then end to end.

    `epochs(total, name, optimizer)` is an estimator's `self.epochs`. Zero epochs skip a stage.
    ValueError where the layers of a convolutional autoencoder are to be trained one by one.
    """
    if layer_epochs and not isinstance(auto, Autoencoder):
        raise ValueError(f"layer_epochs={layer_epochs}, expected 0 for network='cnn'")
    if layer_epochs:
        train_layer_by_layer(auto, x, functools.partial(epochs, layer_epochs), lr, batch_size)
    optimizer = torch.optim.SGD(auto.parameters(), lr=lr, momentum=0.9, fused=True)
    train_end_to_end(auto, x, epochs(pretrain_epochs, "pretrain", optimizer), optimizer, batch_size)


def _linear(layers: nn.Sequential) -> list[nn.Linear]:
    return [layer for layer in layers if isinstance(layer, nn.Linear)]
