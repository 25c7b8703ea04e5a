"""The faces of scikit-learn's clusterings: the same result, as tensors, seeded by PyTorch."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from dclib.assign import gaussian_mixture, kmeans, spectral
from dclib.runtime import seeded

X, Y = make_blobs(60, 3, centers=4, cluster_std=0.5, random_state=0)
Z = torch.from_numpy(X)


def by_position(centers):
    return centers[centers[:, 0].argsort()]


def test_kmeans_equals_scikit_learn():
    labels, centers = kmeans(Z, 4)
    rival = KMeans(4, n_init=20, random_state=1).fit(X)
    assert adjusted_rand_score(labels, rival.labels_) == 1
    np.testing.assert_allclose(by_position(centers.numpy()), by_position(rival.cluster_centers_))


def test_kmeans_labels_number_the_centers():
    labels, centers = kmeans(Z, 4)
    assert torch.equal(torch.cdist(Z, centers).argmin(1), labels)


def test_gaussian_mixture_equals_scikit_learn():
    labels, means, variances, weights = gaussian_mixture(Z, 4)
    rival = GaussianMixture(4, covariance_type="diag", n_init=5, random_state=1).fit(X)
    assert adjusted_rand_score(labels, rival.predict(X)) == 1
    ours = torch.cat([means, variances, weights[:, None]], 1).numpy()
    theirs = np.column_stack([rival.means_, rival.covariances_, rival.weights_])
    np.testing.assert_allclose(by_position(ours), by_position(theirs), rtol=1e-3)


def test_spectral_finds_the_moons_that_kmeans_cuts():
    moons, y = make_moons(200, random_state=0)
    z = torch.from_numpy(moons)
    assert adjusted_rand_score(y, spectral(z, 2, n_neighbors=20)) == 1
    assert adjusted_rand_score(y, kmeans(z, 2)[0]) < 0.5


NAMES = ["kmeans", "gaussian_mixture", "spectral"]
SHALLOW = [
    lambda z: kmeans(z, 4)[0],
    lambda z: gaussian_mixture(z, 4)[0],
    lambda z: spectral(z, 4, n_neighbors=20),
]


@pytest.mark.parametrize("cluster", SHALLOW, ids=NAMES)
def test_labels_are_whole_numbers_from_0_to_k(cluster):
    labels = cluster(Z)
    assert labels.dtype == torch.long
    assert labels.unique().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("cluster", SHALLOW, ids=NAMES)
def test_separated_blobs_are_found_in_any_order_of_the_rows(cluster):
    order = np.random.default_rng(0).permutation(len(Z))
    assert adjusted_rand_score(Y, cluster(Z)) == 1
    assert adjusted_rand_score(Y[order], cluster(Z[order])) == 1


@pytest.mark.parametrize("cluster", SHALLOW, ids=NAMES)
def test_the_seed_of_torch_decides(cluster):
    noise = torch.rand(80, 3, generator=torch.Generator().manual_seed(0))
    results = []
    for seed in (0, 0, 1):
        with seeded(seed):
            results.append(cluster(noise).tolist())
    assert results[0] == results[1] != results[2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_dtype_of_the_codes_is_kept(dtype):
    parts = [kmeans(Z.to(dtype), 4)[1], *gaussian_mixture(Z.to(dtype), 4)[1:]]
    assert {part.dtype for part in parts} == {dtype}


@pytest.mark.parametrize("cluster", [kmeans, gaussian_mixture], ids=NAMES[:2])
def test_fewer_codes_than_clusters_are_refused(cluster):
    with pytest.raises(ValueError, match=r"n_samples ?= ?3"):
        cluster(Z[:3], 4)


def test_spectral_refuses_more_neighbours_than_codes():
    with pytest.raises(ValueError, match=r"n_neighbors = 9, n_samples_fit = 5"):
        spectral(Z[:5], 2, n_neighbors=9)
