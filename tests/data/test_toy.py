import numpy as np
import pytest
from scipy.special import logit
from sklearn.cluster import KMeans
from sklearn.datasets import make_moons
from sklearn.metrics import adjusted_rand_score

from dclib.data import blobs, digits, lifted_blobs, moons, rings


def spread_of(data):
    """The standard deviation around the centre of each class."""
    classes = range(data.n_classes)
    return np.array([data.x[data.y == j].std(axis=0, ddof=1).mean() for j in classes])


def test_digits_first_image():
    data = digits()
    assert data.x.shape == (1797, 64)
    assert data.shape == (8, 8)
    assert data.y[:10].tolist() == list(range(10))
    assert (16 * data.images[0, 0]).tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert (16 * data.images[0, 7]).tolist() == [0, 0, 6, 13, 10, 0, 0, 0]
    assert (data.x.min(), data.x.max()) == (0, 1)
    assert np.bincount(data.y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_blobs_have_the_spread_asked_for():
    data = blobs(n=6000, n_features=5, spread=[0.5, 1.0, 2.0])
    assert data.x.shape == (6000, 5)
    assert spread_of(data) == pytest.approx([0.5, 1.0, 2.0], rel=0.05)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_nearest_blobs_are_as_far_apart_as_asked(seed, n_classes):
    data = blobs(n=500, n_classes=n_classes, spread=1e-9, separation=6.0, random_state=seed)
    centers = np.array([data.x[data.y == j].mean(axis=0) for j in range(n_classes)])
    distances = np.linalg.norm(centers[:, None] - centers, axis=2)
    assert distances[distances > 0].min() == pytest.approx(6.0, abs=1e-5)
    assert distances.max() < 60  # and the others are not lost in the distance


def test_one_blob_lies_at_the_origin():
    data = blobs(n=4000, n_classes=1)
    assert data.n_classes == 1
    assert data.x.mean(axis=0) == pytest.approx([0, 0], abs=0.1)


def test_another_spread_stretches_the_same_blobs():
    narrow, wide = blobs(spread=0.5), blobs(spread=1.0)
    center = blobs(spread=1e-9)
    np.testing.assert_array_equal(narrow.y, wide.y)
    np.testing.assert_allclose(2 * (narrow.x - center.x), wide.x - center.x, atol=1e-5)


@pytest.mark.parametrize(
    ("n", "weights", "sizes"),
    [
        (100, [8, 1, 1], [80, 10, 10]),
        (1000, [0.5, 0.3, 0.2], [500, 300, 200]),
        (7, None, [2, 3, 2]),
    ],
)
def test_weights_share_the_blobs_out(n, weights, sizes):
    assert np.bincount(blobs(n=n, weights=weights).y).tolist() == sizes


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n": 2}, "n=2, expected a whole number of at least 3"),
        ({"n_classes": 0}, "n_classes=0, expected a whole number of at least 1"),
        ({"n_features": 1.5}, "n_features=1.5"),
        ({"n_features": True}, "n_features=True, expected a whole number of at least 1"),
        ({"separation": True}, "separation=True"),
        ({"separation": -1}, "separation=-1, expected a finite number of at least 0"),
        ({"separation": float("nan")}, "separation=nan"),
        ({"spread": 0}, "spread=0, expected a number above 0, or 3 of them"),
        ({"spread": [1, 2]}, r"spread=\[1, 2\], expected a number above 0, or 3 of them"),
        ({"spread": "wide"}, "spread='wide'"),
        ({"spread": float("inf")}, "spread=inf"),
        ({"weights": [1, 1, -1]}, r"weights=\[1, 1, -1\]"),
        ({"n": 10, "weights": [1, 1, 0.001]}, r"n=10 samples out as \[5, 5, 0\]"),
    ],
)
def test_bad_blobs_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        blobs(**settings)


def test_moons_without_noise_are_scikit_learn_s():
    ours = moons(n=100, noise=0)
    theirs, labels = make_moons(100, shuffle=False)
    for j in (0, 1):
        mine, other = ours.x[ours.y == j], theirs[labels == j]
        np.testing.assert_allclose(mine, other, atol=1e-6)


def test_angle_is_the_place_on_the_moon():
    data = moons(n=51, noise=0)
    angle = data.factors["angle"]
    upper = data.y == 0
    np.testing.assert_allclose(data.x[upper, 0], np.cos(angle[upper]), atol=1e-6)
    np.testing.assert_allclose(data.x[~upper, 0], 1 - np.cos(angle[~upper]), atol=1e-6)
    assert (angle.min(), angle.max()) == (0, np.pi)


@pytest.mark.parametrize("make", [moons, rings])
def test_noise_is_the_deviation_from_the_curve(make):
    clean, noisy = make(n=4000, noise=0), make(n=4000, noise=0.2)
    np.testing.assert_array_equal(clean.y, noisy.y)
    deviation = noisy.x - clean.x
    assert deviation.std() == pytest.approx(0.2, rel=0.03)
    assert deviation.mean() == pytest.approx(0, abs=0.01)


def test_rings_have_whole_radii_and_true_angles():
    data = rings(n=400, n_rings=4, noise=0)
    radius = np.hypot(*data.x.T)
    np.testing.assert_allclose(radius, 1 + data.y, atol=1e-5)
    direction = np.arctan2(data.x[:, 1], data.x[:, 0]) % (2 * np.pi)
    np.testing.assert_allclose(np.cos(direction), np.cos(data.factors["angle"]), atol=1e-5)
    np.testing.assert_allclose(np.sin(direction), np.sin(data.factors["angle"]), atol=1e-5)
    steps = np.diff(np.sort(data.factors["angle"][data.y == 2]))
    np.testing.assert_allclose(steps, 2 * np.pi / 100)  # evenly, and 0 is not met again at 2 pi


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: moons(noise=-0.1), "noise=-0.1, expected a finite number of at least 0"),
        (lambda: moons(noise="much"), "noise='much'"),
        (lambda: rings(n_rings=0), "n_rings=0, expected a whole number of at least 1"),
        (lambda: rings(n=3, n_rings=4), "n=3, expected a whole number of at least 4"),
        (lambda: lifted_blobs(n_classes=1), "n_classes=1, expected a whole number of at least 2"),
        (lambda: lifted_blobs(spread=-1), "spread=-1"),
        (lambda: lifted_blobs(offset=float("inf")), "offset=inf"),
        (lambda: lifted_blobs(n_features=0), "n_features=0"),
    ],
)
def test_bad_shapes_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_hidden_blobs_are_round_and_stand_on_a_square():
    data = lifted_blobs(n=8000, spread=0.3, separation=2.0, offset=8.0)
    hidden = data.factors["hidden"]
    centers = np.array([hidden[data.y == j].mean(axis=0) for j in range(4)])
    expected = [[9, 9], [7, 9], [7, 7], [9, 7]]
    np.testing.assert_allclose(centers, expected, atol=0.03)
    np.testing.assert_allclose(hidden[data.y == 0].std(axis=0), 0.3, rtol=0.05)


def test_lift_is_a_sigmoid_of_ten_sigmoids():
    """Undoing the outer sigmoid leaves U times ten numbers, whatever d: a matrix of rank 10."""
    data = lifted_blobs(n=500, n_features=60, spread=2.0, offset=0.0)
    singular = np.linalg.svd(logit(data.x), compute_uv=False)
    assert singular[9] > 1e-2
    assert singular[10] < 1e-2 * singular[9]  # what six decimals leave
    assert 0 < data.x.min() < data.x.max() < 1


def test_equal_hidden_points_are_lifted_to_equal_samples():
    data = lifted_blobs(n=40, spread=0.0)
    for j in range(4):
        assert len(np.unique(data.x[data.y == j], axis=0)) == 1
    assert len(np.unique(data.x, axis=0)) == 4


@pytest.mark.parametrize("seed", range(5))
def test_k_means_finds_the_hidden_blobs_and_misses_the_lifted_ones(seed):
    data = lifted_blobs(random_state=seed)
    plain, lifted = (
        adjusted_rand_score(data.y, KMeans(4, n_init=10, random_state=0).fit_predict(z))
        for z in (data.factors["hidden"], data.x)
    )
    assert plain > 0.99
    assert lifted < 0.93
