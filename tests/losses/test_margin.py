"""Maximum margin and the Chinese restaurant process: hand values, rivals, limits, bad input."""

import itertools
import math

import pytest
import torch
from sklearn.svm import LinearSVC
from torch.autograd import gradcheck

from dclib.losses import crp_assign, crp_log_prior, margin_loss

pytestmark = pytest.mark.usefixtures("seeds")

N, M, K = 9, 3, 4


def normal(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype)


def some():
    return normal(N, M), normal(K, M), torch.randint(K, (N,))


# ---- margin_loss


def test_margin_loss_by_hand():
    z = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    weights = torch.tensor([[1.0, 0.0], [0.5, 0.0], [0.0, 2.0]])
    loss = margin_loss(z, weights, torch.tensor([0, 1]))
    assert loss == ((1 + 0.5 - 1) + (1 + 4 - 0)) / 2


@pytest.mark.parametrize("margin", [1.0, 3.0])
def test_margin_loss_equals_a_slow_double_loop(margin):
    z, weights, labels = some()
    total = 0.0
    for i in range(N):
        own = float(weights[labels[i]] @ z[i])
        worst = 0.0
        for j in range(K):
            if j != labels[i]:
                worst = max(worst, margin + float(weights[j] @ z[i]) - own)
        total += worst
    assert margin_loss(z, weights, labels, margin).item() == pytest.approx(total / N)


def test_for_two_clusters_it_is_the_hinge_of_torch():
    z, weights, labels = normal(N, M), normal(2, M), torch.randint(2, (N,))
    rival = 2 * torch.nn.functional.multi_margin_loss(z @ weights.T, labels)  # theirs divides by k
    torch.testing.assert_close(margin_loss(z, weights, labels), rival)


def test_the_machine_of_liblinear_is_a_minimum():
    z, labels, cost = 2 * normal(40, 2), torch.arange(40) % 3, 0.7
    machine = LinearSVC(multi_class="crammer_singer", fit_intercept=False, C=cost, tol=1e-8)
    weights = torch.from_numpy(machine.fit(z, labels).coef_)

    def whole(weights):
        return weights.square().sum() / 2 + cost * 40 * margin_loss(z, weights, labels)

    assert margin_loss(z, weights, labels) > 0.1  # margins are violated: the two terms compete
    for size in (1e-3, 1e-1):
        for _ in range(20):
            assert whole(weights + size * normal(3, 2)) > whole(weights)


def test_margin_loss_gradient():
    z, weights, labels = some()
    z.requires_grad_()
    weights.requires_grad_()
    assert gradcheck(lambda z, w: margin_loss(z, w, labels), (z, weights))


def test_the_force_on_a_code_leads_from_the_rival_to_its_own():
    z, weights, labels = some()
    z.requires_grad_()
    margin_loss(z, weights, labels).backward()
    scores = z @ weights.T
    for i in range(N):
        own, others = scores[i, labels[i]], scores[i].clone()
        others[labels[i]] = -math.inf
        rival = int(others.argmax())
        active = 1 + others[rival] - own > 0
        expected = (weights[rival] - weights[labels[i]]) / N * active
        torch.testing.assert_close(z.grad[i], expected.detach())


def test_margin_loss_does_not_care_for_numbering_nor_order():
    z, weights, labels = some()
    loss = margin_loss(z, weights, labels)
    order, rows = torch.randperm(K), torch.randperm(N)
    torch.testing.assert_close(margin_loss(z, weights[order], order.argsort()[labels]), loss)
    torch.testing.assert_close(margin_loss(z[rows], weights, labels[rows]), loss)


def test_a_common_part_of_all_weights_does_not_matter():
    z, weights, labels = some()
    loss = margin_loss(z, weights, labels)
    torch.testing.assert_close(margin_loss(z, weights + normal(M), labels), loss)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_cluster_costs_nothing_and_pulls_nowhere(dtype):
    z, weights = normal(N, M, dtype=dtype), normal(1, M, dtype=dtype)
    z.requires_grad_()
    weights.requires_grad_()
    loss = margin_loss(z, weights, torch.zeros(N, dtype=torch.long))
    loss.backward()
    assert loss == 0
    assert loss.dtype == dtype
    assert not z.grad.any()
    assert not weights.grad.any()


def test_identical_codes_in_two_clusters_cost_at_least_the_margin():
    same, labels = normal(1, M).expand(6, M), torch.tensor([0, 1] * 3)
    for _ in range(5):
        assert margin_loss(same, normal(2, M), labels) >= 1 - 1e-12
    assert margin_loss(same, torch.ones(2, M, dtype=torch.float64), labels) == 1


def test_a_cluster_without_members_is_a_rival():
    z, weights = torch.tensor([[1.0]]), torch.tensor([[1.0], [-1.0], [5.0]])
    assert margin_loss(z, weights, torch.tensor([0])) == 1 + 5 - 1
    assert margin_loss(z, weights[:2], torch.tensor([0])) == 0


# ---- crp_log_prior


def partitions(n):
    """All partitions of n samples, as labels that open clusters in order."""
    for labels in itertools.product(range(n), repeat=n):
        seen = list(dict.fromkeys(labels))
        if seen == list(range(len(seen))):
            yield torch.tensor(labels)


def test_prior_by_hand():
    # 1, then a second cluster 2/(2+1), then join the first 1/(2+2), the second 1/(2+3)
    prior = crp_log_prior(torch.tensor([0, 1, 0, 1]), concentration=2.0)
    assert prior.exp().item() == pytest.approx(2 / 3 * 1 / 4 * 1 / 5)


@pytest.mark.parametrize("concentration", [0.1, 1.0, 5.0])
def test_prior_is_a_distribution_whose_mean_number_of_clusters_is_known(concentration):
    n, total, mean = 5, 0.0, 0.0
    every = list(partitions(n))
    assert len(every) == 52  # Bell's number
    for labels in every:
        probability = crp_log_prior(labels, concentration).exp().item()
        total += probability
        mean += probability * (int(labels.max()) + 1)
    assert total == pytest.approx(1)
    assert mean == pytest.approx(sum(concentration / (concentration + i) for i in range(n)))


def one_by_one(labels, concentration):
    """Seat the samples one after the other and multiply what each chose."""
    sizes, total = {}, 0.0
    for i, label in enumerate(labels.tolist()):
        total += math.log(sizes.get(label, concentration) / (concentration + i))
        sizes[label] = sizes.get(label, 0) + 1
    return total


def test_prior_is_exchangeable_and_equals_seating_one_by_one_in_any_order():
    labels = torch.randint(5, (30,))
    prior = crp_log_prior(labels, 1.7)
    for _ in range(5):
        moved = labels[torch.randperm(30)]
        assert one_by_one(moved, 1.7) == pytest.approx(prior.item())
        torch.testing.assert_close(crp_log_prior(moved, 1.7), prior)


def test_prior_does_not_care_how_clusters_are_numbered():
    labels = torch.tensor([0, 0, 1, 2, 2, 2])
    other = torch.tensor([7, 7, 3, 0, 0, 0])  # with numbers left out
    torch.testing.assert_close(crp_log_prior(labels, 0.5), crp_log_prior(other, 0.5))


def test_limits_of_the_prior():
    assert crp_log_prior(torch.tensor([3]), 0.2).item() == pytest.approx(0)
    one, each = torch.zeros(6, dtype=torch.long), torch.arange(6)
    assert crp_log_prior(one, 1e-9).exp().item() == pytest.approx(1)
    assert crp_log_prior(each, 1e9).exp().item() == pytest.approx(1)


# ---- crp_assign


def posterior(z, weights, labels, concentration, precision):
    fit = (z * weights[labels]).sum() - precision / 2 * weights.square().sum()
    return float(fit + crp_log_prior(labels, concentration))


def slow_assign(z, weights, labels, concentration, precision):
    """The same step, one cluster at a time, with dicts."""
    weights = dict(enumerate(weights))
    labels = labels.tolist()
    for i, code in enumerate(z):
        labels[i] = None
        values = {}
        for j, w in weights.items():
            members = sum(label == j for label in labels)
            if members:
                values[j] = math.log(members) + float(w @ code)
        new = max(weights) + 1
        values[new] = math.log(concentration) + float(code @ code) / (2 * precision)
        labels[i] = max(values, key=values.get)
        if labels[i] == new:
            weights[new] = code / precision
    used = sorted(set(labels))
    return torch.tensor([used.index(j) for j in labels]), torch.stack([weights[j] for j in used])


@pytest.mark.parametrize("concentration", [1e-6, 1.0, 1e3])
def test_assign_equals_a_slow_loop(concentration):
    z, weights, labels = 2 * normal(30, M), normal(K, M), torch.randint(K, (30,))
    found = crp_assign(z, weights, labels, concentration, 0.8)
    expected = slow_assign(z, weights, labels, concentration, 0.8)
    torch.testing.assert_close(found[0], expected[0])
    torch.testing.assert_close(found[1], expected[1])


def test_assign_never_lowers_the_posterior():
    opened = closed = 0
    for args in ((1e-9, 5.0), (1.0, 0.8), (30.0, 0.8)):  # concentration, precision
        z, weights, labels = 2 * normal(30, M), normal(K, M), torch.randint(K, (30,))
        before = posterior(z, weights, labels, *args)
        for _ in range(4):
            labels, weights = crp_assign(z, weights, labels, *args)
            after = posterior(z, weights, labels, *args)
            assert after >= before - 1e-9
            opened, closed = opened + (len(weights) > K), closed + (len(weights) < K)
            before = after
    assert opened
    assert closed


def test_assign_opens_for_a_sample_that_nobody_claims_and_closes_what_is_empty():
    z = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 5.0]])
    weights = torch.tensor([[1.0, 0.0], [0.9, 0.0]])
    labels, weights = crp_assign(z, weights, torch.tensor([0, 0, 1]), 0.5, precision=1.0)
    assert labels.tolist() == [0, 0, 1]
    torch.testing.assert_close(weights, torch.tensor([[1.0, 0.0], [0.0, 5.0]]))
    labels, weights = crp_assign(z, weights, labels, 1e-9, precision=1.0)
    assert labels.tolist() == [0, 0, 0]
    assert len(weights) == 1


def test_the_prior_draws_to_the_larger_cluster():
    """Without it a sample follows the score alone; with it ten to one outweighs a little score."""
    z = torch.ones(12, 1, dtype=torch.float64)
    weights = torch.tensor([[1.0], [1.2]], dtype=torch.float64)
    labels = torch.tensor([0] * 10 + [1] * 2)
    assert crp_assign(z, weights, labels, 1e-6, 1.0)[0].unique().tolist() == [0]
    free, alone = crp_assign(z, weights, labels, None, 1.0)
    torch.testing.assert_close(alone, weights[1:])  # all moved to the higher score
    assert free.unique().tolist() == [0]


def test_without_the_prior_a_new_cluster_competes_by_its_score_alone():
    z, weights = torch.tensor([[2.0]]), torch.tensor([[1.0]])
    stays = crp_assign(z.expand(5, 1), weights, torch.zeros(5, dtype=torch.long), None, 1.01)
    opens = crp_assign(z.expand(5, 1), weights, torch.zeros(5, dtype=torch.long), None, 0.99)
    torch.testing.assert_close(stays[1], weights)  # 2 > 2 / 1.01
    torch.testing.assert_close(opens[1], z / 0.99)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_assign_keeps_its_inputs_and_the_dtype(dtype):
    z, weights = 2 * normal(N, M, dtype=dtype), normal(K, M, dtype=dtype).requires_grad_()
    labels = torch.randint(K, (N,))
    kept = z.clone(), weights.clone(), labels.clone()
    found, moved = crp_assign(z, weights, labels, 1.0, 1.0)
    for before, after in zip(kept, (z, weights, labels), strict=True):
        assert torch.equal(before, after)
    assert moved.dtype == dtype
    assert not moved.requires_grad
    assert found.unique().tolist() == list(range(len(moved)))


def test_assign_of_one_sample():
    z, labels = torch.tensor([[3.0]]), torch.tensor([0])
    found, weights = crp_assign(z, torch.tensor([[0.1]]), labels, 1e-9, 1.0)
    assert found.tolist() == [0]
    assert weights.tolist() == [[3.0]]  # alone it founds its cluster anew


# ---- bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda z, w, y: margin_loss(z, w[:, :2], y),
            "z has 3, weights has 2; expected the same number",
        ),
        (lambda z, w, y: margin_loss(z, w, y[:5]), r"labels have shape \(5,\)"),
        (lambda z, w, y: margin_loss(z, w, y.double()), "labels are torch.float64"),
        (lambda z, w, y: margin_loss(z, w, y + 4), "labels from 4 to 7, expected within 0 to 3"),
        (lambda z, w, y: margin_loss(z, w, y, margin=0), "margin=0, expected a number above 0"),
        (lambda z, w, y: margin_loss(z[:0], w, y[:0]), "n at least 1"),
        (lambda z, w, y: crp_log_prior(y, 0), "concentration=0, expected a finite number above"),
        (lambda z, w, y: crp_log_prior(z[:, 0], 1.0), "labels is torch.float64"),
        (lambda z, w, y: crp_assign(z, w, y, -1.0, 1.0), "concentration=-1.0, expected"),
        (lambda z, w, y: crp_assign(z, w, y, math.inf, 1.0), "concentration=inf, expected"),
        (lambda z, w, y: crp_assign(z, w, y, 1.0, 0.0), "precision=0.0, expected a finite"),
        (lambda z, w, y: crp_assign(z, w, y - 4, 1.0, 1.0), "labels from -4"),
    ],
)
def test_refuses(call, message):
    z, weights, labels = some()
    labels[0] = 0
    with pytest.raises(ValueError, match=message):
        call(z, weights, labels)
