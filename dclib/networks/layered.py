"""An autoencoder seen layer by layer: corrupt any of them, compare any with what is rebuilt."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


def layer_outputs(net: nn.Sequential, x: Tensor, drop: Sequence[float] = ()) -> list[Tensor]:
    """Outputs of all layers of an encoder or a decoder, each flattened to rows.

    Shapes: x (n, ...); returns one (n, width) for each layer with weights, after the activation
    that follows it. `drop[l]` is the share of the numbers that go into layer l to be set to 0, the
    others raised to make up for it; none where `drop` ends.

    >>> import torch
    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> [h.shape[1] for h in layer_outputs(net, torch.zeros(5, 4))]
    [3, 2]
    """
    outputs = []
    layers = _layers(net)
    for layer, share in zip(layers, [*drop, *[0.0] * (len(layers) - len(drop))], strict=True):
        x = layer(nn.functional.dropout(x, share))
        outputs.append(x)
    return [output.flatten(1) for output in outputs]


def _layers(net: nn.Sequential) -> list[nn.Sequential]:
    """Cut a sequence before every module with weights but the first."""
    layers: list[list[nn.Module]] = [[]]
    for module in net:
        has_weights = any(True for _ in module.parameters())
        if has_weights and any(True for part in layers[-1] for _ in part.parameters()):
            layers.append([])
        layers[-1].append(module)
    return [nn.Sequential(*layer) for layer in layers]
