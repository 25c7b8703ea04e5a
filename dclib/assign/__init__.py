"""From codes to assignments: soft assignments, their targets, and shallow clusterings."""

from dclib.assign.shallow import align, gaussian_mixture, hdbscan, kmeans, spectral
from dclib.assign.soft import mixture, softmax, squared_distances, student_t
from dclib.assign.targets import balance, sharpen, sinkhorn

__all__ = [
    "align",
    "balance",
    "gaussian_mixture",
    "hdbscan",
    "kmeans",
    "mixture",
    "sharpen",
    "sinkhorn",
    "softmax",
    "spectral",
    "squared_distances",
    "student_t",
]
