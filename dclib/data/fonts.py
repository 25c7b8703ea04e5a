"""Images of characters, drawn from the fonts that ship with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.font_manager import FontProperties, get_font
from matplotlib.textpath import TextPath
from scipy.ndimage import distance_transform_edt, map_coordinates

from dclib.check import whole
from dclib.data.base import Data, float_type, generator, number, shuffled_labels

# The text fonts among matplotlib's; the others hold mathematical signs or old-style figures.
FONTS = (
    *("DejaVuSans", "DejaVuSans-Oblique", "DejaVuSans-Bold", "DejaVuSans-BoldOblique"),
    *("DejaVuSerif", "DejaVuSerif-Italic", "DejaVuSerif-Bold", "DejaVuSerif-BoldItalic"),
    *("DejaVuSansMono", "DejaVuSansMono-Oblique"),
    *("DejaVuSansMono-Bold", "DejaVuSansMono-BoldOblique"),
    *("STIXGeneral", "STIXGeneralItalic", "STIXGeneralBol", "STIXGeneralBolIta"),
    *("cmr10", "cmti10", "cmb10", "cmss10", "cmtt10"),
)
CELLS = 64  # a digit 0 is as many cells of the fine grid high
SIDE = 2 * CELLS  # of the fine grid, which is wider than any image
PARTS = 2  # a pixel is the mean of 2×2 parts, so that thin strokes keep their ink
HEIGHT = 0.65  # of a digit 0 in an image, as a part of the image's height


def glyphs(
    n: int = 2000,
    size: int = 16,
    characters: str = "0123456789",
    *,
    rotation: float = 15.0,
    shift: float = 0.5,
    scale: float = 0.15,
    stroke: float = 0.25,
    noise: float = 0.1,
    fonts: Sequence[str] | None = None,
    random_state: int = 0,
    dtype: object = np.float64,
) -> Data:
    """Draw characters in many fonts, turned, moved, sized, thickened and noised by known amounts.

    Returns n samples of d=`size`² pixels in [0, 1], ink 1 on paper 0, in k=`len(characters)`
    classes, the sizes of which differ by one at most. A pixel has one of 256 grey levels, which
    makes the bytes the same on every CPU. `factors` has n values of each, drawn uniformly and
    independently:

    - `font`: row of `FONTS`, among `fonts` or, for None, all of `FONTS`
    - `rotation`: degrees counter-clockwise, within ±`rotation`
    - `shift_x`, `shift_y`: pixels right and down, within ±`shift`
    - `scale`: size relative to upright text, within 1 ± `scale`
    - `stroke`: pixels by which the outline moves out or, below 0, in; within ±`stroke`
    - `noise`: standard deviation of this image's pixel noise, from 0 to `noise`; what leaves
      [0, 1] is cut

    Any strength may be 0. The same seed gives the same fonts and, for every strength, the same
    places in its interval: changing one factor leaves the others alone.

    >>> data = glyphs(n=100, characters="AB")
    >>> data
    Data('glyphs', n=100, d=256, k=2, shape=(16, 16), float64)
    >>> data.classes, sorted(data.factors)
    (('A', 'B'), ['font', 'noise', 'rotation', 'scale', 'shift_x', 'shift_y', 'stroke'])
    """
    rows = _font_rows(fonts)
    _check_characters(characters, rows)
    n, size = whole("n", n, len(characters)), whole("size", size, 4)
    dtype = float_type(dtype)
    rotation, shift = number("rotation", rotation), number("shift", shift)
    scale, stroke = number("scale", scale, below=1), number("stroke", stroke)
    noise = number("noise", noise)

    rng = generator(random_state)
    y = shuffled_labels(n, len(characters), rng)
    font = rows[rng.integers(len(rows), size=n)]
    turned, right, down, larger, bolder, noisier = rng.uniform(-1, 1, (6, n))
    factors = {
        "rotation": rotation * turned,
        "shift_x": shift * right,
        "shift_y": shift * down,
        "scale": 1 + scale * larger,
        "stroke": stroke * bolder,
    }
    ink = np.empty((n, size, size))
    for row, label in np.unique(np.column_stack([font, y]), axis=0):
        i = np.flatnonzero((font == row) & (y == label))
        placed = {name: values[i] for name, values in factors.items()}
        ink[i] = _draw(_distance(FONTS[row], characters[label]), size, **placed)
    factors["noise"] = noise * (1 + noisier) / 2
    ink += factors["noise"][:, None, None] * rng.standard_normal(ink.shape)
    x = np.round(255 * ink.clip(0, 1)).reshape(n, -1) / 255  # grey levels, as a camera gives them
    return Data(
        x.astype(dtype),
        y,
        "glyphs",
        shape=(size, size),
        classes=tuple(characters),
        factors={"font": font, **factors},
        source="Drawn by dclib.data.glyphs from the DejaVu, STIX and Computer Modern fonts",
    )


def _draw(
    distance: np.ndarray,
    size: int,
    rotation: np.ndarray,
    shift_x: np.ndarray,
    shift_y: np.ndarray,
    scale: np.ndarray,
    stroke: np.ndarray,
) -> np.ndarray:
    """Place one character (SIDE, SIDE) in b images (b, size, size), one for each set of factors."""
    center = (np.arange(PARTS * size) + 0.5) / PARTS - size / 2
    right = center[None, None, :] - shift_x[:, None, None]
    down = center[None, :, None] - shift_y[:, None, None]
    cos, sin = (f(np.deg2rad(rotation))[:, None, None] for f in (np.cos, np.sin))
    # A part shows the place of the character that moves onto it, so every motion is undone.
    zoom = CELLS / (HEIGHT * size) / scale[:, None, None]  # cells a pixel
    column = (cos * right - sin * down) * zoom + (SIDE - 1) / 2
    row = (sin * right + cos * down) * zoom + (SIDE - 1) / 2
    away = map_coordinates(distance, [row, column], order=1, cval=-SIDE)
    # A part whose centre lies half its width inside the outline is all ink, half outside all paper.
    parts = np.clip(0.5 + PARTS * (away / zoom + stroke[:, None, None]), 0, 1)
    return parts.reshape(-1, size, PARTS, size, PARTS).mean(axis=(2, 4))


@lru_cache(maxsize=1024)
def _distance(font: str, character: str) -> np.ndarray:
    """Measure in cells how far inside the outline each cell lies; outside is below 0."""
    x, y = np.concatenate(_outline(font, character)).T
    middle = [(x.min() + x.max()) / 2, (y.min() + y.max()) / 2]
    zero = np.concatenate(_outline(font, "0"))[:, 1]
    zoom = CELLS / (zero.max() - zero.min())
    polygons = [
        (p - middle) * [zoom, -zoom] + SIDE / 2  # y points down in an image
        for p in _outline(font, character)
    ]
    inside = _fill(polygons, SIDE)
    inward, outward = distance_transform_edt(inside), distance_transform_edt(~inside)
    return np.where(inside, inward - 0.5, 0.5 - outward).astype(np.float32)


def _fill(polygons: list[np.ndarray], side: int) -> np.ndarray:
    """Mark the cells whose centres closed polygons of points (x, y) wind around."""
    start = np.concatenate([p[:-1] for p in polygons])
    stop = np.concatenate([p[1:] for p in polygons])
    level = np.arange(side)[:, None] + 0.5
    up = (start[:, 1] <= level) & (level < stop[:, 1])
    down = (stop[:, 1] <= level) & (level < start[:, 1])
    row, edge = np.nonzero(up | down)  # each edge that crosses the middle of a row of cells
    (x0, y0), (x1, y1) = start[edge].T, stop[edge].T
    crossing = x0 + (row + 0.5 - y0) / (y1 - y0) * (x1 - x0)
    column = np.ceil(crossing - 0.5).clip(0, side).astype(int)  # first cell right of the crossing
    turns = np.zeros((side, side + 1), dtype=int)
    np.add.at(turns, (row, column), np.where(up[row, edge], 1, -1))
    return turns.cumsum(axis=1)[:, :side] != 0


@lru_cache(maxsize=4096)
def _outline(font: str, character: str) -> list[np.ndarray]:
    """Trace a character as closed polygons of points (x, y), y upwards."""
    text = TextPath((0, 0), character, size=CELLS, prop=FontProperties(fname=_file(font)))
    return text.to_polygons()


def _file(font: str) -> Path:
    return Path(matplotlib.get_data_path(), "fonts", "ttf", f"{font}.ttf")


def _font_rows(fonts: Sequence[str] | None) -> np.ndarray:
    """Look the names up in FONTS."""
    if fonts is None:
        return np.arange(len(FONTS))
    if isinstance(fonts, str) or not fonts or not set(fonts) <= set(FONTS):
        raise ValueError(f"fonts={fonts!r}, expected a sequence of names in {FONTS}")
    return np.array([FONTS.index(font) for font in fonts])


def _check_characters(characters: str, rows: np.ndarray) -> None:
    """Refuse characters that occur twice, leave no ink, or that one of the fonts lacks."""
    if not isinstance(characters, str) or not characters or len(set(characters)) < len(characters):
        raise ValueError(f"characters={characters!r}, expected a string of different characters")
    for row in rows:
        for character in characters:
            font = get_font(_file(FONTS[row]))
            known = font.get_char_index(ord(character))
            if not known or not font.load_char(ord(character)).width:  # no width: a space
                raise ValueError(
                    f"characters={characters!r}, expected only characters with an outline in "
                    f"every font; {FONTS[row]} has none for {character!r}"
                )
