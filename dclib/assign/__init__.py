"""From codes to assignments: soft assignments, their targets, and shallow clusterings."""

from dclib.assign.graph import keep_largest, low_rank_affinity
from dclib.assign.shallow import align, cut, gaussian_mixture, hdbscan, kmeans, spectral
from dclib.assign.soft import mixture, softmax, squared_distances, student_t
from dclib.assign.targets import balance, boost, sharpen, sinkhorn

__all__ = [
    "align",
    "balance",
    "boost",
    "cut",
    "gaussian_mixture",
    "hdbscan",
    "keep_largest",
    "kmeans",
    "low_rank_affinity",
    "mixture",
    "sharpen",
    "sinkhorn",
    "softmax",
    "spectral",
    "squared_distances",
    "student_t",
]
