"""Thin faces of scikit-learn's clusterings: tensors in, tensors out, seeded by PyTorch."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.mixture import GaussianMixture
from torch import Tensor

from dclib.runtime import draw_seed


def kmeans(z: Tensor, n_clusters: int, n_init: int = 20) -> tuple[Tensor, Tensor]:
    """Cluster codes by k-means, the best of `n_init` starts.

    Shapes: z (n, m). Returns labels (n,) and centers (k, m).

    >>> labels, centers = kmeans(torch.tensor([[0.0], [2.0], [9.0]]), n_clusters=2)
    >>> sorted(centers.flatten().tolist())
    [1.0, 9.0]
    """
    model = KMeans(n_clusters, n_init=n_init, random_state=draw_seed()).fit(z.cpu().numpy())
    return _like(model.labels_, z, torch.long), _like(model.cluster_centers_, z)


def gaussian_mixture(z: Tensor, n_clusters: int, n_init: int = 5) -> tuple[Tensor, ...]:
    """Fit a diagonal Gaussian mixture by expectation-maximisation, the best of `n_init` starts.

    Shapes: z (n, m). Returns labels (n,), means (k, m), variances (k, m) and weights (k,).

    >>> labels, means, variances, weights = gaussian_mixture(torch.tensor([[0.0], [1.0], [9.0]]), 2)
    >>> len(set(labels.tolist()))
    2
    """
    model = GaussianMixture(
        n_clusters, covariance_type="diag", n_init=n_init, random_state=draw_seed()
    )
    labels = model.fit_predict(z.cpu().numpy())
    parts = (model.means_, model.covariances_, model.weights_)
    return _like(labels, z, torch.long), *(_like(part, z) for part in parts)


def spectral(z: Tensor, n_clusters: int, n_neighbors: int = 10) -> Tensor:
    """Cluster codes by the spectrum of their nearest-neighbour graph.

    Shapes: z (n, m). Returns labels (n,).

    >>> spectral(torch.tensor([[0.0], [1.0], [8.0], [9.0]]), 2, n_neighbors=3).unique().tolist()
    [0, 1]
    """
    model = SpectralClustering(
        n_clusters, affinity="nearest_neighbors", n_neighbors=n_neighbors, random_state=draw_seed()
    )
    return _like(model.fit_predict(z.cpu().numpy()), z, torch.long)


def _like(array: np.ndarray, z: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    return torch.as_tensor(array, dtype=dtype or z.dtype, device=z.device)
