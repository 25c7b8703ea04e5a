"""Clusters that are no balls: subspaces through the origin, and documents of some topics."""

from __future__ import annotations

import numpy as np

from dclib.check import whole
from dclib.data.base import Data, float_type, generator, number, settled, shuffled_labels


def subspaces(
    n: int = 500,
    n_classes: int = 5,
    n_features: int = 30,
    dim: int = 4,
    noise: float = 0.1,
    overlap: float = 0.3,
    *,
    random_state: int = 0,
    dtype: object = np.float64,
) -> Data:
    """Draw points of random linear subspaces that all meet in the origin, one class a subspace.

    Returns n samples of d=`n_features` numbers in k=`n_classes` classes, the sizes of which differ
    by one at most. A class has an orthonormal basis B (d, `dim`); its points are B c, with
    `factors["coordinates"]` c (n, `dim`) standard normal, so every class has its mean in the
    origin, plus Gaussian noise of standard deviation `noise` in every feature. The bases are random
    for `overlap` 0 and lean the closer to a common subspace the larger it is: B spans
    √(1 - `overlap`) G + √`overlap` C, with random orthonormal G of the class and C of all, so
    directions of two classes have the cosine `overlap`, give or take chance.

    Source: a union of subspaces, as sparse subspace clustering assumes (Elhamifar and Vidal 2013,
    arXiv 1203.1005); how the subspaces are drawn is ours, as is rounding to six decimals.

    >>> data = subspaces(n=100, n_features=20, dim=3, noise=0)
    >>> data
    Data('subspaces', n=100, d=20, k=5, float64)
    >>> np.linalg.svd(data.x[data.y == 0], compute_uv=False)[:5].round(3)[3:]  # three directions
    array([0., 0.])
    """
    k, d = whole("n_classes", n_classes, 2), whole("n_features", n_features, 1)
    n, dim, dtype = whole("n", n, k), whole("dim", dim, 1), float_type(dtype)
    if dim > d:
        raise ValueError(f"dim={dim}, expected at most n_features={d}")
    noise, overlap = number("noise", noise), number("overlap", overlap, below=1)
    rng = generator(random_state)
    y = shuffled_labels(n, k, rng)
    coordinates = settled(rng.standard_normal((n, dim)))
    deviations = rng.standard_normal((n, d))
    common, *own = np.linalg.qr(rng.standard_normal((k + 1, d, dim)))[0]
    x = noise * deviations
    for j, basis in enumerate(own):
        leaning = np.linalg.qr(np.sqrt(1 - overlap) * basis + np.sqrt(overlap) * common)[0]
        x[y == j] += coordinates[y == j] @ leaning.T
    return Data(
        settled(x).astype(dtype),
        y,
        "subspaces",
        factors={"coordinates": coordinates},
        source="Drawn by dclib.data.subspaces, after Elhamifar and Vidal 2013, arXiv 1203.1005",
    )


def topics(
    n: int = 600,
    n_classes: int = 5,
    n_words: int = 500,
    length: int = 60,
    *,
    variation: float = 0.7,
    background: float = 0.6,
    mixing: float = 0.4,
    concentration: float = 0.1,
    random_state: int = 0,
    dtype: object = np.float64,
) -> Data:
    """Draw documents as bags of words: some words of their topic, the rest of any text.

    Returns n samples of d=`n_words` word counts in k=`n_classes` classes, the sizes of which differ
    by one at most. A topic prefers words of its own, a draw from a Dirichlet distribution: the
    smaller `concentration`, at least 0.01, the fewer. The share `background` of all words is drawn
    from what is common to all classes, where the word of rank r is 1/r as frequent as the first,
    the others from the document's mixture of topics. `factors` has n rows of each, drawn uniformly:

    - `length`: words in the document, within `length` · (1 ± `variation`), at least one
    - `mixture`: (n, k) shares of the topics, background apart; rows sum to 1. One topic other than
      the document's own has up to `mixing`, below 0.5, so the own has the largest share

    Variation, background and mixing may be 0; changing one of them leaves the other factors alone.
    Common words and long documents dominate the counts. Tf-idf weighs both down:

    >>> from sklearn.feature_extraction.text import TfidfTransformer
    >>> data = topics(n=100)
    >>> data
    Data('topics', n=100, d=500, k=5, float64)
    >>> weighted = TfidfTransformer(sublinear_tf=True).fit_transform(data.x).toarray()
    >>> weighted.shape, (weighted**2).sum(1)[:3].round(6)
    ((100, 500), array([1., 1., 1.]))

    Source: latent Dirichlet allocation (Blei et al. 2003) with one topic in the lead and a
    background as in Zipf's law.
    """
    k, d = whole("n_classes", n_classes, 2), whole("n_words", n_words, 2)
    n, length, dtype = whole("n", n, k), whole("length", length, 1), float_type(dtype)
    variation, background = (
        number("variation", variation, below=1),
        number("background", background, below=1),
    )
    mixing = number("mixing", mixing, below=0.5)
    concentration = number("concentration", concentration, least=0.01)
    rng = generator(random_state)
    y = shuffled_labels(n, k, rng)
    other = (y + 1 + np.floor((k - 1) * rng.random(n)).astype(np.int64)) % k
    longer, strange = rng.uniform(-1, 1, n), mixing * rng.random(n)
    lengths = np.maximum(1, np.round(length * (1 + variation * longer))).astype(np.int64)
    mixture = np.zeros((n, k))
    mixture[np.arange(n), y], mixture[np.arange(n), other] = 1 - strange, strange

    zipf = 1 / (1 + rng.permutation(d))
    words = np.vstack([rng.dirichlet(np.full(d, concentration), k), zipf / zipf.sum()])
    document = np.repeat(np.arange(n), lengths)  # of every word
    common, stranger, place = rng.random((3, len(document)))
    source = np.where(stranger < strange[document], other[document], y[document])
    source[common < background] = k
    word = np.empty(len(document), dtype=np.int64)
    for j in range(k + 1):
        limits = np.cumsum(np.round(1e6 * words[j]).astype(np.int64))  # as whole on every CPU
        word[source == j] = np.searchsorted(limits, place[source == j] * limits[-1], side="right")
    counts = np.bincount(document * d + word, minlength=n * d).reshape(n, d)
    return Data(
        counts.astype(dtype),
        y,
        "topics",
        factors={"length": lengths, "mixture": mixture},
        source="Drawn by dclib.data.topics, after Blei et al. 2003",
    )
