"""Perturbations for self-augmentation: small steps of a sample that its cluster should survive.

The loss itself is `assignment_kl(q, q_moved)`: the prediction for the sample is the target, held
constant, of the prediction for its moved copy. The copy is x + r with an r from here, or a view
from `dclib.augment`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real

import torch
from torch import Tensor

from dclib import check
from dclib.losses.assignment import assignment_kl
from dclib.losses.neighbourhood import nearest_neighbours


def random_perturbation(x: Tensor, radius: Tensor | float) -> Tensor:
    """Draw a step of length `radius` in a random direction for each sample.

    Shapes: x (n, ...); radius is a number of at least 0, or one for each sample (n,), in units of
    x. Returns r (n, ...), its directions uniform on the sphere, drawn from PyTorch's global
    generator. Source: random perturbation training (RPT) in Hu et al. 2017 (IMSAT).

    >>> random_perturbation(torch.zeros(3, 2), radius=0.5).norm(dim=1)
    tensor([0.5000, 0.5000, 0.5000])
    """
    radius = _per_sample("radius", radius, x)
    direction = torch.randn(x.shape, dtype=x.dtype, device=x.device)
    return radius * _unit(direction, otherwise=direction)


def adversarial_perturbation(
    predict: Callable[[Tensor], Tensor],
    x: Tensor,
    radius: Tensor | float,
    probe: Tensor | float | None = None,
    steps: int = 1,
) -> Tensor:
    """Find the step of length `radius` that changes the prediction for each sample most.

    Shapes: x (n, ...); predict takes (n, ...) to soft assignments (n, k), each row by itself;
    radius and probe are numbers of at least 0, or one for each sample (n,), in units of x. Returns
    r (n, ...), a constant: the direction is that of the gradient of KL(q(x) || q(x + r)), read at
    a distance `probe` (None: the radius) in a random direction, again in the direction found, and
    so on for `steps` times. Where that gradient is zero, the direction is undefined and stays the
    one before, random at first. No parameter of `predict` is given a gradient.

    Source: virtual adversarial training (VAT), a power iteration, as used by Hu et al. 2017
    (IMSAT); their code has a probe of 10 for MNIST scaled to [-1, 1], and one step.

    >>> from torch import nn
    >>> predict = nn.Sequential(nn.Linear(2, 2), nn.Softmax(1))
    >>> _ = predict[0].weight.data.copy_(torch.tensor([[3.0, 0.0], [0.0, 0.0]]))
    >>> adversarial_perturbation(predict, torch.zeros(1, 2), radius=0.5).abs()
    tensor([[0.5000, 0.0000]])
    """
    if not check.is_whole(steps) or steps < 1:
        raise ValueError(f"steps={steps!r}, expected a whole number of at least 1")
    probe = _per_sample("probe", radius if probe is None else probe, x)
    radius = _per_sample("radius", radius, x)
    x, direction = x.detach(), random_perturbation(x, 1)
    with torch.enable_grad():
        q = predict(x)
        for _ in range(steps):
            r = (probe * direction).requires_grad_()
            (slope,) = torch.autograd.grad(assignment_kl(q, predict(x + r)), r)
            direction = _unit(slope, otherwise=direction)
    return radius * direction


def adaptive_radius(x: Tensor, neighbor: int = 10, share: float = 0.25) -> Tensor:
    """Take a share of the distance from each sample to its tenth nearest neighbour as its radius.

    Shapes: x (n, ...), ALL samples, not a batch; the sample itself is not counted as a neighbour.
    Returns (n,), in [0, inf), in units of x; time n^2, memory n times a block of 1,024 rows.
    Source: Hu et al. 2017 (IMSAT), whose neighbour and share are the defaults here.

    >>> adaptive_radius(torch.tensor([[0.0], [1.0], [4.0]]), neighbor=2, share=0.5)
    tensor([2.0000, 1.5000, 2.0000])
    """
    if not isinstance(share, Real) or not 0 < share < math.inf:
        raise ValueError(f"share={share!r}, expected a finite number above 0")
    _, squared = nearest_neighbours(x, neighbor)
    return share * squared[:, -1].sqrt()


def _per_sample(name: str, value: Tensor | float, x: Tensor) -> Tensor:
    """Read one number for all samples, or one for each, in a shape that multiplies x."""
    if isinstance(value, Real) and not 0 <= value < math.inf:
        raise ValueError(f"{name}={value!r}, expected a finite number of at least 0")
    lengths = torch.as_tensor(value, dtype=x.dtype, device=x.device)
    if lengths.shape not in ((), (len(x),)):
        found = f"{name} has shape {tuple(lengths.shape)}"
        raise ValueError(f"{found}, expected a number, or one for each of {len(x)} samples")
    return lengths.expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))


def _unit(r: Tensor, otherwise: Tensor) -> Tensor:
    """Scale each sample's r to length 1; where it is zero, take `otherwise`."""
    flat = r.flatten(1)
    flat = flat / flat.abs().amax(1, keepdim=True)  # a gradient's square may underflow
    unit = (flat / flat.norm(dim=1, keepdim=True)).view_as(r)
    return torch.where(unit.isnan(), otherwise, unit)
