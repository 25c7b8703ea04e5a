import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import TfidfTransformer

from dclib.data import subspaces, topics
from dclib.metrics import clustering_accuracy


def kmeans_accuracy(x, data):
    labels = KMeans(data.n_classes, n_init=3, random_state=0).fit_predict(x)
    return clustering_accuracy(data.y, labels)


def bases(data):
    """The basis (d, dim) of every class, from noiseless points and their coordinates."""
    for j in range(data.n_classes):
        coordinates = data.factors["coordinates"][data.y == j]
        yield np.linalg.lstsq(coordinates, data.x[data.y == j], rcond=None)[0].T


def test_every_class_lies_on_a_subspace_with_an_orthonormal_basis():
    data = subspaces(n=300, n_classes=3, n_features=12, dim=4, noise=0)
    assert data.factors["coordinates"].shape == (300, 4)
    for j, basis in enumerate(bases(data)):
        points = data.x[data.y == j]
        np.testing.assert_allclose(basis.T @ basis, np.eye(4), atol=1e-5)
        np.testing.assert_allclose(
            points, data.factors["coordinates"][data.y == j] @ basis.T, atol=1e-5
        )
        assert (np.linalg.svd(points, compute_uv=False) > 1e-3).sum() == 4
    assert (np.linalg.svd(data.x, compute_uv=False) > 1e-3).sum() == 12  # no two are the same


@pytest.mark.parametrize("overlap", [0.0, 0.4, 0.9])
def test_overlap_is_the_cosine_between_directions_of_two_classes(overlap):
    data = subspaces(n=60, n_classes=3, n_features=1000, dim=3, noise=0, overlap=overlap)
    first, second, third = bases(data)
    for one, other in ((first, second), (first, third), (second, third)):
        cosines = np.linalg.svd(one.T @ other, compute_uv=False)
        np.testing.assert_allclose(cosines, overlap, atol=0.1)


def test_coordinates_are_standard_normal_and_classes_centred():
    data = subspaces(n=5000)
    coordinates = data.factors["coordinates"]
    np.testing.assert_allclose(coordinates.mean(axis=0), 0, atol=0.05)
    np.testing.assert_allclose(np.cov(coordinates.T), np.eye(4), atol=0.06)
    for j in range(5):
        assert np.abs(data.x[data.y == j].mean(axis=0)).max() < 0.1


def test_noise_is_the_deviation_in_every_feature_and_leaves_the_rest_alone():
    clean, noisy = subspaces(noise=0), subspaces(noise=0.2)
    np.testing.assert_array_equal(clean.y, noisy.y)
    np.testing.assert_array_equal(clean.factors["coordinates"], noisy.factors["coordinates"])
    np.testing.assert_allclose((noisy.x - clean.x).std(axis=0), 0.2, rtol=0.15)
    leaning = subspaces(noise=0, overlap=0.9)
    np.testing.assert_array_equal(clean.factors["coordinates"], leaning.factors["coordinates"])


def test_subspaces_may_fill_the_space_and_cross():
    data = subspaces(n_classes=6, n_features=3, dim=2)
    assert data.x.shape == (500, 3)


@pytest.mark.parametrize("seed", range(5))
def test_k_means_is_lost_on_subspaces_and_the_nearest_directions_are_not(seed):
    """Of the 3 points that lie most nearly on the same line, most are of the same class."""
    data = subspaces(random_state=seed)
    assert kmeans_accuracy(data.x, data) < 0.4
    unit = data.x / np.linalg.norm(data.x, axis=1, keepdims=True)
    cosine = np.abs(unit @ unit.T) - 2 * np.eye(len(data))
    nearest = np.argsort(-cosine, axis=1)[:, :3]
    assert np.mean(data.y[nearest] == data.y[:, None]) > 0.9


def test_counts_are_whole_and_add_up_to_the_length():
    data = topics()
    np.testing.assert_array_equal(data.x, np.round(data.x))
    assert data.x.min() == 0
    np.testing.assert_array_equal(data.x.sum(axis=1), data.factors["length"])
    lengths = data.factors["length"]
    assert (lengths.min(), lengths.max()) == (18, 102)  # 60 · (1 ± 0.7)
    assert lengths.mean() == pytest.approx(60, abs=2)
    np.testing.assert_array_equal(topics(variation=0).x.sum(axis=1), 60)
    assert topics(length=1, variation=0.9).factors["length"].min() == 1


def test_mixture_has_the_own_topic_in_the_lead_and_one_other():
    data = topics(n=2000, mixing=0.4)
    mixture = data.factors["mixture"]
    np.testing.assert_allclose(mixture.sum(axis=1), 1)
    np.testing.assert_array_equal(mixture.argmax(axis=1), data.y)
    assert ((mixture > 0).sum(axis=1) <= 2).all()
    strange = 1 - mixture[np.arange(2000), data.y]
    assert strange.min() < 0.01
    assert 0.39 < strange.max() <= 0.4
    assert strange.mean() == pytest.approx(0.2, abs=0.01)
    mixture[np.arange(2000), data.y] = 0
    pairs = np.zeros((5, 5))
    np.add.at(pairs, (data.y, mixture.argmax(axis=1)), 1)
    assert (pairs.diagonal() == 0).all()
    assert pairs[~np.eye(5, dtype=bool)].min() > 60  # of 100: every other topic, evenly


@pytest.mark.parametrize("name", ["variation", "background", "mixing"])
def test_a_changed_strength_leaves_the_other_factors_alone(name):
    own = {"variation": "length", "mixing": "mixture"}.get(name)
    usual, changed = topics(n=100), topics(n=100, **{name: 0})
    np.testing.assert_array_equal(usual.y, changed.y)
    for factor in usual.factors:
        same = np.array_equal(usual.factors[factor], changed.factors[factor])
        assert same == (factor != own)
    assert usual.sha256 != changed.sha256


def test_words_come_from_background_and_mixture_in_their_shares():
    """Least squares of the documents' frequencies on the pure ones finds the shares again."""
    settings = {"n": 4000, "n_words": 200, "length": 200, "variation": 0}
    pure = topics(**settings, background=0, mixing=0)
    topic = np.array([pure.x[pure.y == j].mean(axis=0) / 200 for j in range(5)])
    assert topic.max() > 0.02  # a few words of its own
    plain = topics(**settings, background=0.999).x.mean(axis=0) / 200
    rank = np.sort(plain)[::-1]
    np.testing.assert_allclose(rank[0] / rank[[1, 3, 9]], [2, 4, 10], rtol=0.1)  # Zipf's law
    mixed = topics(**settings, background=0.3, mixing=0.4)
    parts = np.vstack([topic, plain])
    shares = np.linalg.lstsq(parts.T, mixed.x.T / 200, rcond=None)[0].T
    expected = np.column_stack([0.7 * mixed.factors["mixture"], np.full(4000, 0.3)])
    np.testing.assert_allclose(shares.mean(axis=0), expected.mean(axis=0), atol=0.01)
    assert np.corrcoef(shares[:, :5].ravel(), expected[:, :5].ravel())[0, 1] > 0.95


def test_a_small_concentration_makes_topics_of_few_words():
    counts = [
        (topics(background=0, mixing=0, concentration=c).x > 0).any(axis=0).mean()
        for c in (0.01, 0.1, 1.0)
    ]
    assert counts[0] < 0.4 < counts[1] < 0.95 < counts[2]


@pytest.mark.parametrize("seed", range(5))
def test_k_means_needs_tf_idf_to_find_the_topics(seed):
    data = topics(random_state=seed)
    weighted = TfidfTransformer(sublinear_tf=True).fit_transform(data.x).toarray()
    assert kmeans_accuracy(data.x, data) < 0.6
    assert kmeans_accuracy(weighted, data) > 0.7


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: subspaces(n=4), "n=4, expected a whole number of at least 5"),
        (lambda: subspaces(n_classes=1), "n_classes=1, expected a whole number of at least 2"),
        (lambda: subspaces(n_features=0), "n_features=0"),
        (lambda: subspaces(dim=0), "dim=0, expected a whole number of at least 1"),
        (lambda: subspaces(dim=31), "dim=31, expected at most n_features=30"),
        (lambda: subspaces(noise=-1), "noise=-1, expected a finite number of at least 0"),
        (lambda: subspaces(overlap=1), "overlap=1, expected a finite number .* and below 1"),
        (lambda: topics(n_classes=1), "n_classes=1, expected a whole number of at least 2"),
        (lambda: topics(n_words=1), "n_words=1, expected a whole number of at least 2"),
        (lambda: topics(length=0), "length=0, expected a whole number of at least 1"),
        (lambda: topics(variation=1), "variation=1, expected a finite number .* and below 1"),
        (lambda: topics(background=1), "background=1, expected a finite number .* and below 1"),
        (lambda: topics(mixing=0.5), "mixing=0.5, expected a finite number .* and below 0.5"),
        (lambda: topics(concentration=0), "concentration=0, expected .* of at least 0.01"),
    ],
)
def test_bad_settings_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
