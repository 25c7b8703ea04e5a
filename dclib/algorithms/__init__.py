"""The algorithms of the surveys, one a file."""

from dclib.algorithms.autoencoder_kmeans import AutoencoderKMeans
from dclib.algorithms.dec import DEC
from dclib.algorithms.idec import IDEC

__all__ = ["DEC", "IDEC", "AutoencoderKMeans"]
