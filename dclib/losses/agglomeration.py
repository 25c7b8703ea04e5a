"""Agglomerative clustering on a neighbour graph, and the triplets by which a network follows it."""

from __future__ import annotations

import math

import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.nn.functional import one_hot

from dclib import check
from dclib.losses.neighbourhood import heat_kernel, nearest_neighbours


def directed_graph(x: Tensor, n_neighbors: int = 20) -> Tensor:
    """Weigh the edges from every sample to its nearest neighbours.

    Shapes: x (n, ...). Returns W (n, n) in [0, 1], a constant: w_ii' = exp(-squared distance /
    width) where i' is one of the `n_neighbors` nearest neighbours of i, else 0; the width is the
    mean of the squared distances of all neighbours. W is not symmetric. Source: Zhang et al. 2012
    (graph degree linkage), with their factor a = 1; JULE takes it over with 20 neighbours.

    >>> directed_graph(torch.tensor([[0.0], [1.0], [3.0]]), n_neighbors=1).round(decimals=2)
    tensor([[0.0000, 0.6100, 0.0000],
            [0.6100, 0.0000, 0.0000],
            [0.0000, 0.1400, 0.0000]])
    """
    neighbours, squared = nearest_neighbours(x, n_neighbors)
    width = squared.mean().clamp_min(torch.finfo(squared.dtype).tiny)  # all copies: weights 1
    graph = squared.new_zeros(len(x), len(x))
    return graph.scatter_(1, neighbours, heat_kernel(squared, width))


def nearest_components(w: Tensor) -> Tensor:
    """Group every sample with its nearest neighbour: the clusters that agglomeration starts from.

    Shapes: w (n, n), at least 0. Returns labels (n,), 0..k-1: the
    connected parts of the graph in which each sample keeps only its strongest edge; usually n / 4
    to n / 3 of them, of two samples or more where every row of w has an edge. Source: Zhang et
    al. 2012 start from such parts.

    >>> w = torch.tensor([[0.0, 0.9, 0.1], [0.9, 0.0, 0.0], [0.0, 0.0, 0.0]])
    >>> nearest_components(w)
    tensor([0, 0, 1])
    """
    _square(w)
    strongest, to = w.cpu().max(1)
    keeps = strongest > 0
    start = torch.arange(len(w))[keeps]
    edges = coo_array((strongest[keeps], (start, to[keeps])), shape=tuple(w.shape))
    _, labels = connected_components(edges, directed=False)
    return torch.as_tensor(labels, dtype=torch.long, device=w.device)


def cluster_affinity(w: Tensor, labels: Tensor) -> Tensor:
    """Affinity of every pair of clusters: paths of two edges, there and back, over sizes squared.

    Shapes: w (n, n), at least 0; labels (n,) whole numbers 0..k-1, k the largest plus 1. Returns
    A (k, k), symmetric, at least 0: A_jj' = 1' W_jj' W_j'j 1 / |j|^2 + 1' W_j'j W_jj' 1 / |j'|^2,
    0 for a cluster without samples. Source: Zhang et al. 2012, affinity of two clusters by
    indegree and outdegree; Yang et al. 2016 (JULE) take it over.

    >>> w = torch.tensor([[0.0, 0.5], [0.4, 0.0]])  # two samples, each a cluster
    >>> cluster_affinity(w, torch.tensor([0, 1]))[0, 1]
    tensor(0.4000)
    """
    members = _members(w, labels)
    toward = _toward(w @ members, w.T @ members, members)
    return toward + toward.T


def agglomerate(
    w: Tensor, labels: Tensor, n_clusters: int, contrast: float = 0.0, n_rivals: int = 5
) -> Tensor:
    """Merge clusters, two at a time, until `n_clusters` are left.

    Shapes: w (n, n), at least 0; labels (n,) whole numbers, each value one cluster. Returns labels
    (n,), 0..n_clusters-1; unchanged but for the numbers where there are no more clusters than
    that. Each step merges a cluster with that of largest affinity to it, the pair at which

        A(first) + contrast * mean over c = 2..n_rivals of (A(first) - A(c-th))

    is largest, A(c-th) being the cluster's c-th largest affinity. Where all affinities are 0, some
    two clusters are merged that have nothing in common. Memory grows as n * k of the
    start. Source: `contrast` 0 is graph degree linkage (Zhang et al. 2012), above 0 the criterion
    of Yang et al. 2016 (JULE), their lambda.

    >>> w = torch.tensor([[0, 1, 0], [1, 0, 0.2], [0, 0.2, 0]])
    >>> agglomerate(w, torch.arange(3), n_clusters=2)
    tensor([0, 0, 1])
    """
    if not check.is_whole(n_clusters) or n_clusters < 1:
        raise ValueError(f"n_clusters={n_clusters!r}, expected a whole number of at least 1")
    if not 0 <= contrast < math.inf:
        raise ValueError(f"contrast={contrast!r}, expected a finite number of at least 0")
    if not check.is_whole(n_rivals) or n_rivals < 2:
        raise ValueError(f"n_rivals={n_rivals!r}, expected a whole number of at least 2")
    w, labels = w.detach(), labels.unique(return_inverse=True)[1]
    members = _members(w, labels)
    outward, inward, sizes = w @ members, w.T @ members, members.sum(0)
    toward = _toward(outward, inward, members)
    alive = torch.ones_like(sizes, dtype=torch.bool)
    for left in range(len(sizes), n_clusters, -1):
        affinity = (toward + toward.T).masked_fill(~alive, -1).fill_diagonal_(-1)
        best = affinity.topk(min(n_rivals, left - 1))
        score = best.values[:, 0]
        if contrast and left > 2:
            score = score + contrast * (score[:, None] - best.values[:, 1:]).mean(1)
        one = score.masked_fill(~alive, -math.inf).argmax()
        keep, gone = sorted((int(one), int(best.indices[one, 0])))
        labels = labels.where(labels != gone, keep)
        alive[gone] = False
        # degrees add up; so do the rows of `toward`; its column is summed anew over all samples
        for total in (outward.T, inward.T, sizes, toward):
            total[keep] += total[gone]
        paths = outward[:, keep] * inward[:, keep] / sizes[keep] ** 2
        toward[:, keep] = torch.zeros_like(sizes).index_add(0, labels, paths)
    return labels.unique(return_inverse=True)[1]


def draw_triplets(
    labels: Tensor, affinity: Tensor, rows: Tensor, n_rivals: int = 5, n_negatives: int = 20
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw for each row a sample of its own cluster and some of the clusters next to it.

    Shapes: labels (n,) whole numbers 0..k-1, none unused; affinity (k, k), see `cluster_affinity`;
    rows (b,) numbers of samples. Returns row numbers: anchors (a,), those of `rows` that are not
    alone in their cluster, positives (a,), never the anchor itself, and negatives
    (a, n_negatives), each from a cluster drawn among the `n_rivals` of largest affinity. Uses
    PyTorch's random state. Source: Yang et al. 2016 (JULE), the triplets of the loss; their program
    takes 20 negatives too, but of any other cluster, and looks at 5 rivals only to merge.

    >>> labels, affinity = torch.tensor([0, 0, 1]), torch.ones(2, 2)
    >>> [part.tolist() for part in draw_triplets(labels, affinity, torch.arange(3), n_negatives=1)]
    [[0, 1], [1, 0], [[2], [2]]]
    """
    sizes = labels.bincount()
    k = len(sizes)
    if k < 2 or affinity.shape != (k, k) or not sizes.all():
        raise ValueError(
            f"labels have clusters of {sizes.tolist()} samples and affinity the shape "
            f"{tuple(affinity.shape)}, expected k clusters of at least 1 and (k, k), k at least 2"
        )
    order, start = labels.argsort(stable=True), sizes.cumsum(0) - sizes
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device)

    anchors = rows[sizes[labels[rows]] > 1]
    own = labels[anchors]
    step = 1 + _below(sizes[own] - 1)
    positives = order[start[own] + (place[anchors] - start[own] + step) % sizes[own]]

    rivals = affinity.clone().fill_diagonal_(-math.inf).topk(min(n_rivals, k - 1)).indices
    drawn = torch.full((len(anchors), n_negatives), rivals.shape[1], device=labels.device)
    other = rivals[own].gather(1, _below(drawn))
    return anchors, positives, order[start[other] + _below(sizes[other])]


def triplet_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, pull: float = 1.0, margin: float = 0.2
) -> Tensor:
    """How far each code is from being nearer to its own cluster than to the next, by a margin.

    Shapes: anchor and positive (n, m), negative (n, c, m). Returns the mean over all n * c
    triplets of max(0, pull * |anchor - positive|^2 - |anchor - negative|^2 + margin), in [0, inf),
    in squared units of the codes, which have to be normalised: a longer code meets any margin.
    Source: the code of Yang et al. 2016 (JULE), with its settings; `pull` is their gamma.

    >>> anchor, positive, negative = torch.zeros(1, 1), torch.ones(1, 1), torch.full((1, 1, 1), 2.0)
    >>> triplet_loss(anchor, positive, negative, margin=4.0)  # 1 - 4 + 4
    tensor(1.)
    """
    check.same_shape(anchor=anchor, positive=positive)
    if anchor.ndim != 2 or negative.ndim != 3 or negative[:, 0].shape != anchor.shape:
        raise ValueError(
            f"anchor has shape {tuple(anchor.shape)}, negative {tuple(negative.shape)}; "
            "expected (n, m) and (n, c, m)"
        )
    near = (anchor - positive).square().sum(1)
    far = (anchor[:, None] - negative).square().sum(2)
    return (pull * near[:, None] - far + margin).clamp_min(0).mean()


def _members(w: Tensor, labels: Tensor) -> Tensor:
    _square(w)
    if labels.shape != w.shape[:1]:
        raise ValueError(f"labels have shape {tuple(labels.shape)}, expected ({len(w)},)")
    if labels.dtype != torch.long or labels.min() < 0:
        raise ValueError(
            f"labels are {labels.dtype} from {labels.min()}, expected torch.int64 from 0"
        )
    return one_hot(labels).to(w.dtype)


def _toward(outward: Tensor, inward: Tensor, members: Tensor) -> Tensor:
    """Sum over the samples of a cluster (row) of in-degree times out-degree to one (column)."""
    return members.T @ (outward * inward / members.sum(0).clamp_min(1) ** 2)


def _square(w: Tensor) -> None:
    if w.ndim != 2 or w.shape[0] != w.shape[1] or not len(w):
        raise ValueError(f"w has shape {tuple(w.shape)}, expected (n, n), one row a sample")


def _below(bounds: Tensor) -> Tensor:
    """Draw a whole number from 0 to bound - 1 for each bound."""
    uniform = torch.rand(bounds.shape, dtype=torch.float64, device=bounds.device)
    return (uniform * bounds).long()
