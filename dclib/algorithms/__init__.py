"""The algorithms of the surveys, one a file."""

from dclib.algorithms.adversarial_dac import AdversarialDAC
from dclib.algorithms.aspc_da import ASPCDA
from dclib.algorithms.autoencoder_kmeans import AutoencoderKMeans
from dclib.algorithms.catgan import CatGAN
from dclib.algorithms.ccnn import CCNN
from dclib.algorithms.cluster_gan import ClusterGAN
from dclib.algorithms.dac import DAC
from dclib.algorithms.dbc import DBC
from dclib.algorithms.dcn import DCN
from dclib.algorithms.dec import DEC
from dclib.algorithms.den import DEN
from dclib.algorithms.depict import DEPICT
from dclib.algorithms.dmc import DMC
from dclib.algorithms.dnc import DNC
from dclib.algorithms.dsc_net import DSCNet
from dclib.algorithms.gatcluster import GATCluster
from dclib.algorithms.gmvae import GMVAE
from dclib.algorithms.idec import IDEC
from dclib.algorithms.iic import IIC
from dclib.algorithms.imsat import IMSAT
from dclib.algorithms.infogan import InfoGAN
from dclib.algorithms.jule import JULE
from dclib.algorithms.neural_clustering import NeuralClustering
from dclib.algorithms.sela import SeLa
from dclib.algorithms.vade import VaDE

__all__ = [
    "ASPCDA",
    "CCNN",
    "DAC",
    "DBC",
    "DCN",
    "DEC",
    "DEN",
    "DEPICT",
    "DMC",
    "DNC",
    "GMVAE",
    "IDEC",
    "IIC",
    "IMSAT",
    "JULE",
    "AdversarialDAC",
    "AutoencoderKMeans",
    "CatGAN",
    "ClusterGAN",
    "DSCNet",
    "GATCluster",
    "InfoGAN",
    "NeuralClustering",
    "SeLa",
    "VaDE",
]
