"""The faces of scikit-learn's clusterings: the same result, as tensors, seeded by PyTorch."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from dclib.assign import align, gaussian_mixture, hdbscan, kmeans, spectral
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


def test_full_covariances_find_long_slanting_groups_that_diagonal_ones_cut():
    rng = np.random.default_rng(0)
    along = rng.normal(scale=1.2, size=(300, 1)) * [1, 1]
    side = np.repeat([[-1.0, 1.0], [1.0, -1.0]], 150, axis=0)
    z = torch.from_numpy(along + side + rng.normal(scale=0.3, size=(300, 2)))
    y = np.repeat([0, 1], 150)
    with seeded(0):
        labels, means, covariances, weights = gaussian_mixture(z, 2, covariance="full")
        diagonal = gaussian_mixture(z, 2)[0]
    assert adjusted_rand_score(y, labels) == 1
    assert adjusted_rand_score(y, diagonal) < 0.5
    own = z[labels == 0] - means[0]
    torch.testing.assert_close(own.T @ own / len(own), covariances[0], atol=1e-3, rtol=1e-3)
    assert weights.tolist() == pytest.approx([0.5, 0.5], abs=1e-3)


def test_other_covariances_are_refused():
    with pytest.raises(ValueError, match="covariance='tied', expected 'diag' or 'full'"):
        gaussian_mixture(Z, 4, covariance="tied")


# ---- hdbscan


def with_outliers(dtype=torch.float64):
    """The four blobs, and six points far from them and from each other."""
    far = 100 * torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, -1, 0], [0, 0, -1]])
    return torch.cat([Z, far.to(Z)]).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_hdbscan_counts_the_clusters_and_leaves_outliers_out(dtype):
    labels = hdbscan(with_outliers(dtype), min_cluster_size=8, min_samples=2)
    assert labels.dtype == torch.long
    assert labels[60:].tolist() == [-1] * 6
    assert labels[:60].unique().tolist() == [0, 1, 2, 3]
    assert adjusted_rand_score(Y, labels[:60]) == 1


def test_hdbscan_equals_scikit_learn_and_leaves_the_codes_alone():
    z = torch.rand(80, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    before = z.clone()
    labels = hdbscan(z, min_cluster_size=4, min_samples=3)
    rival = HDBSCAN(min_cluster_size=4, min_samples=3, copy=True, algorithm="brute")
    assert labels.tolist() == rival.fit_predict(z.numpy()).tolist()
    assert -1 in labels
    assert torch.equal(z, before)


def test_hdbscan_smooths_by_the_cluster_size_unless_told_otherwise():
    assert torch.equal(hdbscan(Z, 8), hdbscan(Z, 8, min_samples=8))


def test_hdbscan_does_not_draw():
    labels = []
    for seed in (0, 1):
        with seeded(seed):
            labels.append(hdbscan(with_outliers()).tolist())
    assert labels[0] == labels[1]


def test_hdbscan_finds_the_moons_in_any_order_of_the_rows():
    moons, y = make_moons(200, noise=0.05, random_state=0)
    order = np.random.default_rng(0).permutation(200)
    for rows in (np.arange(200), order):
        assert adjusted_rand_score(y[rows], hdbscan(torch.from_numpy(moons[rows]))) == 1


def test_hdbscan_refuses_clusters_of_one():
    with pytest.raises(ValueError, match="min_cluster_size"):
        hdbscan(Z, min_cluster_size=1)


# ---- align


def test_align_undoes_a_renumbering():
    reference = torch.arange(60) % 6
    order = torch.tensor([3, 0, 5, 1, 2, 4])
    assert torch.equal(align(order[reference], reference, 6), reference)


def test_align_keeps_the_clusters_and_agrees_as_much_as_any_renumbering():
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        labels, reference = torch.randint(4, (2, 30), generator=generator)
        aligned = align(labels, reference, 4)
        assert adjusted_rand_score(labels, aligned) == 1
        best = max(
            int((torch.tensor(numbers)[labels] == reference).sum())
            for numbers in itertools.permutations(range(4))
        )
        assert int((aligned == reference).sum()) == best


def test_align_gives_empty_clusters_the_numbers_that_are_left():
    labels, reference = torch.tensor([0, 0, 0]), torch.tensor([2, 2, 1])
    assert align(labels, reference, 5).tolist() == [2, 2, 2]
    assert align(torch.tensor([1]), torch.tensor([0]), 2).tolist() == [0]


def test_align_refuses_what_does_not_fit():
    labels = torch.tensor([0, 1])
    with pytest.raises(ValueError, match=r"labels \(2,\), reference \(1,\); expected both \(n,\)"):
        align(labels, labels[:1], 2)
    with pytest.raises(ValueError, match="labels from -1 to 0, expected within 0 to 1"):
        align(labels - 1, labels, 2)  # such as those that HDBSCAN leaves out
    with pytest.raises(ValueError, match="reference from 0 to 2, expected within 0 to 1"):
        align(labels, 2 * labels, 2)


# ---- all that draw

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
