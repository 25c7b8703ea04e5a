"""Clusters of a graph, and the steps by which DSC-Nets makes one out of coefficients."""

import re

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from dclib.assign import cut, keep_largest, low_rank_affinity

pytestmark = pytest.mark.usefixtures("seeds")


def two_parts(noise=0.1):
    """An affinity with two groups of 6 and 9 nodes."""
    parts = torch.block_diag(torch.ones(6, 6), torch.ones(9, 9)).double()
    noisy = parts + noise * torch.rand(15, 15, dtype=torch.float64)
    return noisy + noisy.T, [0] * 6 + [1] * 9


def test_the_cut_finds_the_parts_under_any_order():
    affinity, truth = two_parts()
    for _ in range(5):
        order = torch.randperm(15)
        labels = cut(affinity[order][:, order], 2)
        assert adjusted_rand_score(np.array(truth)[order], labels) == 1


def test_the_cut_is_drawn_from_the_random_numbers_of_pytorch():
    affinity = torch.rand(30, 30)
    affinity = affinity + affinity.T
    torch.manual_seed(3)
    first = cut(affinity, 4)
    torch.manual_seed(3)
    assert torch.equal(first, cut(affinity, 4))


def by_loop(c, share):
    """The rule in plain words: take the largest until the share is reached."""
    kept = torch.zeros_like(c)
    for i, row in enumerate(c.tolist()):
        total, reached = sum(map(abs, row)), 0.0
        for j in sorted(range(len(row)), key=lambda j: -abs(row[j])):
            if reached >= share * total:
                break
            kept[i, j] = row[j]
            reached += abs(row[j])
    return kept


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.99])
def test_the_largest_are_kept_until_they_reach_the_share(share):
    c = torch.randn(12, 12, dtype=torch.float64)
    assert torch.equal(keep_largest(c, share), by_loop(c, share))


def test_a_share_of_one_keeps_all():
    c = torch.randn(7, 7)
    assert torch.equal(keep_largest(c, 1.0), c)


def test_the_affinity_is_that_of_numpy_step_by_step():
    c = torch.rand(10, 10, dtype=torch.float64)
    u, s, _ = np.linalg.svd((c.numpy() + c.numpy().T) / 2)
    rows = u[:, :3] * np.sqrt(s[:3])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    by_hand = np.maximum(rows @ rows.T, 0) ** 2.5
    np.testing.assert_allclose(low_rank_affinity(c, 3, 2.5), by_hand / by_hand.max())


def test_samples_that_share_no_direction_are_not_similar():
    affinity = low_rank_affinity(torch.block_diag(torch.ones(2, 2), torch.ones(3, 3)), 2, 1.0)
    expected = torch.block_diag(torch.ones(2, 2), torch.ones(3, 3))
    torch.testing.assert_close(affinity, expected, atol=1e-6, rtol=0)


def test_a_higher_power_leaves_the_near_and_forgets_the_far():
    c = torch.rand(9, 9, dtype=torch.float64)
    weak, strong = (low_rank_affinity(c, 4, power) for power in (1.0, 8.0))
    assert (strong <= weak + 1e-12).all()
    torch.testing.assert_close(strong.diagonal(), torch.ones(9, dtype=torch.float64))


@pytest.mark.parametrize(
    "call",
    [lambda c: cut(c, 2), lambda c: keep_largest(c, 0.5), lambda c: low_rank_affinity(c, 1, 1.0)],
    ids=["cut", "keep_largest", "low_rank_affinity"],
)
@pytest.mark.parametrize("shape", [(3, 4), (3,)])
def test_what_is_not_square_is_refused(call, shape):
    message = f"shape {shape}, expected as many rows as columns"
    with pytest.raises(ValueError, match=re.escape(message)):
        call(torch.ones(shape))
