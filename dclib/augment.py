"""Views: a batch of rows, changed at random in ways that leave the class what it was.

Each function takes a batch and returns one of the same shape, dtype and device, changes every
sample by amounts of its own, draws them from PyTorch's global generator, lets gradients through,
and gives the input back for the strength 0.
"""

from __future__ import annotations

import math
from numbers import Real

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample


def affine(
    x: Tensor,
    rotation: float = 0.0,
    shift: float = 0.0,
    scale: float = 0.0,
    shape: tuple[int, ...] | None = None,
) -> Tensor:
    """Turn, size and shift each image by random amounts, in a single interpolation.

    Shapes: x (n, c, h, w), or rows (n, d) of images whose `shape` is (h, w) or (c, h, w). Each
    image is turned by up to `rotation` degrees either way, sized by a factor within 1 ± `scale`,
    below 1, and shifted by up to `shift` pixels along the rows and along the columns, all drawn
    uniformly. What comes in from outside is 0. For one seed, changing one strength leaves the
    others' amounts alone. Raises ValueError for another shape or strength.

    Source: the augmentation of DEC-DA (Guo et al. 2018), with scaling added.

    >>> x = torch.ones(3, 16)
    >>> affine(x, rotation=10, shift=0.5, scale=0.1, shape=(4, 4)).shape
    torch.Size([3, 16])
    >>> bool((affine(x, shape=(4, 4)) == x).all())
    True
    """
    _check_strengths(rotation=rotation, shift=shift)
    _check_strengths(1, scale=scale)
    turned, larger, right, down = 2 * torch.rand(4, len(_images(x, shape)), **_like(x)) - 1
    if rotation == shift == scale == 0:
        return x
    return move(x, rotation * turned, shift * right, shift * down, 1 + scale * larger, shape)


def move(
    x: Tensor,
    rotation: Tensor | float = 0.0,
    shift_x: Tensor | float = 0.0,
    shift_y: Tensor | float = 0.0,
    scale: Tensor | float = 1.0,
    shape: tuple[int, ...] | None = None,
) -> Tensor:
    """Turn, size and then shift each image by the amounts given, in a single interpolation.

    Shapes: x (n, c, h, w), or rows (n, d) of images whose `shape` is (h, w) or (c, h, w); the
    amounts are numbers or tensors (n,), in the units of the factors of `dclib.data.glyphs`:
    degrees counter-clockwise around the centre, pixels right and down, and a factor of the size,
    above 0. What comes in from outside is 0. Raises ValueError for another shape.

    >>> x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> move(x, shift_x=1)
    tensor([[[[0., 1.],
              [0., 3.]]]])
    """
    images = _images(x, shape)
    n, _, h, w = images.shape
    angle, right, down, size = (
        _one_per_image(name, value, x)
        for name, value in (
            *(("rotation", rotation), ("shift_x", shift_x)),
            *(("shift_y", shift_y), ("scale", scale)),
        )
    )
    # A pixel shows the place of the image that moves onto it, so every motion is undone.
    cos, sin = torch.deg2rad(angle).cos() / size, torch.deg2rad(angle).sin() / size
    along = -2 / w * (cos * right - sin * down)  # affine_grid counts from -1 to 1 on either side
    across = -2 / h * (sin * right + cos * down)
    undo = torch.stack([cos, -sin * h / w, along, sin * w / h, cos, across], 1).view(n, 2, 3)
    grid = affine_grid(undo, list(images.shape), align_corners=False)
    return grid_sample(images, grid, align_corners=False).reshape(x.shape)


def noise(x: Tensor, deviation: float = 0.1) -> Tensor:
    """Add Gaussian noise of mean 0 to every value.

    Shapes: x (n, ...); `deviation` is the noise's standard deviation, in units of x. Nothing is
    cut off at the limits of x. Raises ValueError for a strength below 0.

    >>> noise(torch.zeros(2, 3), deviation=0)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    _check_strengths(deviation=deviation)
    return x + deviation * torch.randn(_floats(x).shape, **_like(x))


def mask(x: Tensor, share: float = 0.1) -> Tensor:
    """Set a random `share` of the values to 0, and leave the others as they are.

    Shapes: x (n, d) or (n, c, h, w); of an image, whole pixels are dropped, in all its channels.
    Each is dropped by itself with probability `share`, so the number varies. Unlike dropout, this
    does not enlarge what is left. Raises ValueError for a share that is not in [0, 1).

    Source: the corruption of the denoising autoencoder (Vincent et al. 2010).

    >>> mask(torch.ones(2, 3), share=0)
    tensor([[1., 1., 1.],
            [1., 1., 1.]])
    """
    _check_strengths(1, share=share)
    shape = (len(x), 1, *x.shape[2:]) if _floats(x).ndim == 4 else x.shape
    return x * (torch.rand(shape, **_like(x)) >= share)


def mild(x: Tensor) -> Tensor:
    """Change a batch a little: what an algorithm takes for views when it is given none.

    Shapes: images (n, c, h, w) are turned by up to 10 degrees, shifted by up to a tenth of the
    shorter side and sized by up to a tenth; to rows (n, d) or series (n, c, length) noise of a
    tenth of the batch's standard deviation is added. That a sample's class survives this is an
    assumption about the data. Strengths are our choice.

    >>> mild(torch.ones(2, 1, 4, 4)).shape
    torch.Size([2, 1, 4, 4])
    """
    if _floats(x).ndim == 4:
        return affine(x, rotation=10, shift=min(x.shape[2:]) / 10, scale=0.1)
    return noise(x, 0.1 * x.std(correction=0).item())


def _images(x: Tensor, shape: tuple[int, ...] | None) -> Tensor:
    """View a batch as (n, c, h, w), or say why it is none of images."""
    found = f"x has shape {tuple(_floats(x).shape)}"
    if x.ndim == 4 and shape is None:
        return x
    if x.ndim != 2 or shape is None:
        raise ValueError(f"{found} and shape={shape}, expected (n, c, h, w), or rows and a shape")
    if len(shape) not in (2, 3) or math.prod(shape) != x.shape[1]:
        raise ValueError(f"{found} and shape={shape}, expected (h, w) or (c, h, w) of a row")
    return x.reshape(len(x), *(1,) * (3 - len(shape)), *shape)


def _floats(x: Tensor) -> Tensor:
    if not x.is_floating_point():
        raise ValueError(f"x is {x.dtype}, expected floating-point numbers")
    return x


def _like(x: Tensor) -> dict[str, object]:
    return {"dtype": x.dtype, "device": x.device}


def _one_per_image(name: str, value: Tensor | float, x: Tensor) -> Tensor:
    """Read one amount for all images, or one for each."""
    amounts = torch.as_tensor(value, **_like(x))
    if amounts.shape not in ((), (len(x),)):
        found = f"{name} has shape {tuple(amounts.shape)}"
        raise ValueError(f"{found}, expected a number, or one for each of {len(x)} images")
    return amounts.expand(len(x))


def _check_strengths(below: float = math.inf, **strengths: object) -> None:
    for name, value in strengths.items():
        if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= value < below:
            limit = "" if below == math.inf else f" and below {below}"
            raise ValueError(f"{name}={value!r}, expected a finite number of at least 0{limit}")
