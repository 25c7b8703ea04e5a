"""The k-means losses and the running centers: hand values, rivals, gradients, limits, bad input."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.cluster import MiniBatchKMeans
from torch.autograd import gradcheck

from dclib.assign import softmax, squared_distances
from dclib.losses import kmeans_loss, soft_kmeans_loss, update_centers

pytestmark = pytest.mark.usefixtures("seeds")

N, M, K = 7, 3, 4


def normal(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype)


def nearest(z, centers):
    return squared_distances(z, centers).argmin(1)


# ---- kmeans_loss


def test_kmeans_loss_by_hand():
    z = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    centers = torch.tensor([[9.0, 9.0], [0.0, 1.0]])
    loss = kmeans_loss(z, centers, torch.tensor([1, 1]))
    assert loss == (1 + 18) / 2  # (0 + 1) and (9 + 9)


def test_kmeans_loss_equals_a_slow_double_loop():
    z, centers, labels = normal(N, M), normal(K, M), torch.randint(K, (N,))
    total = 0.0
    for i in range(N):
        for j in range(M):
            total += float(z[i, j] - centers[labels[i], j]) ** 2
    assert kmeans_loss(z, centers, labels).item() == pytest.approx(total / N)


def test_kmeans_loss_gradient():
    z, centers = normal(N, M).requires_grad_(), normal(K, M).requires_grad_()
    labels = torch.randint(K, (N,))
    assert gradcheck(lambda *inputs: kmeans_loss(*inputs, labels), (z, centers))


def test_kmeans_loss_does_not_care_how_clusters_are_numbered():
    z, centers, labels = normal(N, M), normal(K, M), torch.randint(K, (N,))
    order = torch.randperm(K)  # the new cluster j is the old order[j]
    renumbered = kmeans_loss(z, centers[order], order.argsort()[labels])
    torch.testing.assert_close(renumbered, kmeans_loss(z, centers, labels))


def test_kmeans_loss_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="z has 3, centers has 2; expected the same number"):
        kmeans_loss(normal(N, 3), normal(K, 2), torch.zeros(N, dtype=torch.long))
    with pytest.raises(ValueError, match=r"labels have shape \(6,\), expected \(7,\)"):
        kmeans_loss(normal(N, M), normal(K, M), torch.zeros(6, dtype=torch.long))


# ---- soft_kmeans_loss


def test_soft_kmeans_loss_by_hand():
    z, centers = torch.tensor([[0.0]]), torch.tensor([[1.0], [2.0]])  # squared distances 1, 4
    odds = np.exp(-1.5)  # of the farther center at temperature 2
    assert soft_kmeans_loss(z, centers, 2.0).item() == pytest.approx((1 + 4 * odds) / (1 + odds))


def test_soft_kmeans_loss_equals_a_slow_double_loop():
    z, centers, temperature = normal(N, M), normal(K, M), 0.7
    total = 0.0
    for code in z.numpy():
        distance = [float(((code - center) ** 2).sum()) for center in centers.numpy()]
        weight = [np.exp(-d / temperature) for d in distance]
        total += sum(w * d for w, d in zip(weight, distance, strict=True)) / sum(weight)
    assert soft_kmeans_loss(z, centers, temperature).item() == pytest.approx(total / N)


@pytest.mark.parametrize("temperature", [0.3, 5.0])
def test_soft_kmeans_loss_gradient(temperature):
    z, centers = normal(N, M).requires_grad_(), normal(K, M).requires_grad_()
    assert gradcheck(lambda *inputs: soft_kmeans_loss(*inputs, temperature), (z, centers))


@pytest.mark.parametrize("temperature", [0.3, 5.0])
def test_soft_kmeans_loss_pulls_to_a_weighted_mean_of_the_centers(temperature):
    """The weights sum to 1 but may be negative: a far center pushes."""
    z, centers = normal(N, M).requires_grad_(), 3 * normal(K, M)
    soft_kmeans_loss(z, centers, temperature).backward()
    distance = squared_distances(z.detach(), centers)
    share = softmax(z.detach(), centers, 1 / temperature)
    own = (share * distance).sum(1, keepdim=True)
    weight = share * (1 + (own - distance) / temperature)
    torch.testing.assert_close(weight.sum(1), torch.ones(N, dtype=torch.float64))
    assert (weight < 0).any()
    torch.testing.assert_close(z.grad, 2 / N * (z.detach() - weight @ centers))


def test_soft_kmeans_loss_lies_between_its_limits():
    z, centers = normal(N, M), normal(K, M)
    hard = kmeans_loss(z, centers, nearest(z, centers))
    mean = squared_distances(z, centers).mean()
    losses = [soft_kmeans_loss(z, centers, t) for t in (1e-4, 0.1, 1.0, 10.0, 1e8)]
    assert all(one <= other for one, other in pairwise(losses))
    torch.testing.assert_close(losses[0], hard)
    torch.testing.assert_close(losses[-1], mean)


def test_soft_kmeans_loss_and_its_gradient_are_finite_when_cold():
    z = normal(N, M, dtype=torch.float32).requires_grad_()
    centers = normal(K, M, dtype=torch.float32)
    soft_kmeans_loss(z, centers, 1e-30).backward()
    hard = 2 / N * (z.detach() - centers[nearest(z.detach(), centers)])
    torch.testing.assert_close(z.grad, hard)


def test_soft_kmeans_loss_with_one_cluster_or_one_sample():
    z, centers = normal(N, M), normal(K, M)
    alone = kmeans_loss(z, centers[:1], torch.zeros(N, dtype=torch.long))
    torch.testing.assert_close(soft_kmeans_loss(z, centers[:1], 2.0), alone)
    by_sample = torch.stack([soft_kmeans_loss(row[None], centers, 2.0) for row in z])
    torch.testing.assert_close(soft_kmeans_loss(z, centers, 2.0), by_sample.mean())


def test_soft_kmeans_loss_of_a_total_collapse_is_zero():
    point = normal(1, M)
    assert soft_kmeans_loss(point.expand(N, M), point.expand(K, M), 1.0) == 0


def test_soft_kmeans_loss_does_not_care_about_order():
    z, centers = normal(N, M), normal(K, M)
    mixed = soft_kmeans_loss(z[torch.randperm(N)], centers[torch.randperm(K)], 0.5)
    torch.testing.assert_close(mixed, soft_kmeans_loss(z, centers, 0.5))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_results_have_the_dtype_of_the_input(dtype):
    z, centers = normal(N, M, dtype=dtype), normal(K, M, dtype=dtype)
    assert soft_kmeans_loss(z, centers, 1.0).dtype == dtype
    results = update_centers(centers, torch.ones(K, dtype=dtype), z, nearest(z, centers))
    assert all(result.dtype == dtype for result in results)


@pytest.mark.parametrize("temperature", [0, -1.0, float("inf"), float("nan")])
def test_soft_kmeans_loss_refuses_a_temperature_that_is_none(temperature):
    with pytest.raises(ValueError, match=f"temperature={temperature}, expected a finite number"):
        soft_kmeans_loss(normal(N, M), normal(K, M), temperature)


def test_soft_kmeans_loss_refuses_other_widths():
    with pytest.raises(ValueError, match="z has 3, centers has 2"):
        soft_kmeans_loss(normal(N, 3), normal(K, 2), 1.0)


# ---- update_centers


def one_by_one(centers, counts, z, labels):
    """The update as DCN takes it: a sample at a time, each with the step 1 / count."""
    centers, counts = centers.clone(), counts.clone()
    for code, label in zip(z, labels, strict=True):
        counts[label] += 1
        centers[label] -= (centers[label] - code) / counts[label]
    return centers, counts


@pytest.mark.parametrize("start", [0.0, 1.0, 100.0])
def test_update_centers_equals_dcn_sample_by_sample(start):
    centers, counts = normal(K, M), torch.full((K,), start, dtype=torch.float64)
    z, labels = normal(N, M), torch.tensor([0, 2, 2, 1, 0, 0, 2])  # none for cluster 3
    updated = update_centers(centers, counts, z, labels)
    rival = one_by_one(centers, counts, z, labels)
    for ours, theirs in zip(updated, rival, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert torch.equal(updated[0][3], centers[3])


def test_update_centers_equals_scikit_learn_over_three_batches():
    centers, counts = normal(K, M), torch.zeros(K, dtype=torch.float64)
    rival = MiniBatchKMeans(K, init=centers.numpy(), n_init=1, reassignment_ratio=0)
    for _ in range(3):
        z = normal(20, M)
        rival.partial_fit(z.numpy())
        centers, counts = update_centers(centers, counts, z, nearest(z, centers))
    np.testing.assert_allclose(centers.numpy(), rival.cluster_centers_)


def test_update_centers_does_not_depend_on_how_the_data_are_cut():
    centers, counts = normal(K, M), torch.full((K,), 5.0, dtype=torch.float64)
    z, labels = normal(N, M), torch.randint(K, (N,))
    at_once = update_centers(centers, counts, z, labels)
    order = torch.randperm(N)
    for i in order.split(3):
        centers, counts = update_centers(centers, counts, z[i], labels[i])
    torch.testing.assert_close(centers, at_once[0])
    torch.testing.assert_close(counts, at_once[1])


def test_update_centers_leaves_its_input_alone_and_lets_no_gradient_through():
    centers, z = normal(K, M).requires_grad_(), normal(N, M).requires_grad_()
    counts, before = torch.ones(K, dtype=torch.float64), centers.detach().clone()
    updated, _ = update_centers(centers, counts, z, torch.randint(K, (N,)))
    assert not updated.requires_grad
    assert torch.equal(centers.detach(), before)
    assert torch.equal(counts, torch.ones(K, dtype=torch.float64))


def test_update_centers_refuses_what_does_not_fit():
    z, centers, labels = normal(N, M), normal(K, M), torch.zeros(N, dtype=torch.long)
    with pytest.raises(ValueError, match=r"counts are torch\.int64, expected floats"):
        update_centers(centers, torch.full((K,), 100), z, labels)
    with pytest.raises(ValueError, match=r"counts have shape \(3,\), expected \(4,\)"):
        update_centers(centers, torch.ones(3), z, labels)
    with pytest.raises(ValueError, match=r"labels have shape \(6,\), expected \(7,\)"):
        update_centers(centers, torch.ones(K), z, labels[:6])
    with pytest.raises(ValueError, match="z has 3, centers has 2"):
        update_centers(normal(K, 2), torch.ones(K), z, labels)
