"""The algorithms of the surveys, one a file."""

from dclib.algorithms.autoencoder_kmeans import AutoencoderKMeans
from dclib.algorithms.dcn import DCN
from dclib.algorithms.dec import DEC
from dclib.algorithms.den import DEN
from dclib.algorithms.depict import DEPICT
from dclib.algorithms.dmc import DMC
from dclib.algorithms.dsc_net import DSCNet
from dclib.algorithms.idec import IDEC

__all__ = ["DCN", "DEC", "DEN", "DEPICT", "DMC", "IDEC", "AutoencoderKMeans", "DSCNet"]
