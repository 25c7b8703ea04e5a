"""Data sets: `Data(x, y, name, ...)`, built in, generated or downloaded once."""

from dclib.data.base import Data
from dclib.data.fonts import FONTS, glyphs
from dclib.data.real import fashion_mnist, mnist, usps
from dclib.data.toy import blobs, digits, lifted_blobs, moons, rings

__all__ = [
    "FONTS",
    "Data",
    "blobs",
    "digits",
    "fashion_mnist",
    "glyphs",
    "lifted_blobs",
    "mnist",
    "moons",
    "rings",
    "usps",
]
