"""Agglomeration: hand values, slow double loops, stages, triplets, limits, bad input."""

import math

import pytest
import torch
from sklearn.metrics import adjusted_rand_score
from torch.autograd import gradcheck

from dclib.losses import (
    agglomerate,
    cluster_affinity,
    directed_graph,
    draw_triplets,
    nearest_components,
    triplet_loss,
)

pytestmark = pytest.mark.usefixtures("seeds")

N, M, K = 14, 3, 4


def normal(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype)


def labels_of(n=N, k=K):
    return torch.randperm(n) % k


def slow_affinity(w, labels):
    """Zhang et al. 2012: for each sample of one cluster its mean in- times its mean out-degree."""
    k = int(labels.max()) + 1
    affinity = torch.zeros(k, k, dtype=w.dtype)
    for a in range(k):
        for b in range(k):
            for one, other in ((a, b), (b, a)):
                inside = (labels == one).nonzero().flatten()
                for i in (labels == other).nonzero().flatten():
                    into = sum(w[j, i] for j in inside) / len(inside)
                    out = sum(w[i, j] for j in inside) / len(inside)
                    affinity[a, b] += into * out
    return affinity


def slow_merge(w, labels, n_clusters, contrast, n_rivals):
    """Compute all affinities anew for each merge."""
    labels = labels.clone()
    while len(names := labels.unique()) > n_clusters:
        _, plain = labels.unique(return_inverse=True)
        affinity = slow_affinity(w, plain)
        scores = {}
        for a in range(len(names)):
            row = sorted((affinity[a, b].item(), b) for b in range(len(names)) if b != a)[::-1]
            rest = [row[0][0] - value for value, _ in row[1:n_rivals]]
            bonus = contrast * sum(rest) / len(rest) if rest else 0
            scores[row[0][0] + bonus] = (a, row[0][1])
        a, b = scores[max(scores)]
        labels[plain == b] = names[a]
    return labels


def same_partition(one, other):
    return adjusted_rand_score(one, other) == 1


# ---- directed_graph


def test_graph_by_hand():
    w = directed_graph(torch.tensor([[0.0], [1.0], [3.0], [3.5]], dtype=torch.float64), 2)
    nearest = [{1: 1, 2: 9}, {0: 1, 2: 4}, {3: 0.25, 1: 4}, {2: 0.25, 1: 6.25}]
    width = sum(sum(row.values()) for row in nearest) / 8
    for i, row in enumerate(nearest):
        for j in range(4):
            expected = math.exp(-row[j] / width) if j in row else 0
            assert w[i, j].item() == pytest.approx(expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_graph_has_no_scale_and_no_loops(dtype):
    x = normal(N, M, dtype=dtype)
    w = directed_graph(x, 3)
    assert w.dtype == dtype
    assert (w > 0).sum(1).tolist() == [3] * N
    assert not w.diagonal().any()
    torch.testing.assert_close(directed_graph(100 * x, 3), w)
    assert directed_graph(torch.ones(4, 2, dtype=dtype), 3).sum() == 12  # copies: all weights 1


# ---- nearest_components


def test_components_by_hand():
    x = torch.tensor([[0.0], [1.0], [2.5], [10.0], [11.0]])
    assert same_partition(nearest_components(directed_graph(x, 3)), [0, 0, 0, 1, 1])


def test_components_equal_following_the_nearest():
    w = directed_graph(normal(60, 2), 5)
    labels = nearest_components(w)
    assert labels.bincount().min() >= 2
    slow = torch.arange(60)
    for _ in range(60):
        for i, j in enumerate(w.argmax(1)):
            slow[i] = slow[j] = min(slow[i], slow[j])
    assert same_partition(labels, slow)


def test_a_sample_without_edges_stays_alone():
    w = torch.zeros(3, 3)
    assert nearest_components(w).tolist() == [0, 1, 2]
    w[2, 1] = 0.1
    assert same_partition(nearest_components(w), [0, 1, 1])


# ---- cluster_affinity


def test_affinity_by_hand():
    """Two samples against one: 1/4 of (in 0.5 + 0.1) times (out 0.2 + 0.4), plus each alone."""
    w = torch.zeros(3, 3, dtype=torch.float64)
    w[0, 2], w[1, 2], w[2, 0], w[2, 1] = 0.5, 0.1, 0.2, 0.4
    by_hand = 0.6 * 0.6 / 4 + (0.5 * 0.2 + 0.1 * 0.4)
    affinity = cluster_affinity(w, torch.tensor([0, 0, 1]))
    assert affinity[0, 1].item() == pytest.approx(by_hand)
    assert affinity[1, 0].item() == pytest.approx(by_hand)


def test_affinity_equals_the_double_loop_and_the_formula():
    w, labels = normal(N, N).square(), labels_of()
    affinity = cluster_affinity(w, labels)
    torch.testing.assert_close(affinity, slow_affinity(w, labels))
    a, b = labels == 0, labels == 2
    there, back = w[a][:, b], w[b][:, a]
    one = (there @ back).sum() / a.sum() ** 2
    torch.testing.assert_close(affinity[0, 2], one + (back @ there).sum() / b.sum() ** 2)


def test_affinity_without_an_edge_back_is_none():
    w = torch.zeros(2, 2)
    w[0, 1] = 1
    assert not cluster_affinity(w, torch.tensor([0, 1])).any()


def test_affinity_follows_renumbering_and_order():
    w, labels = normal(N, N).square(), labels_of()
    new, rows = torch.randperm(K), torch.randperm(N)
    affinity = cluster_affinity(w, labels)
    torch.testing.assert_close(cluster_affinity(w, new[labels])[new][:, new], affinity)
    torch.testing.assert_close(cluster_affinity(w[rows][:, rows], labels[rows]), affinity)


def test_affinity_of_an_empty_cluster_is_zero():
    w, labels = normal(N, N).square(), labels_of()
    with_gap = cluster_affinity(w, torch.where(labels == 3, 5, labels))
    assert with_gap.shape == (6, 6)
    assert not with_gap[3:5].any()
    keep = torch.tensor([0, 1, 2, 5])
    torch.testing.assert_close(with_gap[keep][:, keep], cluster_affinity(w, labels))


def test_affinity_has_a_gradient():
    labels = labels_of(6, 2)
    assert gradcheck(lambda w: cluster_affinity(w, labels), normal(6, 6).square().requires_grad_())


def test_affinity_refuses_what_does_not_fit():
    w = torch.ones(3, 3)
    with pytest.raises(ValueError, match=r"w has shape \(3, 2\), expected \(n, n\)"):
        cluster_affinity(torch.ones(3, 2), torch.arange(3))
    with pytest.raises(ValueError, match=r"labels have shape \(2,\), expected \(3,\)"):
        cluster_affinity(w, torch.arange(2))
    with pytest.raises(ValueError, match=r"labels are torch.float32 from 0.0"):
        cluster_affinity(w, torch.zeros(3))
    with pytest.raises(ValueError, match=r"torch.int64 from -1, expected torch.int64 from 0"):
        cluster_affinity(w, torch.tensor([0, -1, 1]))


# ---- agglomerate


@pytest.mark.parametrize("contrast", [0.0, 1.0])
@pytest.mark.parametrize("n_clusters", [1, 2, 5, 11])
def test_merging_equals_computing_everything_anew(contrast, n_clusters):
    w = normal(N, N).square()
    fast = agglomerate(w, torch.arange(N), n_clusters, contrast, n_rivals=3)
    assert sorted(fast.unique().tolist()) == list(range(n_clusters))
    slow = slow_merge(w, torch.arange(N), n_clusters, contrast, 3)
    assert same_partition(fast, slow)


def test_contrast_prefers_a_pair_without_rivals():
    w = torch.zeros(5, 5)
    for i, j, weight in ((0, 1, 1.0), (1, 2, 0.99), (0, 2, 0.98), (3, 4, 0.9)):
        w[i, j] = w[j, i] = weight
    assert same_partition(agglomerate(w, torch.arange(5), 4), [0, 0, 1, 2, 3])
    assert same_partition(agglomerate(w, torch.arange(5), 4, 1.0, n_rivals=3), [0, 1, 2, 3, 3])


def test_two_stages_are_one():
    w = directed_graph(normal(50, 2), 6)
    start = nearest_components(w)
    assert same_partition(agglomerate(w, agglomerate(w, start, 6), 3), agglomerate(w, start, 3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_groups_far_apart_are_found_in_any_order(dtype):
    truth = torch.arange(60) % 3
    x = normal(60, 2, dtype=dtype) + 30 * torch.stack([truth, truth**2], 1)
    w, rows = directed_graph(x, 8), torch.randperm(60)
    found = agglomerate(w, nearest_components(w), 3)
    assert same_partition(found, truth)
    shuffled = w[rows][:, rows]
    assert same_partition(agglomerate(shuffled, nearest_components(shuffled), 3), truth[rows])


def test_an_outlier_whose_edges_are_not_returned_stays_alone():
    """Its affinity to every other sample is 0, however near; the start by components keeps it."""
    x = torch.tensor([[0.0], [1.0], [2.0], [5.0], [20.0], [21.0], [22.0]])
    w = directed_graph(x, 2)
    found = agglomerate(w, torch.arange(7), 3)
    assert same_partition(found, [0, 0, 0, 1, 2, 2, 2])
    assert not cluster_affinity(w, found).fill_diagonal_(0).any()
    assert same_partition(agglomerate(w, nearest_components(w), 2), [0, 0, 0, 0, 1, 1, 1])


def test_nothing_to_merge():
    labels = torch.tensor([7, 7, 2, 2])
    assert agglomerate(torch.zeros(4, 4), labels, 2).tolist() == [1, 1, 0, 0]
    assert agglomerate(torch.zeros(4, 4), labels, 3).tolist() == [1, 1, 0, 0]
    assert agglomerate(torch.ones(1, 1), torch.zeros(1).long(), 1).tolist() == [0]


def test_clusters_without_affinity_are_merged_all_the_same():
    assert len(agglomerate(torch.zeros(6, 6), torch.arange(6), 2).unique()) == 2


@pytest.mark.parametrize(
    ("setting", "value"),
    [("n_clusters", 0), ("n_clusters", 2.0), ("contrast", -1), ("n_rivals", 1)],
)
def test_agglomerate_refuses(setting, value):
    settings = {"n_clusters": 2} | {setting: value}
    with pytest.raises(ValueError, match=f"{setting}={value}, expected"):
        agglomerate(torch.ones(4, 4), torch.arange(4), **settings)


# ---- draw_triplets


def test_triplets_are_of_the_right_clusters():
    labels, affinity = labels_of(40, 5), normal(5, 5).square()
    affinity = affinity + affinity.T
    rows = torch.randperm(40)[:30]
    anchors, positives, negatives = draw_triplets(labels, affinity, rows, n_rivals=2)
    assert torch.equal(anchors, rows)
    assert negatives.shape == (30, 20)
    assert (labels[positives] == labels[anchors]).all()
    assert (positives != anchors).all()
    for i, row in zip(anchors, negatives, strict=True):
        own = labels[i]
        others = [j for j in range(5) if j != own]
        allowed = sorted(others, key=lambda j: -affinity[own, j])[:2]
        assert set(labels[row].tolist()) <= set(allowed)


def test_every_possible_sample_is_drawn():
    labels = torch.tensor([0, 1, 0, 0, 1, 2])
    rows = torch.zeros(500).long()
    _, positives, negatives = draw_triplets(labels, torch.ones(3, 3), rows, n_negatives=1)
    counts = positives.bincount(minlength=6)
    assert counts[[2, 3]].min() > 200
    assert counts.sum() == counts[[2, 3]].sum()
    counts = negatives.flatten().bincount(minlength=6)
    assert counts[5] > 200  # clusters are drawn first, then their samples
    assert counts[[1, 4]].min() > 90
    assert counts.sum() == counts[[1, 4, 5]].sum()


def test_who_is_alone_has_no_triplet():
    labels = torch.tensor([0, 0, 1])
    anchors, positives, negatives = draw_triplets(labels, torch.ones(2, 2), torch.tensor([2, 1]))
    assert anchors.tolist() == [1]
    assert positives.tolist() == [0]
    assert negatives.unique().tolist() == [2]
    empty = draw_triplets(torch.arange(3), torch.ones(3, 3), torch.arange(3))
    assert [len(part) for part in empty] == [0, 0, 0]


def test_triplets_are_fixed_by_the_seed():
    labels, affinity = labels_of(), torch.ones(K, K)
    torch.manual_seed(5)
    one = draw_triplets(labels, affinity, torch.arange(N))
    torch.manual_seed(5)
    two = draw_triplets(labels, affinity, torch.arange(N))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 2, 2], [0, 1, 2]])
def test_triplets_refuse_what_does_not_fit(labels):
    with pytest.raises(ValueError, match="expected k clusters of at least 1"):
        draw_triplets(torch.tensor(labels), torch.ones(2, 2), torch.arange(3))


# ---- triplet_loss


def test_triplet_loss_by_hand():
    anchor = torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    positive = torch.tensor([[1.0, 0.0], [1.0, 2.0]], dtype=torch.float64)
    negative = torch.tensor([[[0.0, 1.0], [3.0, 0.0]], [[0.0, 0.0], [1.0, 2.0]]]).double()
    # 2*1 - 1 + 0.5, 2*1 - 9 + 0.5 (met), 2*4 - 1 + 0.5, 2*4 - 4 + 0.5
    by_hand = (1.5 + 0 + 7.5 + 4.5) / 4
    assert triplet_loss(anchor, positive, negative, 2.0, 0.5).item() == pytest.approx(by_hand)


def test_triplet_loss_equals_torch():
    anchor, positive, negative = normal(N, M), normal(N, M), normal(N, 5, M)
    rival = torch.nn.TripletMarginWithDistanceLoss(
        distance_function=lambda a, b: (a - b).square().sum(1), margin=0.2
    )
    values = [rival(anchor, positive, negative[:, c]) for c in range(5)]
    loss = triplet_loss(anchor, positive, negative)
    torch.testing.assert_close(loss, torch.stack(values).mean())


def test_the_gradient_of_triplets_is_that_of_the_active_ones():
    anchor, positive, negative = (normal(*s).requires_grad_() for s in [(N, M), (N, M), (N, 2, M)])
    triplet_loss(anchor, positive, negative, pull=1.5, margin=0.3).backward()
    expected = torch.zeros(N, M, dtype=torch.float64)
    for i in range(N):
        for c in range(2):
            a, p, n = anchor[i], positive[i], negative[i, c]
            if 1.5 * (a - p).square().sum() - (a - n).square().sum() + 0.3 > 0:
                expected[i] += 2 * (1.5 * (a - p) - (a - n)).detach() / (2 * N)
    torch.testing.assert_close(anchor.grad, expected)


def test_gradcheck_of_triplets():
    parts = (normal(N, M).requires_grad_(), normal(N, M).requires_grad_())
    assert gradcheck(triplet_loss, (*parts, normal(N, 2, M).requires_grad_()))


def test_a_collapsed_code_costs_the_margin_and_has_no_gradient():
    z = torch.ones(4, 2, requires_grad=True)
    loss = triplet_loss(z, z, z[:, None], margin=0.7)
    loss.backward()
    assert loss.item() == pytest.approx(0.7)
    assert not z.grad.any()


def test_triplets_keep_their_dtype():
    parts = normal(N, M), normal(N, M), normal(N, 2, M)
    single = triplet_loss(*(part.float() for part in parts))
    assert single.dtype == torch.float32
    assert single.item() == pytest.approx(triplet_loss(*parts).item(), 1e-5)


def test_triplet_loss_refuses_other_shapes():
    with pytest.raises(ValueError, match="expected the same shape"):
        triplet_loss(normal(N, M), normal(N, 2), normal(N, 2, M))
    for shape in ((N, M), (N, 2, M + 1), (N - 1, 2, M)):
        with pytest.raises(ValueError, match=r"expected \(n, m\) and \(n, c, m\)"):
            triplet_loss(normal(N, M), normal(N, M), normal(*shape))
