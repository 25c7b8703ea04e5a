"""Losses on pairs: hand values, a slow double loop, gradients, renumbering, limits, bad input."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from dclib.losses import label_features, pair_loss, pair_thresholds, select_pairs

pytestmark = pytest.mark.usefixtures("seeds")

N, K = 9, 4


def features(n=N, k=K, dtype=torch.float64, scale=2.0):
    return label_features(scale * torch.randn(n, k, dtype=dtype))


def at_angles(*degrees):
    angle = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angle.cos(), angle.sin()], 1).clamp_min(0)


# ---- label_features


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_features_are_non_negative_and_of_length_one(dtype):
    f = features(dtype=dtype)
    assert f.dtype == dtype
    assert (f >= 0).all()
    torch.testing.assert_close(f.norm(dim=1), torch.ones(N, dtype=dtype))


def test_features_by_hand():
    scores = torch.tensor([[math.log(3), math.log(4)]], dtype=torch.float64)
    expected = torch.tensor([[0.6, 0.8]], dtype=torch.float64)
    torch.testing.assert_close(label_features(scores), expected)


def test_features_of_large_scores_are_finite_and_those_of_one_cluster_are_one():
    assert label_features(torch.tensor([[1e4, -1e4]])).tolist() == [[1.0, 0.0]]
    assert label_features(torch.tensor([[5.0], [-7.0]])).tolist() == [[1.0], [1.0]]


def test_features_gradient():
    assert gradcheck(label_features, torch.randn(3, K, dtype=torch.float64).requires_grad_())


# ---- pair_thresholds


def test_thresholds_start_apart_and_meet_at_one_half():
    assert pair_thresholds(0.0) == (0.95, 0.455)
    assert pair_thresholds(1.0) == pytest.approx((0.5, 0.5))
    for lam in (0.1, 0.2, 0.4):  # the paper's letter
        assert pair_thresholds(lam / 0.45) == pytest.approx((0.95 - lam, 0.455 + 0.1 * lam))


def test_the_last_thresholds_leave_out_no_pair():
    similar, dissimilar = select_pairs(features(), *pair_thresholds(1.0))
    assert (similar ^ dissimilar).sum() == N * (N - 1)


@pytest.mark.parametrize("t", [-0.1, 1.1, math.nan])
def test_thresholds_refuse_what_is_no_progress(t):
    with pytest.raises(ValueError, match=r"t=.*, expected a number from 0 to 1"):
        pair_thresholds(t)


# ---- select_pairs


def test_selection_by_hand():
    similar, dissimilar = select_pairs(at_angles(0, 10, 60, 90), 0.9, 0.4)
    assert similar.nonzero().tolist() == [[0, 1], [1, 0]]  # cos 10
    # 60 and 90 differ by 30: cos 0.87, not sure; 0 and 60: 0.5, not sure
    assert dissimilar.nonzero().tolist() == [[0, 3], [1, 3], [3, 0], [3, 1]]


def test_a_similarity_on_the_upper_threshold_is_similar_and_one_on_the_lower_is_unused():
    f = torch.tensor([[1.0, 0.0], [0.6, 0.8]], dtype=torch.float64)
    similar, dissimilar = select_pairs(f, 0.6, 0.6)
    assert similar.sum() == 2
    assert dissimilar.sum() == 0


def test_no_gradient_flows_through_the_selection():
    f = features().requires_grad_()
    assert not any(chosen.requires_grad for chosen in select_pairs(f, 0.8, 0.4))


# ---- pair_loss


def test_loss_by_hand():
    loss = pair_loss(at_angles(0, 10, 90), 0.9, 0.4)
    near, right, far = (math.cos(math.radians(angle)) for angle in (10, 90, 80))
    expected = (-math.log(near) - math.log(1 - right) - math.log(1 - far)) / 3
    assert loss.item() == pytest.approx(expected)


@pytest.mark.parametrize("with_selection", [False, True])
def test_loss_equals_a_slow_double_loop(with_selection):
    f, judge = features(), features() if with_selection else None
    by = f if judge is None else judge
    total, count = 0.0, 0
    for i in range(N):
        for other in range(N):
            if i == other:
                continue
            sure, similarity = float(by[i] @ by[other]), float(f[i] @ f[other])
            if sure >= 0.8:
                total, count = total - math.log(similarity), count + 1
            elif sure < 0.4:
                total, count = total - math.log(1 - similarity), count + 1
    assert 0 < count < N * (N - 1)
    assert pair_loss(f, 0.8, 0.4, judge).item() == pytest.approx(total / count)


def test_loss_equals_torch():
    f = features()
    similar, dissimilar = select_pairs(f, 0.7, 0.5)
    chosen = similar | dissimilar
    rival = torch.nn.functional.binary_cross_entropy((f @ f.T)[chosen], similar[chosen].double())
    torch.testing.assert_close(pair_loss(f, 0.7, 0.5), rival)


def test_loss_gradient():
    scores = torch.randn(5, K, dtype=torch.float64).requires_grad_()
    judge = features(5)
    assert gradcheck(lambda s: pair_loss(label_features(s), 0.8, 0.5, judge), scores)


def test_gradient_of_a_pair_is_minus_one_over_the_similarity_or_one_over_its_complement():
    for degrees, slope in (
        (30, -1 / math.cos(math.pi / 6)),
        (75, 1 / (1 - math.cos(math.pi / 2.4))),
    ):
        f = at_angles(0, degrees).requires_grad_()
        pair_loss(f, 0.8, 0.4).backward()
        torch.testing.assert_close(f.grad, slope * f.detach().flip(0))


def test_gradient_reaches_the_features_and_not_those_that_select():
    f, judge = features().requires_grad_(), features().requires_grad_()
    pair_loss(f, 0.8, 0.4, judge).backward()
    assert f.grad.abs().sum() > 0
    assert judge.grad is None


def test_loss_does_not_care_about_the_numbers_of_clusters_or_the_order_of_samples():
    f = features()
    loss = pair_loss(f, 0.8, 0.4)
    torch.testing.assert_close(pair_loss(f[:, torch.randperm(K)], 0.8, 0.4), loss)
    torch.testing.assert_close(pair_loss(f[torch.randperm(N)], 0.8, 0.4), loss)


@pytest.mark.parametrize("f", [at_angles(0, 45), at_angles(10), at_angles()])
def test_where_no_pair_is_chosen_loss_and_gradient_are_zero(f):
    f = f.requires_grad_()
    loss = pair_loss(f, 0.9, 0.1)
    loss.backward()
    assert loss.item() == 0
    assert not f.grad.any()


def test_identical_samples_and_one_cluster_cost_nothing():
    assert pair_loss(at_angles(30, 30, 30), 0.9, 0.4).item() == pytest.approx(0, abs=1e-12)
    assert pair_loss(label_features(torch.randn(6, 1)), 0.9, 0.4).item() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_worst_disagreement_is_finite(dtype):
    """Sure of the opposite: similarity 0 where it should be 1, and the reverse."""
    f = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], dtype=dtype).requires_grad_()
    judge = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=dtype)
    loss = pair_loss(f, 0.9, 0.4, judge)
    loss.backward()
    assert loss.dtype == dtype
    assert loss > 10
    assert loss.isfinite()
    assert f.grad.isfinite().all()


@pytest.mark.parametrize(
    ("f", "thresholds", "message"),
    [
        (torch.ones(3), (0.9, 0.4), r"features has shape \(3,\), expected two dimensions"),
        (torch.ones(3, 2), (0.9, 0.4), "rows of length 1.41 to 1.41, .*expected length 1"),
        (torch.tensor([[0.6, -0.8]]), (0.9, 0.4), "smallest number -0.8; expected"),
        (torch.eye(3), (0.4, 0.9), "upper=0.4 and lower=0.9, expected 0 <= lower <= upper <= 1"),
        (torch.eye(3), (1.2, 0.4), "upper=1.2 and lower=0.4, expected"),
        (torch.eye(3), (0.9, -0.1), "upper=0.9 and lower=-0.1, expected"),
    ],
)
@pytest.mark.parametrize("function", [pair_loss, select_pairs])
def test_what_does_not_fit_is_refused(function, f, thresholds, message):
    with pytest.raises(ValueError, match=message):
        function(f, *thresholds)


def test_what_is_not_a_number_stays_so():
    """`descend` refuses it, in the words of a diverged training."""
    assert pair_loss(torch.tensor([[math.nan, math.nan], [1.0, 0.0]]), 0.9, 0.4).isnan()


def test_features_and_those_that_select_are_of_the_same_samples():
    with pytest.raises(ValueError, match=r"features \(9, 4\), selected_by \(8, 4\); expected"):
        pair_loss(features(), 0.9, 0.4, features(8))
    with pytest.raises(ValueError, match=r"scores has shape \(4,\), expected two dimensions"):
        label_features(torch.zeros(4))
