"""Sets kept as MATLAB files; those that need the files skip where $DCLIB_DATA names no folder."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_matrix
from sklearn.feature_extraction.text import TfidfTransformer

from dclib.data import coil20, matlab, newsgroups, orl, yaleb

needs_files = pytest.mark.skipif(
    not Path(os.environ.get("DCLIB_DATA", "")).is_dir() or not os.environ.get("DCLIB_DATA"),
    reason="DCLIB_DATA does not name a folder with the downloaded sets",
)
PICTURES = [coil20, orl, yaleb]


@needs_files
@pytest.mark.parametrize(
    ("load", "n", "k", "sizes"),
    [(coil20, 1440, 20, {72}), (orl, 400, 40, {10}), (yaleb, 2414, 38, {59, 60, 62, 63, 64})],
)
def test_published_pictures(load, n, k, sizes):
    data = load()
    assert (data.name, data.shape, data.n_classes, len(data)) == (load.__name__, (32, 32), k, n)
    assert set(np.bincount(data.y).tolist()) == sizes
    assert data.x.dtype == np.float32
    assert 0 <= data.x.min() < 0.01
    assert 0.9 < data.x.max() <= 1


@needs_files
def test_pictures_are_upright():
    # Left and right half of a face are alike, top and bottom are not.
    faces = orl().images
    across = np.abs(faces - faces[:, :, ::-1]).mean()
    upside_down = np.abs(faces - faces[:, ::-1]).mean()
    assert across < upside_down


@needs_files
def test_published_newsgroups():
    data = newsgroups()
    assert data.x.shape == (18215, 2000)
    assert np.bincount(data.y).min() == 612
    np.testing.assert_allclose(np.square(data.x).mean(1), 1, rtol=1e-5)


# Reading, without the files


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Stand-ins: two pictures stored column by column, four posts of three words."""
    pictures = np.arange(2 * 1024).reshape(2, 32, 32) % 256
    for name in ("COIL20", "ORL_32x32", "YaleB_32x32"):
        white = 1 if name == "COIL20" else 255
        rows = pictures.transpose(0, 2, 1).reshape(2, -1) / 255 * white
        savemat(tmp_path / f"{name}.mat", {"fea": rows, "gnd": np.uint8([[2], [1]])})
    counts = np.array([[1.0, 0, 3], [0, 0, 2], [0, 5, 0], [2, 0, 1]])
    labels = np.uint8([[20], [1], [3], [4]])
    savemat(tmp_path / "20newsgroups.mat", {"A": csc_matrix(counts), "gnd3": labels})
    monkeypatch.setattr(matlab, "fetch", lambda remote: tmp_path / Path(remote.path).name)
    return pictures, counts


@pytest.mark.parametrize("load", PICTURES)
def test_pictures_are_read_row_by_row(small, load):
    pictures, _ = small
    data = load(dtype=np.float64)
    np.testing.assert_allclose(data.images, pictures / 255)
    assert data.y.tolist() == [1, 0]
    assert data.classes == ("1", "2")
    assert load().x.dtype == np.float32


def test_newsgroups_are_tf_idf(small):
    _, counts = small
    data = newsgroups(2, dtype=np.float64)  # the words with 6 and 5 occurrences
    # scikit-learn's idf is log(n / df) + 1
    rival = TfidfTransformer(norm=None, smooth_idf=False).fit(counts[:, 1:])
    expected = counts[:, 1:] * (rival.idf_ - 1)
    length = np.linalg.norm(expected, axis=1)[:, None] / np.sqrt(2)
    np.testing.assert_allclose(data.x, expected / length)
    assert data.y.tolist() == [19, 0, 2, 3]


def test_posts_without_a_frequent_word_are_left_out(small):
    data = newsgroups(1)
    assert data.y.tolist() == [19, 0, 3]


def test_bad_settings_are_refused(small):
    with pytest.raises(ValueError, match="words=4, expected at most 3"):
        newsgroups(4)
    with pytest.raises(ValueError, match="words=0, expected a whole number of at least 1"):
        newsgroups(0)
    for load in [*PICTURES, newsgroups]:
        with pytest.raises(ValueError, match=r"dtype=.*int.*, expected float32 or float64"):
            load(dtype=int)
