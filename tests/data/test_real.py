"""Downloaded sets. Those that need the files skip where $DCLIB_DATA does not name a folder."""

import gzip
import hashlib
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h5py
import numpy as np
import pooch
import pytest

from dclib.data import archive, fashion_mnist, mnist, real, ucr, usps
from dclib.data.fetch import Remote, fetch
from dclib.data.real import read_idx

needs_files = pytest.mark.skipif(
    not Path(os.environ.get("DCLIB_DATA", "")).is_dir() or not os.environ.get("DCLIB_DATA"),
    reason="DCLIB_DATA does not name a folder with the downloaded sets",
)


# The sets themselves


@needs_files
@pytest.mark.parametrize(
    ("load", "shape", "n_test", "sizes", "first"),
    [
        (
            mnist,
            (28, 28),
            10000,
            [6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958],
            {"train": [5, 0, 4, 1, 9], "test": [7, 2, 1, 0, 4]},
        ),
        (
            fashion_mnist,
            (28, 28),
            10000,
            [7000] * 10,
            {"train": [9, 0, 0, 3, 0], "test": [9, 2, 1, 1, 6]},
        ),
        (
            usps,
            (16, 16),
            2007,
            [1553, 1269, 929, 824, 852, 716, 834, 792, 708, 821],
            {"train": [6, 5, 4, 7, 3], "test": [9, 6, 3, 6, 6]},
        ),
    ],
)
def test_published_sets(load, shape, n_test, sizes, first):
    data, test = load(), load("test")
    assert data.name == load.__name__
    assert data.shape == shape
    assert len(data.classes) == 10
    assert data.source
    assert np.bincount(data.y).tolist() == sizes
    assert data.x.shape == (sum(sizes), shape[0] * shape[1])
    assert (data.x.dtype, data.y.dtype) == (np.float32, np.int64)
    assert (data.x.min(), data.x.max()) == (0, 1)
    assert data.y[:5].tolist() == first["train"]
    assert test.y[:5].tolist() == first["test"]
    assert len(test) == n_test
    np.testing.assert_array_equal(data.y[-n_test:], test.y)
    np.testing.assert_array_equal(data.x[-n_test:], test.x)


@needs_files
def test_first_mnist_image_is_upright():
    image = 255 * mnist("train", dtype=np.float64).images[0]
    assert image.sum() == pytest.approx(27525)
    assert np.round(image[5, 12:24]).tolist() == [
        3,
        18,
        18,
        18,
        126,
        136,
        175,
        26,
        166,
        255,
        247,
        127,
    ]


@needs_files
@pytest.mark.parametrize(
    ("name", "d", "sizes", "n_train", "first"),
    [
        ("CBF", 128, [310, 310, 310], 30, [0, 0, 0, 2, 1]),
        ("ECG200", 96, [67, 133], 100, [0, 1, 0, 0, 1]),
        ("GunPoint", 150, [100, 100], 50, [1, 1, 0, 0, 1]),
        ("SyntheticControl", 60, [100] * 6, 300, [0, 0, 0, 0, 0]),
    ],
)
def test_published_series(name, d, sizes, n_train, first):
    data, train, test = ucr(name), ucr(name, "train"), ucr(name, "test")
    assert data.name == name
    assert data.source
    assert data.shape == ()
    assert data.x.shape == (sum(sizes), d)
    assert (data.x.dtype, data.y.dtype) == (np.float32, np.int64)
    assert np.bincount(data.y).tolist() == sizes
    assert data.classes[0] == ("-1" if name == "ECG200" else "1")
    assert len(train) == n_train
    assert train.y[:5].tolist() == first
    np.testing.assert_array_equal(data.x, np.concatenate([train.x, test.x]))
    np.testing.assert_array_equal(data.y, np.concatenate([train.y, test.y]))
    deviations = data.x.std(axis=1)  # the archive's series are standardised, one by one
    assert np.median(deviations) == pytest.approx(1, abs=0.01)


# Reading, without the files


def idx(array):
    """The bytes of an IDX file of unsigned bytes."""
    sizes = np.array(array.shape, dtype=">u4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def packed(content):
    """The bytes of a gzip file, of an array or of other bytes."""
    return gzip.compress(content if isinstance(content, bytes) else idx(content), mtime=0)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Stand-ins for the published files: two samples to train on, one to test."""
    images = np.arange(3 * 784).reshape(3, 28, 28) % 256
    for part, rows in (("train", [0, 1]), ("t10k", [2])):
        for kind, values in (
            ("images-idx3", images[rows]),
            ("labels-idx1", np.array([7, 3, 9])[rows]),
        ):
            (tmp_path / f"{part}-{kind}-ubyte.gz").write_bytes(packed(values))
    with h5py.File(tmp_path / "usps.h5", "w") as file:
        for part, rows in (("train", [0, 1]), ("test", [2])):
            file[f"{part}/data"] = images.reshape(3, 784)[rows, :256].astype(np.float32) / 255
            file[f"{part}/target"] = np.array([7, 3, 9], dtype=np.int32)[rows]
    monkeypatch.setattr(real, "fetch", lambda remote: tmp_path / Path(remote.path).name)
    return images


@pytest.mark.parametrize("load", [mnist, fashion_mnist, usps])
def test_parts_are_read_in_order(small, load):
    d = 256 if load is usps else 784
    data = load(dtype=np.float64)
    np.testing.assert_allclose(data.x, small.reshape(3, 784)[:, :d] / 255, atol=1e-7)
    assert data.y.tolist() == [7, 3, 9]
    assert data.x.dtype == np.float64
    assert load("train").y.tolist() == [7, 3]
    assert load("test").y.tolist() == [9]
    assert load().x.dtype == np.float32


@pytest.mark.parametrize("load", [mnist, fashion_mnist, usps])
def test_bad_settings_are_refused(load):
    with pytest.raises(ValueError, match="split='valid', expected 'all', 'train' or 'test'"):
        load("valid")
    with pytest.raises(ValueError, match=r"dtype=.*int.*, expected float32 or float64"):
        load(dtype=int)


def test_series_are_read_in_order_and_their_labels_counted_from_0(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "fetch", lambda remote: tmp_path / Path(remote.path).name)
    (tmp_path / "ECG200_TRAIN.tsv").write_text("1\t0.1\t-2e-3\n")
    (tmp_path / "ECG200_TEST.tsv").write_text("-1\t0.5\t4\n7\t1\t2\n")
    data = ucr("ECG200", dtype=np.float64)
    assert data.x.tolist() == [[0.1, -0.002], [0.5, 4], [1, 2]]
    assert data.y.tolist() == [1, 0, 2]
    assert data.classes == ("-1", "1", "7")
    assert ucr("ECG200", "train").y.tolist() == [1]  # as in the whole set
    assert ucr("ECG200", "test").x.dtype == np.float32


@pytest.mark.parametrize("name", ["cbf", "Coffee", None])
def test_unknown_series_are_refused(name):
    with pytest.raises(ValueError, match=f"name={name!r}, expected one of .'CBF', 'ECG200', 'Gun"):
        ucr(name)


def test_bad_settings_of_series_are_refused():
    with pytest.raises(ValueError, match="split='valid', expected 'all', 'train' or 'test'"):
        ucr("CBF", "valid")
    with pytest.raises(ValueError, match=r"dtype=.*int.*, expected float32 or float64"):
        ucr("CBF", dtype=int)


def test_series_lie_where_the_archive_has_them():
    for name, parts in archive.UCR.items():
        for part, remote in parts.items():
            file = f"{name}/{name}_{part.upper()}.tsv"
            assert remote.path == f"ucr/{file}"
            assert all(url.endswith(f"/data/{file}") for url in remote.urls)


def test_idx_is_read_back(tmp_path):
    array = np.arange(24).reshape(2, 3, 4)
    path = tmp_path / "array.gz"
    path.write_bytes(packed(array))
    np.testing.assert_array_equal(read_idx(path, 3), array)


CUBE = np.arange(24).reshape(2, 3, 4)
BAD_IDX = {
    "two dimensions": (packed(CUBE[0]), "begins with 00 00 08 02, expected 00 00 08 03"),
    "floats": (packed(b"\0\0\x0d\3" + bytes(12)), "begins with 00 00 0d 03, expected 00 00 08 03"),
    "no header": (packed(b"\0\0"), "begins with 00 00, expected 00 00 08 03"),
    "too short": (
        packed(idx(CUBE)[:-1]),
        r"holds 23 values, expected 24 for its sizes \[2, 3, 4\]",
    ),
    "too long": (packed(idx(CUBE) + b"\0"), "holds 25 values, expected 24"),
    "broken off": (packed(CUBE)[:-9], "is not a whole gzip file"),
    "damaged": (packed(CUBE)[:10] + b"\xff" * 30, "is not a whole gzip file"),
    "not packed": (idx(CUBE), "is not a whole gzip file"),
}


@pytest.mark.parametrize(("content", "message"), BAD_IDX.values(), ids=BAD_IDX)
def test_idx_with_another_header_or_length_is_refused(tmp_path, content, message):
    path = tmp_path / "array.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"array\.gz {message}"):
        read_idx(path, 3)


def test_every_file_has_a_checksum_and_its_own_name_at_every_mirror():
    remotes = [*real.MNIST["train"], *real.MNIST["test"], real.USPS]
    remotes += [*real.FASHION_MNIST["train"], *real.FASHION_MNIST["test"]]
    assert len({remote.sha256 for remote in remotes}) == len(remotes) == 9
    for remote in remotes:
        assert re.fullmatch("[0-9a-f]{64}", remote.sha256)
        assert remote.urls
        for url in remote.urls:
            assert url.startswith("http")
            assert url.endswith("/" + Path(remote.path).name)


# Finding and downloading, from a server on this machine

WHOLE = b"the published bytes" * 100
SHA256 = hashlib.sha256(WHOLE).hexdigest()


@pytest.fixture
def server(monkeypatch):
    """A web server that offers `pages` and counts in `asked` what it was asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            page = self.server.pages.get(self.path)
            if page is None:
                return self.send_error(404)
            self.send_response(200)
            self.send_header("Content-Length", str(len(WHOLE)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *args):
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.pages, web.asked = {}, []
    web.url = f"http://127.0.0.1:{web.server_port}"
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield web
    web.shutdown()
    thread.join()
    web.server_close()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and no DCLIB_DATA."""
    monkeypatch.delenv("DCLIB_DATA", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache" / "dclib" / "set"


def remote(*urls):
    return Remote("set/file.bin", urls, SHA256)


def test_file_is_downloaded_once(server, cache):
    server.pages["/file.bin"] = WHOLE
    for _ in range(2):
        path = fetch(remote(server.url + "/file.bin"))
        assert path == cache / "file.bin"
        assert path.read_bytes() == WHOLE
    assert server.asked == ["/file.bin"]


def test_next_mirror_is_tried(server, cache):
    server.pages["/b/file.bin"] = WHOLE
    fetch(remote(server.url + "/a/file.bin", server.url + "/b/file.bin"))
    assert server.asked == ["/a/file.bin", "/b/file.bin"]


@pytest.mark.parametrize("page", [WHOLE[:-1] + b"?", WHOLE[:500]], ids=["wrong", "broken off"])
def test_wrong_download_is_never_kept(server, cache, page):
    server.pages["/file.bin"] = page
    with pytest.raises(OSError, match="could not be downloaded"):
        fetch(remote(server.url + "/file.bin"))
    assert list(cache.iterdir()) == []


def test_wrong_file_in_the_cache_is_replaced(server, cache):
    cache.mkdir(parents=True)
    (cache / "file.bin").write_bytes(WHOLE[:500])
    url = server.url + "/file.bin"
    with pytest.raises(OSError, match="could not be downloaded"):
        fetch(remote(url))
    server.pages["/file.bin"] = WHOLE
    assert fetch(remote(url)).read_bytes() == WHOLE


def test_without_a_network_the_error_names_file_folder_and_address(cache, monkeypatch):
    def unplugged(url, *args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(pooch, "retrieve", unplugged)
    with pytest.raises(OSError, match="could not be downloaded") as caught:
        mnist()
    message = str(caught.value)
    assert "train-images-idx3-ubyte.gz is not in the folder" in message
    assert str(cache.parent / "mnist") in message
    for url in real.MNIST["train"][0].urls:
        assert f"{url}: no route to host" in message
    assert "set DCLIB_DATA to a folder that holds mnist/train-images-idx3-ubyte.gz" in message


def test_file_in_dclib_data_comes_first(server, cache, tmp_path, monkeypatch):
    own = tmp_path / "own" / "set"
    own.mkdir(parents=True)
    (own / "file.bin").write_bytes(WHOLE)
    monkeypatch.setenv("DCLIB_DATA", str(own.parent))
    assert fetch(remote(server.url + "/file.bin")) == own / "file.bin"
    assert server.asked == []


def test_file_that_dclib_data_lacks_is_downloaded(server, cache, tmp_path, monkeypatch):
    server.pages["/file.bin"] = WHOLE
    monkeypatch.setenv("DCLIB_DATA", str(tmp_path / "empty"))
    assert fetch(remote(server.url + "/file.bin")) == cache / "file.bin"


@pytest.mark.parametrize(
    "content", [WHOLE[:-1] + b"?", WHOLE[:500]], ids=["corrupted", "truncated"]
)
def test_wrong_file_in_dclib_data_is_refused(server, cache, tmp_path, monkeypatch, content):
    server.pages["/file.bin"] = WHOLE
    own = tmp_path / "own" / "set"
    own.mkdir(parents=True)
    (own / "file.bin").write_bytes(content)
    monkeypatch.setenv("DCLIB_DATA", str(own.parent))
    with pytest.raises(ValueError, match=r"file\.bin in .* is not the published file") as caught:
        fetch(remote(server.url + "/file.bin"))
    found = hashlib.sha256(content).hexdigest()
    for part in (str(own), found, SHA256):
        assert part in str(caught.value)
    assert server.asked == []


@needs_files
def test_corrupted_and_truncated_benchmark_is_refused(tmp_path, monkeypatch):
    whole = Path(os.environ["DCLIB_DATA"], "usps", "usps.h5").read_bytes()
    broken = bytearray(whole)
    broken[len(whole) // 2] ^= 1
    (tmp_path / "usps").mkdir()
    monkeypatch.setenv("DCLIB_DATA", str(tmp_path))
    for content in (broken, whole[:-1]):
        (tmp_path / "usps" / "usps.h5").write_bytes(content)
        with pytest.raises(ValueError, match=r"usps\.h5 in .* is not the published file"):
            usps()
