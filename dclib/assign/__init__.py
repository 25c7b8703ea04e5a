"""From codes to assignments: soft assignments, their targets, and shallow clusterings."""

from dclib.assign.shallow import gaussian_mixture, kmeans, spectral
from dclib.assign.soft import mixture, softmax, squared_distances, student_t
from dclib.assign.targets import balance, sharpen, sinkhorn

__all__ = [
    "balance",
    "gaussian_mixture",
    "kmeans",
    "mixture",
    "sharpen",
    "sinkhorn",
    "softmax",
    "spectral",
    "squared_distances",
    "student_t",
]
