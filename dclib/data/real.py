"""Benchmarks of real images, downloaded once."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import h5py
import numpy as np

from dclib.data.base import Data, float_type
from dclib.data.fetch import Remote, fetch


def mnist(split: str = "all", *, dtype: object = np.float32) -> Data:
    """Load MNIST: handwritten digits of 28×28 pixels in [0, 1].

    Returns n=70000 samples of d=784 pixels in k=10 classes for `split="all"`, the 60,000 of
    "train" followed by the 10,000 of "test".

    Source: Y. LeCun, C. Cortes, C. Burges, The MNIST Database of Handwritten Digits, usually
    given as CC BY-SA 3.0.

    >>> mnist("test")  # doctest: +SKIP
    Data('mnist', n=10000, d=784, k=10, shape=(28, 28), float32)
    """
    parts = _parts(split)
    x, y = _read_idx_pairs([MNIST[part] for part in parts], float_type(dtype))
    return Data(
        x,
        y,
        "mnist",
        shape=(28, 28),
        classes=tuple("0123456789"),
        source="LeCun, Cortes and Burges, The MNIST Database of Handwritten Digits, CC BY-SA 3.0",
    )


def fashion_mnist(split: str = "all", *, dtype: object = np.float32) -> Data:
    """Load Fashion-MNIST: pictures of clothes of 28×28 pixels in [0, 1].

    Returns n=70000 samples of d=784 pixels in k=10 classes for `split="all"`, the 60,000 of
    "train" followed by the 10,000 of "test".

    Source: H. Xiao, K. Rasul, R. Vollgraf 2017, arXiv 1708.07747, MIT licence.

    >>> fashion_mnist("test").classes[:3]  # doctest: +SKIP
    ('T-shirt/top', 'Trouser', 'Pullover')
    """
    parts = _parts(split)
    x, y = _read_idx_pairs([FASHION_MNIST[part] for part in parts], float_type(dtype))
    return Data(
        x,
        y,
        "fashion_mnist",
        shape=(28, 28),
        classes=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        source="Xiao, Rasul and Vollgraf 2017, arXiv 1708.07747, MIT licence",
    )


def usps(split: str = "all", *, dtype: object = np.float32) -> Data:
    """Load USPS: handwritten digits of zip codes, 16×16 pixels in [0, 1].

    Returns n=9298 samples of d=256 pixels in k=10 classes for `split="all"`, the 7,291 of "train"
    followed by the 2,007 of "test".

    Source: J. Hull 1994, as distributed with The Elements of Statistical Learning; for research.

    >>> usps()  # doctest: +SKIP
    Data('usps', n=9298, d=256, k=10, shape=(16, 16), float32)
    """
    parts, dtype = _parts(split), float_type(dtype)
    with h5py.File(fetch(USPS), "r") as file:
        x = np.concatenate([file[part]["data"][:] for part in parts]).astype(dtype)
        y = np.concatenate([file[part]["target"][:] for part in parts]).astype(np.int64)
    return Data(
        x,
        y,
        "usps",
        shape=(16, 16),
        classes=tuple("0123456789"),
        source="Hull 1994, as distributed with The Elements of Statistical Learning; for research",
    )


def read_idx(path: Path | str, ndim: int) -> np.ndarray:
    """Read a gzipped IDX file of bytes: a magic number, one size a dimension, then the values.

    Source: the format is described on the page of the MNIST database.
    """
    try:
        raw = gzip.decompress(Path(path).read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is not a whole gzip file: {error}") from None
    header = 4 + 4 * ndim
    magic = bytes([0, 0, 8, ndim])  # 8: unsigned bytes
    if len(raw) < header or raw[:4] != magic:
        raise ValueError(f"{path} begins with {raw[:4].hex(' ')}, expected {magic.hex(' ')}")
    sizes = np.frombuffer(raw, dtype=">u4", count=ndim, offset=4).astype(int)
    if len(raw) != header + sizes.prod():
        raise ValueError(
            f"{path} holds {len(raw) - header} values, expected {sizes.prod()} for its sizes "
            f"{sizes.tolist()}"
        )
    return np.frombuffer(raw, dtype=np.uint8, offset=header).reshape(sizes)


def _parts(split: str) -> tuple[str, ...]:
    if split not in ("all", "train", "test"):
        raise ValueError(f"split={split!r}, expected 'all', 'train' or 'test'")
    return ("train", "test") if split == "all" else (split,)


def _read_idx_pairs(
    pairs: list[tuple[Remote, Remote]], dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """Read pairs of image and label files as rows of [0, 1] and labels."""
    images = np.concatenate([read_idx(fetch(image), 3) for image, _ in pairs])
    y = np.concatenate([read_idx(fetch(label), 1) for _, label in pairs]).astype(np.int64)
    x = images.reshape(len(images), -1).astype(dtype)
    x /= 255
    return x, y


def _idx_files(
    folder: str, mirrors: tuple[str, ...], checksums: dict[str, str]
) -> dict[str, tuple[Remote, Remote]]:
    """List the image and the label file of the two parts of an MNIST-like set."""

    def remote(file: str) -> Remote:
        return Remote(f"{folder}/{file}", tuple(m + file for m in mirrors), checksums[file])

    return {
        part: (remote(f"{stem}-images-idx3-ubyte.gz"), remote(f"{stem}-labels-idx1-ubyte.gz"))
        for part, stem in (("train", "train"), ("test", "t10k"))
    }


MNIST = _idx_files(
    "mnist",
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    {
        "train-images-idx3-ubyte.gz": (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
        ),
        "train-labels-idx1-ubyte.gz": (
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
        ),
        "t10k-images-idx3-ubyte.gz": (
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
        ),
    },
)
FASHION_MNIST = _idx_files(
    "fashion-mnist",
    (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    {
        "train-images-idx3-ubyte.gz": (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
        ),
        "train-labels-idx1-ubyte.gz": (
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
        ),
        "t10k-images-idx3-ubyte.gz": (
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
        ),
    },
)
USPS = Remote(
    "usps/usps.h5",
    (
        "https://raw.githubusercontent.com/niuers/Learning-From-Data-A-Short-Course/"
        "35684e893b63bf4039bafcc6d34fe935851baf9a/data/usps.h5",
    ),
    "734f88c541104a956d88be2c95d03b4a463ffd74ccc2ba9c80841fb98e3fcb36",
)
