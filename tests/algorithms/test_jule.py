"""JULE: pairs in a batch, merging between the periods, and nothing for new samples."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from torch.nn.functional import normalize

from dclib.algorithms import JULE
from dclib.algorithms.jule import adopt, pooled, triplets
from dclib.losses import agglomerate, directed_graph, nearest_components

N = 60
X, Y = make_blobs(N, 5, centers=3, random_state=0)
SETTINGS = {"layers": (8, 4), "n_neighbors": 8, "period_epochs": 2, "random_state": 0}


def watched(x=X, **changed):
    """A fitted model, and its labels in each epoch."""
    found = []
    model = JULE(3, **SETTINGS | changed)
    model.fit(x, watch=lambda estimator, record: found.append(estimator.labels_))
    return model, found


def test_without_training_it_merges_what_an_untrained_network_sees():
    model = JULE(3, **SETTINGS | {"period_epochs": 0}).fit(X)
    graph = directed_graph(torch.from_numpy(model.transform(X)), 8)
    merged = agglomerate(graph, nearest_components(graph), 3, 1.0, 5)
    assert adjusted_rand_score(merged, model.labels_) == 1


def test_begins_with_the_nearest_components_of_samples_of_length_1():
    model = JULE(3, **SETTINGS).build(X).begin(X)
    graph = directed_graph(normalize(torch.from_numpy(X)), 8)
    np.testing.assert_array_equal(model.labels_, nearest_components(graph))


def test_a_share_of_the_clusters_is_merged_after_each_period():
    model, found = watched(merged=0.4)
    first = model.net_.n_first.item()
    sizes = model.sizes()
    assert sizes[0] == first and sizes[1] == int(first * 0.6) and sizes[-1] == 3
    assert [len(set(labels)) for labels in found] == [k for k in sizes[:-1] for _ in range(2)]
    assert len(set(model.labels_)) == 3


def test_all_merged_at_once_leaves_one_period():
    model, found = watched(merged=1.0)
    assert model.sizes()[1:] == [3] and len(found) == 2


def is_union(coarse, fine):
    return all(len(set(coarse[fine == j])) == 1 for j in set(fine))


def test_clusters_that_were_grown_are_never_split():
    model, found = watched(np.random.default_rng(0).normal(size=(N, 5)), merged=0.4, anew=False)
    states = [*found, model.labels_]
    assert all(is_union(b, a) for a, b in pairwise(states))


def test_merging_anew_forgets_the_clusters_that_were_grown():
    x = np.random.default_rng(0).normal(size=(N, 5))
    model, _ = watched(x, merged=0.4, anew=False)
    grown = model.labels_
    model.anew = True
    model.merge(x)
    assert adjusted_rand_score(grown, model.labels_) < 1
    model.labels_ = np.arange(N) % 7
    np.testing.assert_array_equal(model.merge(x).labels_, model.merge(x).labels_)


def test_triplets_are_all_pairs_with_negatives_of_other_clusters():
    labels = torch.tensor([0, 1, 0, 2, 0, 1])
    torch.manual_seed(0)
    anchor, positive, negative = triplets(labels, 200)
    assert set(zip(anchor.tolist(), positive.tolist(), strict=True)) == {
        *((0, 2), (0, 4), (2, 4), (1, 5))
    }
    for one, drawn in zip(anchor, negative, strict=True):
        assert set(drawn.tolist()) == set(torch.where(labels != labels[one])[0].tolist())


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2]])
def test_no_triplets_without_a_pair_or_without_another_cluster(labels):
    anchor, positive, negative = triplets(torch.tensor(labels), 4)
    assert len(anchor) == len(positive) == 0 and negative.shape == (0, 4)


def test_strays_are_adopted_by_the_nearest_that_is_none():
    z = torch.tensor([[0.0], [0.0], [1.0], [1.2], [9.0]])  # clusters at 0, 1, 1.2 and 9
    labels, affinity = torch.tensor([0, 0, 1, 2, 3]), torch.eye(4)
    affinity[0, 3] = affinity[3, 0] = 0.1
    assert adopt(z, labels, affinity).tolist() == [0, 0, 0, 0, 3]
    assert adopt(z, labels, torch.eye(4)).tolist() == labels.tolist()


@pytest.mark.parametrize("shape", [(2, 9, 7), (3, 11)])
def test_pooled_halves_every_side_twice_and_a_gradient_reaches_every_weight(shape):
    net = pooled(shape, (4, 6, 5), torch.float64)
    z = net(torch.randn(3, *shape, dtype=torch.float64))
    z.square().sum().backward()
    assert z.shape == (3, 5) and z.dtype == torch.float64
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_features_have_length_1():
    z = JULE(3, **SETTINGS).fit(X).transform(X)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1)


def test_finds_blobs():
    wide = SETTINGS | {"layers": (50, 20), "period_epochs": 20}
    assert adjusted_rand_score(Y, JULE(3, **wide).fit(X).labels_) > 0.9


def test_too_many_samples_are_refused_before_their_graph_is_made():
    with pytest.raises(ValueError, match=r"n_samples=60 take .* expected at most memory=1e-06 GB"):
        JULE(3, memory=1e-6).fit(X)


@pytest.mark.parametrize("share", [0, -0.1, 1.1])
def test_a_share_that_is_none(share):
    with pytest.raises(ValueError, match=rf"merged={share}, expected a"):
        JULE(3, merged=share).fit(X)
