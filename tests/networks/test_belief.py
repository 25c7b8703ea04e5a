import itertools
from copy import deepcopy

import pytest
import torch
from torch import nn

from dclib.loop import batches, encode, epochs
from dclib.losses import squared_error
from dclib.networks import (
    RBM,
    DeepBelief,
    contrastive_divergence,
    log_partition,
    train_belief,
    train_end_to_end,
    train_rbm,
)
from dclib.runtime import seeded

pytestmark = pytest.mark.usefixtures("seeds")

DOUBLE = torch.float64


@pytest.fixture
def rbm():
    """Four visible and three hidden units with weights that matter."""
    rbm = RBM(4, 3, dtype=DOUBLE)
    for weights in rbm.parameters():
        nn.init.normal_(weights, std=1.0)
    return rbm


@pytest.fixture
def x():
    return torch.rand(20, 4, dtype=DOUBLE).round()


def states(size):
    return torch.tensor(list(itertools.product((0, 1), repeat=size)), dtype=DOUBLE)


def joint(rbm):
    """Log of the unnormalised probability of every state, one number at a time: (2^d, 2^m)."""
    w, b, c = rbm.weight, rbm.visible_bias, rbm.hidden_bias
    m, d = w.shape
    rows = []
    for v in states(d):
        row = []
        for h in states(m):
            pairs = sum(w[j, i] * h[j] * v[i] for j in range(m) for i in range(d))
            row.append(pairs + sum(b * v) + sum(c * h))
        rows.append(torch.stack(row))
    return torch.stack(rows)


def gradients(loss, rbm):
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(rbm.parameters()))])


def exact_loss(rbm, x):
    """Minus the mean log-likelihood, by enumeration of all v and h."""
    table = joint(rbm)
    rows = x.long() @ torch.tensor([8, 4, 2, 1])  # the number of the state
    return table.logsumexp((0, 1)) - table.logsumexp(1)[rows].mean()


def transition(rbm):
    """Probability of one Gibbs step from each v to each v, from the joint table: (2^d, 2^d)."""
    p = joint(rbm).detach().exp()
    return (p / p.sum(1, keepdim=True)) @ (p / p.sum(0)).T


# ---- against the enumeration of all states


def test_free_energy_and_partition_function_equal_the_sums_over_all_states(rbm):
    table = joint(rbm)
    torch.testing.assert_close(-rbm.free_energy(states(4)), table.logsumexp(1))
    torch.testing.assert_close(log_partition(rbm), table.logsumexp((0, 1)))


@pytest.mark.parametrize(("visible", "hidden"), [(2, 4), (4, 2), (3, 3), (1, 1)])
def test_the_partition_function_does_not_care_which_layer_is_smaller(visible, hidden):
    rbm = RBM(visible, hidden, dtype=DOUBLE)
    for weights in rbm.parameters():
        nn.init.normal_(weights)
    torch.testing.assert_close(log_partition(rbm), joint(rbm).logsumexp((0, 1)))
    expected = gradients(joint(rbm).logsumexp((0, 1)), rbm)
    torch.testing.assert_close(gradients(log_partition(rbm), rbm), expected)


def test_conditionals_equal_those_of_the_joint_table(rbm):
    p = joint(rbm).exp()
    hidden_given_visible = (p / p.sum(1, keepdim=True)) @ states(3)
    visible_given_hidden = (p / p.sum(0)).T @ states(4)
    torch.testing.assert_close(rbm(states(4)), hidden_given_visible)
    torch.testing.assert_close(rbm.rebuild(states(3)), visible_given_hidden)


def test_the_gradient_of_the_exact_likelihood_is_data_phase_minus_machine_phase(rbm, x):
    exact = gradients(exact_loss(rbm, x), rbm)
    library = gradients(rbm.free_energy(x).mean() + log_partition(rbm), rbm)
    torch.testing.assert_close(library, exact)

    p = joint(rbm).detach().exp()
    p = p / p.sum()
    with torch.no_grad():
        on_data = rbm(x).T @ x / len(x)
        on_machine = torch.einsum("vh,hj,vi->ji", p, states(3), states(4))
    torch.testing.assert_close(exact[:12].view(3, 4), on_machine - on_data)


def test_contrastive_divergence_with_samples_of_the_machine_has_the_exact_gradient(rbm, x):
    p = joint(rbm).detach().exp().sum(1)
    p = p / p.sum()
    copies = (p * 2_000_000).round().long()
    fantasy = states(4).repeat_interleave(copies, 0)  # every state as often as it is probable
    found = gradients(contrastive_divergence(rbm, x, fantasy), rbm)
    torch.testing.assert_close(found, gradients(exact_loss(rbm, x), rbm), atol=1e-5, rtol=0)


def test_long_chains_give_the_exact_gradient_and_one_step_a_biased_one(rbm, x):
    exact = gradients(exact_loss(rbm, x), rbm)
    many = x.repeat(2000, 1)
    error = {}
    for k in (1, 50):
        found = gradients(contrastive_divergence(rbm, x, rbm.gibbs(many, k)), rbm)
        error[k] = (found - exact).norm() / exact.norm()
    assert error[50] < 0.02
    assert error[1] > 0.1


def test_the_bias_of_one_step_is_that_of_the_enumerated_chain(rbm, x):
    rows = x.long() @ torch.tensor([8, 4, 2, 1])
    after_one = transition(rbm)[rows].mean(0)
    expected = rbm.free_energy(x).mean() - after_one @ rbm.free_energy(states(4))
    fantasy = rbm.gibbs(x.repeat(5000, 1), 1)
    found = gradients(contrastive_divergence(rbm, x, fantasy), rbm)
    torch.testing.assert_close(found, gradients(expected, rbm), atol=0.01, rtol=0)


def test_the_chain_goes_where_the_table_says_and_comes_to_rest_at_p(rbm):
    step, start = transition(rbm), torch.zeros(40_000, 4, dtype=DOUBLE)
    for k in (1, 3):
        reached = rbm.gibbs(start, k).long() @ torch.tensor([8, 4, 2, 1])
        share = reached.bincount(minlength=16) / len(start)
        torch.testing.assert_close(share, step.matrix_power(k)[0].float(), atol=0.01, rtol=0)
    p = joint(rbm).detach().exp().sum(1)
    p = p / p.sum()
    torch.testing.assert_close(p @ step, p)
    torch.testing.assert_close(step.matrix_power(200)[0], p)


# ---- the machine


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shapes_and_dtypes(dtype):
    rbm, v = RBM(6, 4, dtype), torch.rand(5, 6, dtype=dtype)
    for result, shape in [
        (rbm(v), (5, 4)),
        (rbm.rebuild(rbm(v)), (5, 6)),
        (rbm.free_energy(v), (5,)),
        (rbm.gibbs(v, 2), (5, 6)),
        (log_partition(rbm), ()),
        (contrastive_divergence(rbm, v, v), ()),
    ]:
        assert result.shape == shape
        assert result.dtype == dtype
    assert set(rbm.gibbs(v).unique().tolist()) <= {0.0, 1.0}


def test_free_energy_has_the_gradient_it_claims(rbm):
    v = torch.rand(3, 4, dtype=DOUBLE, requires_grad=True)
    assert torch.autograd.gradcheck(rbm.free_energy, v)


def test_no_gradient_flows_through_the_fantasies(rbm, x):
    fantasy = (1 - x).requires_grad_()
    contrastive_divergence(rbm, x, fantasy).backward()
    assert fantasy.grad is None
    assert all(weights.grad.abs().sum() > 0 for weights in rbm.parameters())


def test_bad_input_is_named(rbm, x):
    with pytest.raises(ValueError, match="hidden=0, expected at least one"):
        RBM(4, 0)
    with pytest.raises(ValueError, match=r"v has shape \(2, 5\), expected \(n, 4\)"):
        rbm(torch.zeros(2, 5, dtype=DOUBLE))
    with pytest.raises(ValueError, match=r"v has shape \(4,\), expected \(n, 4\)"):
        rbm.free_energy(x[0])
    with pytest.raises(ValueError, match=r"h has shape \(20, 4\), expected \(n, 3\)"):
        rbm.rebuild(x)
    with pytest.raises(ValueError, match="steps=0, expected at least 1"):
        rbm.gibbs(x, 0)
    with pytest.raises(ValueError, match="smaller layer has 21 units, expected at most 20"):
        log_partition(RBM(21, 30))
    with pytest.raises(ValueError, match="x goes from 0 to 16, expected numbers from 0 to 1"):
        train_rbm(rbm, 16 * x, epochs(1), momentum(rbm))
    with pytest.raises(ValueError, match=r"sizes=\[4\], expected at least an input and a code"):
        DeepBelief([4])


# ---- training a machine


def momentum(net, lr=0.1):
    return torch.optim.SGD(net.parameters(), lr=lr, momentum=0.5)


def by_hand(rbm, x, persistent):
    """Two epochs of the rule as it stands in the papers, with outer products."""
    chains, velocity = None, [torch.zeros_like(w) for w in rbm.parameters()]
    for _ in range(2):
        for i in batches(len(x), 8):
            v = x[i]
            fantasy = v if chains is None or not persistent else chains
            for _ in range(2):
                h = (torch.rand(len(fantasy), 3, dtype=DOUBLE) < rbm(fantasy)).double()
                fantasy = (torch.rand(len(h), 4, dtype=DOUBLE) < rbm.rebuild(h)).double()
            chains = fantasy
            h, h_fantasy = rbm(v).detach(), rbm(fantasy).detach()
            uphill = [
                h.T @ v / len(v) - h_fantasy.T @ fantasy / len(fantasy),
                v.mean(0) - fantasy.mean(0),
                h.mean(0) - h_fantasy.mean(0),
            ]
            for weights, speed, step in zip(rbm.parameters(), velocity, uphill, strict=True):
                speed.mul_(0.5).add_(step)
                weights.data += 0.1 * speed


@pytest.mark.parametrize("persistent", [False, True])
def test_training_equals_the_rule_of_the_papers(rbm, x, persistent):
    rival = deepcopy(rbm)
    with seeded(1):
        train_rbm(rbm, x, epochs(2), momentum(rbm), 8, steps=2, persistent=persistent)
    with seeded(1):
        by_hand(rival, x, persistent)
    for ours, theirs in zip(rbm.parameters(), rival.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("settings", [{}, {"steps": 5}, {"persistent": True}])
def test_training_raises_the_exact_likelihood(settings):
    x = torch.tensor([[1, 1, 0, 0], [0, 0, 1, 1]], dtype=DOUBLE).repeat(10, 1)
    rbm = RBM(4, 3, dtype=DOUBLE)
    before = exact_loss(rbm, x)
    run = list(epochs(200))
    train_rbm(rbm, x, run, momentum(rbm), 20, **settings)
    assert exact_loss(rbm, x) < before - 1
    assert run[-1].means()["reconstruction"] < run[0].means()["reconstruction"] / 4


def test_what_is_logged(rbm, x):
    (run,) = epochs(1)
    with torch.no_grad():
        error = squared_error(rbm.rebuild(rbm(x)), x).item()
    train_rbm(rbm, x, [run], torch.optim.SGD(rbm.parameters(), lr=1e-12), batch_size=20)
    assert run.means()["reconstruction"] == pytest.approx(error)
    assert set(run.means()) == {"contrast", "reconstruction"}


# ---- the stack


def network():
    dbn = DeepBelief([6, 5, 4, 3], dtype=DOUBLE)
    for weights in dbn.parameters():
        nn.init.normal_(weights)
    return dbn


def test_the_code_is_the_chain_of_the_machines():
    dbn, x = network(), torch.rand(7, 6, dtype=DOUBLE)
    first, second, third = dbn.encoder
    assert torch.equal(dbn.encoder(x), third(second(first(x))))
    down = first.rebuild(second.rebuild(third.rebuild(dbn.encoder(x))))
    assert torch.equal(dbn(x), down)
    assert encode(dbn.encoder, x).shape == (7, 3)


def test_machines_train_from_the_bottom_up_each_on_the_code_of_the_last():
    dbn, x = network(), torch.rand(20, 6, dtype=DOUBLE).round()
    rival, names = deepcopy(dbn), []

    def count(name, optimizer):
        names.append(name)
        return epochs(2)

    with seeded(1):
        train_belief(dbn, x, count, lr=0.1, batch_size=8, steps=2, persistent=True)
    with seeded(1):
        h = x
        for rbm in rival.encoder:
            train_rbm(rbm, h, epochs(2), momentum(rbm), 8, 2, True)
            h = rbm(h).detach()
    assert names == ["layer 1", "layer 2", "layer 3"]
    for ours, theirs in zip(dbn.parameters(), rival.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_each_machine_may_have_a_rate_of_its_own():
    dbn, x, rates = network(), torch.rand(20, 6, dtype=DOUBLE).round(), []

    def read(name, optimizer):
        rates.append(optimizer.param_groups[0]["lr"])
        return epochs(1)

    train_belief(dbn, x, read, lr=[0.3, 0.2, 0.1])
    assert rates == [0.3, 0.2, 0.1]
    with pytest.raises(ValueError, match="shorter"):
        train_belief(dbn, x, read, lr=[0.3, 0.2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sizes", [(6, 3), (6, 5, 3), (6, 5, 4, 3)])
def test_samples_are_probabilities_of_pixels(sizes, dtype):
    dbn = DeepBelief(sizes, dtype)
    with seeded(1):
        samples = dbn.sample(9, steps=3)
    assert samples.shape == (9, 6)
    assert samples.dtype == dtype
    assert 0 < samples.min() < samples.max() < 1
    assert len(samples.unique(dim=0)) > 1
    with seeded(1):
        assert torch.equal(samples, dbn.sample(9, steps=3))


def test_samples_of_one_machine_follow_its_distribution(rbm):
    dbn = DeepBelief([4, 3], dtype=DOUBLE)
    dbn.encoder[0].load_state_dict(rbm.state_dict())
    p = joint(rbm).detach().exp().sum(1)
    expected = (p / p.sum()) @ states(4)
    torch.testing.assert_close(dbn.sample(20_000, 50).mean(0), expected, atol=0.01, rtol=0)


def test_samples_of_a_stack_follow_its_distribution(rbm):
    dbn = DeepBelief([2, 4, 3], dtype=DOUBLE)
    nn.init.normal_(dbn.encoder[0].weight)
    dbn.encoder[1].load_state_dict(rbm.state_dict())
    p = joint(rbm).detach().exp().sum(1)
    expected = (p / p.sum()) @ dbn.encoder[0].rebuild(states(4)).detach()
    torch.testing.assert_close(dbn.sample(20_000, 50).mean(0), expected, atol=0.01, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_unrolled_it_computes_the_same_and_can_be_fine_tuned(dtype):
    dbn, x = DeepBelief([6, 5, 3], dtype), torch.rand(20, 6, dtype=dtype)
    for weights in dbn.parameters():
        nn.init.normal_(weights)
    auto = dbn.unroll()
    torch.testing.assert_close(auto(x), dbn(x))
    torch.testing.assert_close(auto.encoder(x), dbn.encoder(x))
    torch.testing.assert_close(auto.encoder[:-1](x).sigmoid(), dbn.encoder(x))

    before, error = deepcopy(dbn), squared_error(auto(x), x)
    train_end_to_end(auto, x, epochs(20), torch.optim.SGD(auto.parameters(), 1.0), 20)
    assert squared_error(auto(x), x) < error
    for ours, theirs in zip(dbn.parameters(), before.parameters(), strict=True):
        assert torch.equal(ours, theirs)  # the copy went its own way
    squared_error(auto(x), x).backward()
    assert all(weights.grad.abs().sum() > 0 for weights in auto.parameters())


def test_the_same_seed_gives_the_same_weights_with_one_thread_and_with_two():
    x = torch.rand(200, 64, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    found, threads = [], torch.get_num_threads()
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            with seeded(1):
                dbn = DeepBelief([64, 128, 10], dtype=DOUBLE)
                train_belief(dbn, x, lambda *_: epochs(2), lr=0.1)
                found.append([*dbn.parameters(), dbn.sample(5, 10)])
    finally:
        torch.set_num_threads(threads)
    assert all(map(torch.equal, *found))


# ---- Gaussian visible units


def test_gaussian_free_energy_sums_out_the_hidden_units():
    rbm, v = RBM(4, 3, DOUBLE, gaussian=True), torch.randn(6, 4, dtype=DOUBLE)
    for weights in rbm.parameters():
        nn.init.normal_(weights)
    h = states(3)
    energy = (v - rbm.visible_bias).square().sum(1)[:, None] / 2
    energy = energy - v @ rbm.weight.T @ h.T - h @ rbm.hidden_bias
    torch.testing.assert_close(rbm.free_energy(v), -(-energy).logsumexp(1))


def test_gaussian_units_are_drawn_around_their_mean_with_variance_one():
    rbm = RBM(4, 3, DOUBLE, gaussian=True)
    nn.init.zeros_(rbm.weight)
    nn.init.constant_(rbm.visible_bias, 5.0)
    v = rbm.gibbs(torch.zeros(20_000, 4, dtype=DOUBLE))
    torch.testing.assert_close(
        v.mean(0), rbm.rebuild(torch.zeros(1, 3, dtype=DOUBLE))[0], atol=0.05, rtol=0
    )
    torch.testing.assert_close(v.var(0), torch.ones(4, dtype=DOUBLE), atol=0.05, rtol=0)


def test_gaussian_machines_keep_the_directions_in_which_groups_differ():
    centers = 4 * torch.eye(4, dtype=DOUBLE)
    x = centers.repeat_interleave(50, 0) + 0.5 * torch.randn(200, 4, dtype=DOUBLE)
    dbn = DeepBelief([4, 12], DOUBLE, gaussian=True)
    train_belief(dbn, x - x.mean(0), lambda *_: epochs(150), lr=0.01, batch_size=20)
    code = encode(dbn.unroll().encoder[:-1], x - x.mean(0))
    sizes = torch.linalg.svdvals(code - code.mean(0))
    assert sizes[2] > 0.3 * sizes[0]  # four groups span three directions


def test_only_the_first_machine_is_gaussian_and_its_rebuilt_data_have_no_bounds():
    dbn = DeepBelief([4, 3, 2], DOUBLE, gaussian=True)
    assert [rbm.gaussian for rbm in dbn.encoder] == [True, False]
    nn.init.constant_(dbn.encoder[0].visible_bias, 7.0)
    x = torch.randn(5, 4, dtype=DOUBLE)
    torch.testing.assert_close(dbn.unroll()(x), dbn(x))
    assert dbn(x).min() > 6


def test_a_gaussian_machine_has_no_enumerable_states():
    with pytest.raises(ValueError, match="Gaussian visible units, expected binary ones"):
        log_partition(RBM(3, 2, gaussian=True))
