"""Pseudo-labels and drift: hand values, rivals, gradients, renumbering, bad input."""

import math

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn.functional import cross_entropy, one_hot

from dclib.losses import compensate_drift, pseudo_label_loss

pytestmark = pytest.mark.usefixtures("seeds")

N, M, K = 7, 3, 4
LOG2 = math.log(2)


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def some_labels(n=N, k=K):
    return torch.randint(k, (n,))


# ---- pseudo_label_loss


def test_pseudo_label_loss_by_hand():
    logits = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]])  # (1/2, 1/2) and (3/4, 1/4)
    loss = pseudo_label_loss(logits, torch.tensor([0, 1]))
    assert loss.item() == pytest.approx((LOG2 + 2 * LOG2) / 2)


def test_pseudo_label_loss_equals_a_slow_double_loop():
    logits, labels = normal(N, K), some_labels()
    total = 0.0
    for i in range(N):
        total -= math.log(
            math.exp(logits[i, labels[i]]) / sum(math.exp(logits[i, j]) for j in range(K))
        )
    assert pseudo_label_loss(logits, labels).item() == pytest.approx(total / N)


def test_its_gradient_is_prediction_minus_pseudo_label():
    logits, labels = normal(N, K).requires_grad_(), some_labels()
    pseudo_label_loss(logits, labels).backward()
    expected = (logits.detach().softmax(1) - one_hot(labels, K)) / N
    torch.testing.assert_close(logits.grad, expected)


def test_weighted_gradient():
    logits, labels, confidence = normal(N, K).requires_grad_(), some_labels(), torch.rand(N)
    sizes = torch.arange(1, K + 1)
    assert gradcheck(lambda x: pseudo_label_loss(x, labels, sizes, confidence, 0.4), logits)


def test_sizes_over_all_samples_are_the_class_weights_of_torch():
    logits, labels = normal(30, K), some_labels(30)
    sizes = torch.bincount(labels, minlength=K)
    assert sizes.min() > 0
    rival = cross_entropy(logits, labels, weight=1 / sizes.double())
    torch.testing.assert_close(pseudo_label_loss(logits, labels, sizes), rival)


def test_sizes_make_a_large_and_a_small_cluster_pull_alike():
    logits = torch.zeros(10, 2, requires_grad=True)
    labels = torch.tensor([0] * 9 + [1])
    pseudo_label_loss(logits, labels, torch.tensor([9, 1])).backward()
    pull = logits.grad[:, 0]
    assert pull[:9].sum().item() == pytest.approx(-pull[9].item())


def test_batches_with_the_sizes_of_all_samples_give_the_whole_on_average():
    logits, labels = normal(30, K), some_labels(30)
    sizes = torch.bincount(labels, minlength=K)
    parts = [pseudo_label_loss(logits[i], labels[i], sizes) for i in torch.randperm(30).split(10)]
    whole = pseudo_label_loss(logits, labels, sizes)
    torch.testing.assert_close(torch.stack(parts).mean(), whole)


def test_an_empty_cluster_takes_no_share_of_the_weights():
    logits, labels = normal(N, K), torch.zeros(N, dtype=torch.long)
    sizes = torch.tensor([N, 0, 0, 0])
    torch.testing.assert_close(
        pseudo_label_loss(logits, labels, sizes), pseudo_label_loss(logits, labels)
    )


def test_samples_below_the_threshold_are_as_if_absent():
    logits, labels = normal(N, K), some_labels()
    confidence = torch.tensor([0.5, 1.0, 0.99, 0.2, 0.991, 0.9, 1.0], dtype=torch.float64)
    kept = [1, 4, 6]  # strictly above 0.99
    torch.testing.assert_close(
        pseudo_label_loss(logits, labels, confidence=confidence),
        pseudo_label_loss(logits[kept], labels[kept]),
    )


def test_nobody_sure_is_no_loss_and_no_gradient():
    logits = normal(N, K).requires_grad_()
    loss = pseudo_label_loss(logits, some_labels(), confidence=torch.zeros(N))
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()


def test_a_cluster_of_which_nobody_is_sure_needs_no_size():
    logits, labels = normal(4, 2).requires_grad_(), torch.tensor([0, 0, 1, 0])
    confidence, sizes = torch.tensor([1.0, 0.5, 0.5, 1.0]), torch.tensor([2, 0])
    loss = pseudo_label_loss(logits, labels, sizes, confidence)
    torch.testing.assert_close(loss, pseudo_label_loss(logits[[0, 3]], labels[[0, 3]]))
    loss.backward()
    assert logits.grad.isfinite().all()
    assert not logits.grad[[1, 2]].any()


def test_one_cluster_and_one_sample():
    assert pseudo_label_loss(normal(N, 1), torch.zeros(N, dtype=torch.long)) == 0
    assert pseudo_label_loss(torch.zeros(1, 2), torch.tensor([1])).item() == pytest.approx(LOG2)


def test_it_stays_finite_however_sure_the_network_is():
    logits = torch.tensor([[1e4, 0.0]], requires_grad=True)
    loss = pseudo_label_loss(logits, torch.tensor([1]))
    loss.backward()
    assert loss == 1e4
    assert logits.grad.tolist() == [[1.0, -1.0]]


def test_it_does_not_care_how_clusters_are_numbered_and_samples_sorted():
    logits, labels, sizes, confidence = normal(N, K), some_labels(), torch.arange(1, 5), normal(N)
    loss = pseudo_label_loss(logits, labels, sizes, confidence, 0.0)
    order = torch.randperm(K)  # the new cluster j is the old order[j]
    renumbered = pseudo_label_loss(
        logits[:, order], order.argsort()[labels], sizes[order], confidence, 0.0
    )
    rows = torch.randperm(N)
    sorted_anew = pseudo_label_loss(logits[rows], labels[rows], sizes, confidence[rows], 0.0)
    torch.testing.assert_close(renumbered, loss)
    torch.testing.assert_close(sorted_anew, loss)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_dtype_of_the_logits_is_kept(dtype):
    logits = normal(N, K).to(dtype)
    sizes, confidence = torch.arange(1, 5), torch.ones(N)  # whole numbers, and float32
    assert pseudo_label_loss(logits, some_labels(), sizes, confidence).dtype == dtype
    assert (
        compensate_drift(normal(K, M).to(dtype), logits[:, :M], logits[:, :M], some_labels()).dtype
        == dtype
    )


ZEROS = torch.zeros(N, dtype=torch.long)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"logits": torch.zeros(N)}, r"logits has shape \(7,\), expected two dimensions"),
        ({"labels": ZEROS[:6]}, r"labels have shape \(6,\), expected \(7,\)"),
        ({"labels": ZEROS[:, None]}, r"labels have shape \(7, 1\), expected \(7,\)"),
        ({"labels": ZEROS.double()}, r"labels are torch.float64, expected torch.int64"),
        ({"labels": ZEROS - 1}, r"labels from -1 to -1, expected within 0 to 3"),
        ({"labels": ZEROS + 4}, r"labels from 4 to 4, expected within 0 to 3"),
        ({"sizes": torch.ones(3)}, r"sizes have shape \(3,\), expected \(4,\)"),
        ({"sizes": torch.tensor([0, 7, 0, 0])}, r"sizes\[0\]=0 though 0 is a label, expected abo"),
        ({"confidence": torch.ones(6)}, r"confidence has shape \(6,\), expected \(7,\)"),
        (
            {"logits": torch.zeros(0, K), "labels": ZEROS[:0]},
            r"labels have shape \(0,\), expected \(0,\), n at least 1",
        ),
    ],
)
def test_pseudo_label_loss_refuses_what_does_not_fit(change, complaint):
    with pytest.raises(ValueError, match=complaint):
        pseudo_label_loss(**{"logits": torch.zeros(N, K), "labels": ZEROS} | change)


# ---- compensate_drift


def test_compensate_drift_by_hand():
    centers = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    before = torch.tensor([[1.0, 0.0], [0.0, 1.0], [9.0, 0.0]])
    after = before + torch.tensor([[2.0, 0.0], [0.0, 4.0], [0.0, -5.0]])
    moved = compensate_drift(centers, before, after, torch.tensor([0, 0, 1]))
    assert moved.tolist() == [[1.0, 2.0], [10.0, -5.0]]


def test_compensate_drift_equals_a_slow_loop():
    centers, before, after, labels = normal(K, M), normal(N, M), normal(N, M), some_labels()
    expected = centers.clone()
    for j in range(K):
        steps = [after[i] - before[i] for i in range(N) if labels[i] == j]
        if steps:
            expected[j] += sum(steps) / len(steps)
    torch.testing.assert_close(compensate_drift(centers, before, after, labels), expected)


def test_centers_that_were_means_are_means_again_after_any_change():
    before, labels = normal(40, M), some_labels(40)
    after = (before @ normal(M, M)).tanh()
    means = [
        torch.stack([codes[labels == j].mean(0) for j in range(K)]) for codes in (before, after)
    ]
    torch.testing.assert_close(compensate_drift(means[0], before, after, labels), means[1])


def test_no_drift_moves_nothing_and_a_common_shift_moves_all():
    centers, before, labels = normal(K, M), normal(20, M), torch.arange(20) % K
    assert torch.equal(compensate_drift(centers, before, before, labels), centers)
    shifted = compensate_drift(centers, before, before + 3, labels)
    torch.testing.assert_close(shifted, centers + 3)


def test_a_center_without_samples_stays():
    centers, before = normal(K, M), normal(N, M)
    moved = compensate_drift(centers, before, before + 1, ZEROS)
    assert torch.equal(moved[1:], centers[1:])
    assert not torch.equal(moved[0], centers[0])


def test_compensate_drift_does_not_care_about_numbers_and_order():
    centers, before, after, labels = normal(K, M), normal(N, M), normal(N, M), some_labels()
    moved = compensate_drift(centers, before, after, labels)
    order, rows = torch.randperm(K), torch.randperm(N)
    again = compensate_drift(
        centers[order], before[rows], after[rows], order.argsort()[labels][rows]
    )
    torch.testing.assert_close(again, moved[order])


def test_compensate_drift_lets_no_gradient_through():
    after = normal(N, M).requires_grad_()
    assert not compensate_drift(normal(K, M), normal(N, M), after, some_labels()).requires_grad


def test_compensate_drift_refuses_what_does_not_fit():
    centers, codes = normal(K, M), normal(N, M)
    with pytest.raises(ValueError, match="centers has 2, before has 3; expected the same number"):
        compensate_drift(normal(K, 2), codes, codes, ZEROS)
    with pytest.raises(ValueError, match=r"before \(7, 3\), after \(6, 3\); expected the same"):
        compensate_drift(centers, codes, codes[:6], ZEROS)
    with pytest.raises(ValueError, match="labels from 4 to 4, expected within 0 to 3"):
        compensate_drift(centers, codes, codes, ZEROS + 4)
