"""Thin faces of scikit-learn's clusterings: tensors in, tensors out, seeded by PyTorch."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from sklearn import config_context
from sklearn.cluster import HDBSCAN, KMeans, SpectralClustering
from sklearn.mixture import GaussianMixture
from torch import Tensor

from dclib import check
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


def gaussian_mixture(
    z: Tensor, n_clusters: int, n_init: int = 5, covariance: str = "diag"
) -> tuple[Tensor, ...]:
    """Fit a Gaussian mixture by expectation-maximisation, the best of `n_init` starts.

    Shapes: z (n, m). Returns labels (n,), means (k, m), variances (k, m) and weights (k,). With
    `covariance="full"` the components may be turned, and in place of the variances come
    covariances (k, m, m).

    >>> labels, means, variances, weights = gaussian_mixture(torch.tensor([[0.0], [1.0], [9.0]]), 2)
    >>> len(set(labels.tolist()))
    2
    """
    if covariance not in ("diag", "full"):
        raise ValueError(f"covariance={covariance!r}, expected 'diag' or 'full'")
    model = GaussianMixture(
        n_clusters, covariance_type=covariance, n_init=n_init, random_state=draw_seed()
    )
    with config_context(array_api_dispatch=False):  # else it refuses to begin with k-means
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


def cut(affinity: Tensor, n_clusters: int) -> Tensor:
    """Cluster the nodes of a graph by its spectrum.

    Shapes: affinity (n, n), symmetric, at least 0. Returns labels (n,). The eigenvectors are
    turned towards an indicator matrix instead of clustered by k-means, as DSC-Nets' code does.

    >>> pairs = torch.block_diag(torch.ones(2, 2), torch.ones(3, 3))
    >>> cut(pairs + 0.01, 2).tolist() in ([0, 0, 1, 1, 1], [1, 1, 0, 0, 0])
    True
    """
    check.square(affinity=affinity)
    model = SpectralClustering(
        n_clusters,
        affinity="precomputed",
        assign_labels="discretize",
        random_state=draw_seed(),
    )
    labels = model.fit_predict(affinity.cpu().double().numpy())
    return _like(labels, affinity, torch.long)


def hdbscan(z: Tensor, min_cluster_size: int = 5, min_samples: int | None = None) -> Tensor:
    """Cluster codes by density, and leave out those in thin places; nothing here is random.

    Shapes: z (n, m). A cluster is a dense region of at least `min_cluster_size` codes that lasts
    while the density asked for rises; the density at a code is read from the distance to the
    `min_samples`-th nearest, itself counted (`min_cluster_size` for None). Returns labels (n,),
    numbered from 0, as many clusters as are found; -1 for a code left out. Source: Campello et
    al. 2013, in scikit-learn's version.

    >>> z = torch.tensor([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2], [90.0]])
    >>> labels = hdbscan(z, min_cluster_size=3, min_samples=2)
    >>> labels[6].item(), labels.max().item()
    (-1, 1)
    """
    model = HDBSCAN(min_cluster_size=min_cluster_size, min_samples=min_samples, copy=True)
    return _like(model.fit_predict(z.cpu().numpy()), z, torch.long)


def align(labels: Tensor, reference: Tensor, n_clusters: int) -> Tensor:
    """Renumber the clusters so that the most samples keep their number of another clustering.

    Shapes: labels and reference (n,), whole numbers 0..k-1, two clusterings of the same samples.
    Returns labels (n,), the same clusters under other numbers. Source: Kuhn 1955, SciPy's.

    >>> align(torch.tensor([0, 0, 1, 2]), torch.tensor([2, 2, 0, 0]), n_clusters=3).tolist()
    [2, 2, 0, 1]
    """
    if labels.ndim != 1 or labels.shape != reference.shape:
        found = f"labels {tuple(labels.shape)}, reference {tuple(reference.shape)}"
        raise ValueError(f"shapes differ: {found}; expected both (n,)")
    for name, numbers in (("labels", labels), ("reference", reference)):
        if len(numbers) and (numbers.min() < 0 or numbers.max() >= n_clusters):
            found = f"{name} from {numbers.min()} to {numbers.max()}"
            raise ValueError(f"{found}, expected within 0 to {n_clusters - 1}")
    pairs = labels * n_clusters + reference
    table = torch.bincount(pairs, minlength=n_clusters**2).view(n_clusters, n_clusters)
    _, number = linear_sum_assignment(table.cpu(), maximize=True)  # row j: its new number
    return _like(number, labels)[labels]


def _like(array: np.ndarray, z: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    return torch.as_tensor(array, dtype=dtype or z.dtype, device=z.device)
