"""Data sets: `Data(x, y, name, ...)`, built in, generated or downloaded once."""

from dclib.data.archive import ucr
from dclib.data.base import Data
from dclib.data.fonts import FONTS, glyphs
from dclib.data.linear import subspaces, topics
from dclib.data.matlab import coil20, newsgroups, orl, yaleb
from dclib.data.real import fashion_mnist, mnist, usps
from dclib.data.series import WAVEFORMS, waves
from dclib.data.toy import blobs, digits, lifted_blobs, moons, rings

__all__ = [
    "FONTS",
    "WAVEFORMS",
    "Data",
    "blobs",
    "coil20",
    "digits",
    "fashion_mnist",
    "glyphs",
    "lifted_blobs",
    "mnist",
    "moons",
    "newsgroups",
    "orl",
    "rings",
    "subspaces",
    "topics",
    "ucr",
    "usps",
    "waves",
    "yaleb",
]
