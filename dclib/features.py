"""Features from inside a network: the outputs of its layers, and how to put them on one scale."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dclib.check import is_whole, matrices, same_width, whole

# What ends a layer and begins none: PyTorch's files of activations and of normalisations.
ENDINGS = {
    f"torch.nn.modules.{file}"
    for file in ("activation", "batchnorm", "instancenorm", "normalization")
}


def activations(
    net: nn.Module,
    x: Tensor,
    layers: Sequence[str] | None = None,
    batch_size: int = 4096,
    keep: Callable[[Any], Tensor] | None = None,
) -> dict[str, Tensor]:
    """Collect the outputs of the layers of any network, by name, in the order of the forward pass.

    Shapes: x (n, ...) is what `net` takes; returns tensors (n, ...) of the widths of the layers,
    maps (n, c, h, w) as they are, with the device and the floating dtype of x. The network
    computes on its own device and in its own dtype, in eval mode and without gradients, and is
    left as it was.

    `layers` are names as in `net.named_modules()`: parts that call others, such as "encoder", may
    be among them. None takes the output of every layer *after its nonlinearity*: every part with
    weights and without parts of its own, up to the last of PyTorch's normalisations and activations
    that are called before the next such part; those before the first stand for themselves. Only
    modules are seen: where the nonlinearity is a function inside `forward`, the outputs are those
    before it.

    `keep` says what to keep of each output, for example `spatial_mean`, or
    `lambda output: output[0][:, -1]` for a recurrent layer, which returns a tuple.

    Raises ValueError for an unknown name, for a layer that is called twice or never in one
    forward pass, and for one whose (kept) output is not a tensor with a row for each sample.

    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> {name: tuple(h.shape) for name, h in activations(net, torch.ones(5, 4)).items()}
    {'1': (5, 3), '2': (5, 2)}
    """
    x = torch.as_tensor(x)
    if not x.ndim or not len(x):
        raise ValueError(f"x has shape {tuple(x.shape)}, expected (n, ...) with n >= 1")
    batch_size = whole("batch_size", batch_size, 1)
    modules = dict(net.named_modules())
    with _at_rest(net):
        names = _layers(net, x[:1]) if layers is None else _known(layers, modules)
        chosen = {name: modules[name] for name in names}
        parts = [_run(net, part, chosen, keep) for part in x.split(batch_size)]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def spatial_mean(h: Tensor) -> Tensor:
    """Average feature maps over their places: (n, c, h, w) or (n, c, length) to (n, c).

    What has no places, (n, width), is passed on. Channels stand second: the (n, tokens, width) of
    a transformer has to be transposed before.

    >>> spatial_mean(torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]]))
    tensor([[4.]])
    """
    if h.ndim < 2:
        raise ValueError(f"h has shape {tuple(h.shape)}, expected (n, width) or (n, c, ...)")
    return h.flatten(2).mean(2) if h.ndim > 2 else h


def standardise(h: Tensor, reference: Tensor | None = None) -> Tensor:
    """Give every feature mean 0 and variance 1; a feature that is constant becomes 0.

    Shapes: h (n, width). Mean and variance (divided by n) are those of `reference` (rows, width),
    or of h itself; so new samples are put on the scale of old ones, and one sample by itself
    becomes all 0. Constant means: to rounding.

    >>> standardise(torch.tensor([[1.0, 7.0], [3.0, 7.0]])).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    reference = _reference(h, reference)
    low, high = reference.amin(0), reference.amax(0)
    rounding = 16 * torch.finfo(reference.dtype).eps * torch.maximum(low.abs(), high.abs())
    constant = high - low <= rounding
    deviation = reference.std(0, correction=0).masked_fill(constant, 1)
    return ((h - reference.mean(0)) / deviation).masked_fill(constant, 0)


def standardise_block(h: Tensor, reference: Tensor | None = None) -> Tensor:
    """Give every feature mean 0 and the block as a whole variance 1: one factor for all features.

    Shapes: h (n, width). The mean squared distance of the rows from their mean becomes 1 whatever
    the width, so that blocks put side by side have an equal say in a squared distance; inside a
    block, distances keep their proportions. Mean and variance are those of `reference`, or of h
    itself. A block without variance becomes 0.

    >>> standardise_block(torch.tensor([[0.0, 0.0], [6.0, 8.0]])).square().sum(1).tolist()
    [1.0, 1.0]
    """
    reference = _reference(h, reference)
    center = reference.mean(0)
    size = (reference - center).square().sum(1).mean().sqrt()
    rounding = 16 * torch.finfo(reference.dtype).eps * reference.abs().max()
    return (h - center) / size if size > rounding else torch.zeros_like(h)


def pca(
    h: Tensor, n_components: int, whiten: bool = False, reference: Tensor | None = None
) -> Tensor:
    """Project on the first principal axes; with `whiten`, all of them then have variance 1.

    Shapes: h (n, width), returns (n, n_components). Axes and variances (divided by n - 1) are
    those of `reference` (rows, width), or of h itself. The sign of an axis is fixed: its largest
    weight is positive. A component without variance becomes 0 when whitened.

    >>> pca(torch.tensor([[3.0, 1.0], [9.0, 1.0]]), n_components=1).round().tolist()
    [[-3.0], [3.0]]
    """
    reference = _reference(h, reference)
    most = min(reference.shape)
    if not is_whole(n_components) or not 1 <= n_components <= most:
        raise ValueError(
            f"n_components={n_components!r}, expected a whole number from 1 to {most}, "
            "the smaller of rows and width"
        )
    center = reference.mean(0)
    _, sizes, axes = torch.linalg.svd(reference - center, full_matrices=False)
    axes, sizes = axes[:n_components], sizes[:n_components]
    largest = axes.abs().argmax(1, keepdim=True)
    axes = axes * axes.gather(1, largest).sign()
    z = (h - center) @ axes.T
    if not whiten:
        return z
    deviation = sizes / max(len(reference) - 1, 1) ** 0.5
    flat = sizes <= sizes[0] * max(reference.shape) * torch.finfo(sizes.dtype).eps
    return (z / deviation.masked_fill(flat, 1)).masked_fill(flat, 0)


def discretise(h: Tensor, low: float = -0.25, high: float = 0.15) -> Tensor:
    """Turn every number into 1 (above `high`), -1 (below `low`) or 0.

    Shapes: any, and the same returned, in the dtype of h. Source: Garcia-Gasulla et al. 2017,
    whose thresholds are the defaults; they are made for standardised features.

    >>> discretise(torch.tensor([-0.3, -0.25, 0.0, 0.15, 0.2])).tolist()
    [-1.0, 0.0, 0.0, 0.0, 1.0]
    """
    if not low < high:
        raise ValueError(f"low={low!r}, high={high!r}, expected low < high")
    if h.isnan().any():
        raise ValueError("h holds NaN, expected numbers")
    return (h > high).to(h.dtype) - (h < low).to(h.dtype)


def full_network_embedding(
    net: nn.Module,
    x: Tensor,
    layers: Sequence[str] | None = None,
    low: float = -0.25,
    high: float = 0.15,
    batch_size: int = 4096,
    reference: Tensor | None = None,
    keep: Callable[[Any], Tensor] = spatial_mean,
) -> Tensor:
    """Describe each sample by all layers at once, every feature as -1, 0 or 1.

    Four steps: the activations of the `layers` (None: all, as in `activations`), maps averaged
    over their places, or what else `keep` makes of an output; put side by side; each feature
    standardised over the samples of x, or over those of `reference`; discretised at `low` and
    `high`. Shapes: x as `net` takes it, returns (n, sum of the widths). Source: Garcia-Gasulla et
    al. 2017, there with a network trained on other images with labels; from such a network leave
    out the layer of the class scores.

    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    >>> full_network_embedding(net, torch.rand(5, 1, 4, 4)).shape
    torch.Size([5, 6])
    """
    maps = activations(net, x, layers, batch_size, keep)
    h = torch.cat(list(maps.values()), dim=1)
    if reference is not None:
        maps = activations(net, reference, list(maps), batch_size, keep)
        reference = torch.cat(list(maps.values()), dim=1)
    return discretise(standardise(h, reference), low, high)


@contextlib.contextmanager
def _at_rest(net: nn.Module) -> Iterator[None]:
    """Put the network in eval mode, without gradients; afterwards each part is as it was."""
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _layers(net: nn.Module, row: Tensor) -> list[str]:
    """Name the layers that a forward pass goes through, each by its last module."""
    leaves = {name: part for name, part in net.named_modules() if not list(part.children())}
    calls: list[str] = []
    with contextlib.ExitStack() as hooks:
        for name, part in leaves.items():
            note = functools.partial(_note, calls, name)
            hooks.enter_context(part.register_forward_hook(note))
        net(_like_weights(row, net))
    names: list[str] = []
    for name in calls:
        ends = any(base.__module__ in ENDINGS for base in type(leaves[name]).__mro__)
        if ends and names:
            names[-1] = name
        elif ends or list(leaves[name].parameters()):
            names.append(name)
    if not names:
        raise ValueError(f"{type(net).__name__} has no layer that is a module, expected layers=...")
    return names


def _note(calls: list[str], name: str, *_: Any) -> None:
    calls.append(name)


def _known(layers: Sequence[str], modules: dict[str, nn.Module]) -> Sequence[str]:
    if isinstance(layers, str) or not len(layers):
        raise ValueError(f"layers={layers!r}, expected a list of one or more names")
    if len(set(layers)) < len(layers):
        raise ValueError(f"layers={list(layers)!r}, expected each name once")
    unknown = [name for name in layers if name not in modules]
    if unknown:
        known = ", ".join(repr(name) for name in modules if name)
        raise ValueError(f"layers holds {unknown[0]!r}, expected names among {known}")
    return layers


def _run(
    net: nn.Module,
    part: Tensor,
    chosen: dict[str, nn.Module],
    keep: Callable[[Any], Tensor] | None,
) -> dict[str, Tensor]:
    """Send one batch through the network and collect what the chosen modules return."""
    found: dict[str, Tensor] = {}

    def collect(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        if name in found:
            raise ValueError(
                f"layer {name!r} ({type(module).__name__}) is called twice in a forward pass, "
                "expected once; name other layers, or parts around it, in layers=..."
            )
        h = keep(output) if keep else output
        if not isinstance(h, Tensor):
            raise ValueError(
                f"layer {name!r} returns a {type(h).__name__}, expected a tensor; say with "
                "keep=... what to keep, such as keep=lambda output: output[0]"
            )
        if not h.ndim or len(h) != len(part):
            raise ValueError(
                f"layer {name!r} returns shape {tuple(h.shape)} for {len(part)} samples, "
                f"expected ({len(part)}, ...)"
            )
        dtype = part.dtype if part.is_floating_point() else h.dtype
        found[name] = h.to(part.device, dtype, copy=True)  # a later layer may work in place

    with contextlib.ExitStack() as hooks:
        for name, module in chosen.items():
            hook = functools.partial(collect, name)
            hooks.enter_context(module.register_forward_hook(hook))
        net(_like_weights(part, net))
    silent = [name for name in chosen if name not in found]
    if silent:
        raise ValueError(f"layer {silent[0]!r} is not called in a forward pass, expected one call")
    return found


def _like_weights(part: Tensor, net: nn.Module) -> Tensor:
    """Move a batch to the device of the network, and real numbers to its dtype."""
    weight = next((w for w in net.parameters() if w.is_floating_point()), None)
    if weight is None:
        return part
    return part.to(weight.device, weight.dtype if part.is_floating_point() else part.dtype)


def _reference(h: Tensor, reference: Tensor | None) -> Tensor:
    """The rows that statistics are taken from, checked."""
    if reference is None:
        matrices(h=h)
        reference = h
    else:
        same_width(h=h, reference=reference)
    if not reference.numel() or not reference.is_floating_point():
        found = f"shape {tuple(reference.shape)} and dtype {reference.dtype}"
        raise ValueError(f"features have {found}, expected (n, width) of real numbers, not empty")
    return reference
