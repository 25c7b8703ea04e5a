"""Benchmarks that are kept as MATLAB files: objects, faces and documents, downloaded once."""

from __future__ import annotations

import numpy as np
from scipy.io import loadmat

from dclib.check import whole
from dclib.data.base import Data, float_type
from dclib.data.fetch import Remote, fetch


def coil20(*, dtype: object = np.float32) -> Data:
    """Load COIL-20: 20 objects on a turntable, seen every 5 degrees, 32×32 pixels in [0, 1].

    Returns n=1440 samples of d=1024 pixels in k=20 classes, 72 each.

    Source: S. Nene, S. Nayar, H. Murase 1996, Columbia Object Image Library; for research.

    >>> coil20()  # doctest: +SKIP
    Data('coil20', n=1440, d=1024, k=20, shape=(32, 32), float32)
    """
    return _pictures(
        COIL20, "coil20", 1, "Nene, Nayar and Murase 1996, COIL-20; for research", dtype
    )


def orl(*, dtype: object = np.float32) -> Data:
    """Load the ORL faces: 40 people, ten pictures each, 32×32 pixels in [0, 1].

    Returns n=400 samples of d=1024 pixels in k=40 classes.

    Source: F. Samaria, A. Harter 1994, AT&T Laboratories Cambridge; for research.

    >>> orl()  # doctest: +SKIP
    Data('orl', n=400, d=1024, k=40, shape=(32, 32), float32)
    """
    source = "Samaria and Harter 1994, AT&T Laboratories Cambridge; for research"
    return _pictures(ORL, "orl", 255, source, dtype)


def yaleb(*, dtype: object = np.float32) -> Data:
    """Load the cropped Extended Yale B: 38 faces in changing light, 32×32 pixels in [0, 1].

    Returns n=2414 samples of d=1024 pixels in k=38 classes, 59 to 64 each. DSC-Nets used the same
    pictures at 48×42 pixels.

    Source: A. Georghiades, P. Belhumeur, D. Kriegman 2001; for research.

    >>> yaleb()  # doctest: +SKIP
    Data('yaleb', n=2414, d=1024, k=38, shape=(32, 32), float32)
    """
    source = "Georghiades, Belhumeur and Kriegman 2001; for research"
    return _pictures(YALEB, "yaleb", 255, source, dtype)


def newsgroups(words: int = 2000, *, dtype: object = np.float32) -> Data:
    """Load 20 Newsgroups: posts as tf-idf of the most frequent words, scaled as DEC scales texts.

    Returns n=18215 samples of d=`words` in k=20 classes, named by numbers: a word that occurs tf
    times in a post and in df of all n posts has the value tf log(n / df); then each post is brought
    to length √d, so that the mean square of its numbers is 1 and rates that were found on pixels
    are of the right size. Posts with none of the words are left out (6 of 18221 for 2000 words).

    Source: K. Lang 1995; counts as in S. Suh's L-EnsNMF repository.

    >>> newsgroups(500)  # doctest: +SKIP
    Data('newsgroups', n=18163, d=500, k=20, float32)
    """
    words, dtype = whole("words", words, 1), float_type(dtype)
    file = loadmat(fetch(NEWSGROUPS))
    counts = file["A"].tocsc()
    if words > counts.shape[1]:
        raise ValueError(f"words={words}, expected at most {counts.shape[1]}")
    often = np.sort(np.argsort(-counts.sum(0).A1, kind="stable")[:words])
    tf = counts[:, often].toarray()
    kept = tf.any(1)
    weights = tf[kept] * np.log(len(tf) / (tf > 0).sum(0))
    weights *= np.sqrt(words) / np.linalg.norm(weights, axis=1, keepdims=True)
    return Data(
        weights.astype(dtype),
        file["gnd3"].ravel().astype(np.int64)[kept] - 1,
        "newsgroups",
        classes=tuple(str(number) for number in range(1, 21)),
        source="Lang 1995, 20 Newsgroups",
    )


def _pictures(remote: Remote, name: str, white: int, source: str, dtype: object) -> Data:
    """Read pictures of 32×32 pixels, stored column by column, and labels from 1."""
    dtype = float_type(dtype)
    file = loadmat(fetch(remote))
    y = file["gnd"].ravel().astype(np.int64) - 1
    columns = file["fea"].reshape(-1, 32, 32)
    return Data(
        (columns.transpose(0, 2, 1).reshape(len(y), -1) / white).astype(dtype),
        y,
        name,
        shape=(32, 32),
        classes=tuple(str(number) for number in range(1, int(y.max()) + 2)),
        source=source,
    )


def _on_github(path: str, address: str, sha256: str) -> Remote:
    return Remote(path, (f"https://raw.githubusercontent.com/{address}",), sha256)


COIL20 = _on_github(
    "coil20/COIL20.mat",
    "panji1990/Deep-subspace-clustering-networks/HEAD/Data/COIL20.mat",
    "2a35c105dbb327492b90389e55612bcbf39187bc7c408252239903e4ce7d6958",
)
ORL = _on_github(
    "orl/ORL_32x32.mat",
    "panji1990/Deep-subspace-clustering-networks/HEAD/Data/ORL_32x32.mat",
    "c30cb53be2cab2da293eaeb35c1a7c16cad513fa14d0400ad5ed51f03e1ce7c8",
)
YALEB = _on_github(
    "yaleb/YaleB_32x32.mat",
    "SK4772/GReBLS/HEAD/data/YaleB_32x32.mat",
    "3fbbda4eb781b9bb28025189677b6727706e114eb0215bbfd718f1f4fcb54b99",
)
NEWSGROUPS = _on_github(
    "20newsgroups/20newsgroups.mat",
    "sanghosuh/lens_nmf-matlab/05435ec18ae2730c9b51bd8abe37bc867c1a0874/data/20newsgroups.mat",
    "d2fef1e5019b8ddd03f2b7a9d6afef4ac8171c25645fdba9c83c97e97a59750f",
)
