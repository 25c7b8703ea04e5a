"""The variational losses: hand values, slow rivals, Monte Carlo, gradients, bad input."""

import math

import pytest
import torch
from torch.autograd import gradcheck
from torch.distributions import Bernoulli, Normal, kl_divergence

from dclib.losses import bernoulli_nll, gaussian_kl, gaussian_nll, mixture_kl

pytestmark = pytest.mark.usefixtures("seeds")

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


def posteriors(n=5, m=3, dtype=torch.float64):
    return torch.randn(n, m, dtype=dtype), torch.randn(n, m, dtype=dtype)


# ---- the divergence


@DTYPES
def test_divergence_by_hand(dtype):
    mean = torch.tensor([[2.0, 0.0], [0.0, 0.0]], dtype=dtype)
    log_var = torch.tensor([[0.0, math.log(4)], [0.0, 0.0]], dtype=dtype)
    expected = (2.0 + (4 - 1 - math.log(4)) / 2) / 2  # the second sample is the prior itself
    result = gaussian_kl(mean, log_var)
    assert result.dtype == dtype
    assert result.item() == pytest.approx(expected, rel=1e-6)


def test_divergence_equals_pytorchs():
    mean, log_var = posteriors()
    rival = kl_divergence(Normal(mean, log_var.exp().sqrt()), Normal(0.0, 1.0))
    torch.testing.assert_close(gaussian_kl(mean, log_var), rival.sum(1).mean())


def test_divergence_is_the_mean_of_a_log_ratio_over_draws():
    mean, log_var = posteriors(n=1)
    q, prior = Normal(mean, (log_var / 2).exp()), Normal(torch.zeros_like(mean), 1.0)
    z = q.sample((100_000,))
    ratio = (q.log_prob(z) - prior.log_prob(z)).sum((1, 2))
    standard_error = ratio.std() / math.sqrt(len(z))
    assert abs(gaussian_kl(mean, log_var) - ratio.mean()) < 4 * standard_error


def test_divergence_near_the_prior_keeps_its_digits_in_single_precision():
    log_var = torch.full((1, 1), 1e-3)
    exact = (math.expm1(1e-3) - 1e-3) / 2
    assert gaussian_kl(torch.zeros(1, 1), log_var).item() == pytest.approx(exact, rel=1e-3)


def test_free_bits_leave_small_divergences_alone():
    mean, log_var = posteriors(n=4)
    mean, log_var = mean.requires_grad_(), log_var.requires_grad_()
    spent = kl_divergence(Normal(mean, (log_var / 2).exp()), Normal(0.0, 1.0)).mean(0)
    free = spent.sort().values[1].item() + 1e-6  # two of the three spend less than this
    loss = gaussian_kl(mean, log_var, free)
    assert loss.item() == pytest.approx(2 * free + spent.max().item())
    (gradient,) = torch.autograd.grad(loss, mean)
    assert torch.equal(gradient.abs().sum(0) > 0, spent > free)


def test_free_bits_take_the_mean_over_samples_first():
    mean, log_var = torch.tensor([[2.0], [0.0]]), torch.zeros(2, 1)  # 2 nats and 0 nats
    assert gaussian_kl(mean, log_var, free_bits=0.5).item() == pytest.approx(1.0)


# ---- the reconstructions


@DTYPES
@pytest.mark.parametrize("shape", [(5, 3), (5, 2, 4, 3)], ids=["rows", "images"])
def test_bernoulli_equals_pytorchs(shape, dtype):
    logits, x = torch.randn(shape, dtype=dtype), torch.rand(shape, dtype=dtype).round()
    rival = -Bernoulli(logits=logits).log_prob(x).flatten(1).sum(1).mean()
    torch.testing.assert_close(bernoulli_nll(logits, x), rival)


def test_bernoulli_of_grey_is_the_mean_over_random_black_and_white_images():
    logits, x = torch.randn(1, 4, dtype=torch.float64), torch.rand(1, 4, dtype=torch.float64)
    images = torch.bernoulli(x.expand(100_000, -1))
    each = -Bernoulli(logits=logits).log_prob(images).sum(1)
    standard_error = each.std() / math.sqrt(len(each))
    assert abs(bernoulli_nll(logits, x) - each.mean()) < 4 * standard_error


def test_bernoulli_of_grey_cannot_fall_below_the_entropy():
    x = torch.rand(6, 4, dtype=torch.float64)
    entropy = Bernoulli(x).entropy().sum(1).mean()
    torch.testing.assert_close(bernoulli_nll(x.logit(), x), entropy)
    assert bernoulli_nll(x.logit() + 0.1, x) > entropy


def test_bernoulli_does_not_overflow():
    logits = torch.tensor([[1000.0, -1000.0]])
    assert bernoulli_nll(logits, torch.tensor([[1.0, 0.0]])) == 0
    assert bernoulli_nll(logits, torch.tensor([[0.0, 1.0]])) == 2000


@DTYPES
@pytest.mark.parametrize("shape", [(5, 3), (5, 2, 4, 3)], ids=["rows", "images"])
def test_gaussian_equals_pytorchs(shape, dtype):
    x_hat, x = torch.randn(shape, dtype=dtype), torch.randn(shape, dtype=dtype)
    rival = -Normal(x_hat, 0.3).log_prob(x).flatten(1).sum(1).mean()
    torch.testing.assert_close(gaussian_nll(x_hat, x, variance=0.09), rival)


def test_the_variance_of_a_batch_is_the_best_one():
    x_hat, x = (torch.randn(5, 3, dtype=torch.float64) for _ in range(2))
    own = gaussian_nll(x_hat, x)
    assert own.item() == pytest.approx(gaussian_nll(x_hat, x, ((x_hat - x) ** 2).mean()).item())
    assert all(own <= gaussian_nll(x_hat, x, variance) for variance in torch.linspace(0.1, 9, 90))


# ---- all


@pytest.mark.parametrize(
    "loss",
    [
        gaussian_kl,
        lambda a, b: gaussian_kl(a, b, free_bits=0.4),
        lambda a, b: bernoulli_nll(a, b.sigmoid()),
        gaussian_nll,
        lambda a, b: gaussian_nll(a, b, variance=0.5),
    ],
    ids=["kl", "kl, free bits", "bernoulli", "gaussian", "gaussian, given variance"],
)
def test_gradient(loss):
    a, b = (torch.randn(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert gradcheck(loss, (a, b))


@pytest.mark.parametrize("loss", [gaussian_kl, bernoulli_nll, gaussian_nll])
def test_refuses_other_shapes(loss):
    with pytest.raises(ValueError, match=r"\(5, 3\), \w+ \(5, 1\); expected the same shape"):
        loss(torch.rand(5, 3), torch.rand(5, 1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gaussian_kl(torch.zeros(3), torch.zeros(3)), r"mean has shape \(3,\), expected"),
        (
            lambda: gaussian_kl(torch.zeros(2, 3), torch.zeros(2, 3), free_bits=-1),
            "free_bits=-1, expected a number of at least 0",
        ),
        (
            lambda: bernoulli_nll(torch.zeros(1, 2), torch.tensor([[0.5, 16.0]])),
            r"x lies in \[0.5, 16\], expected \[0, 1\]",
        ),
    ],
    ids=["one dimension", "negative free bits", "pixels from 0 to 16"],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---- the divergence from a mixture


def mixed(n=4, k=3, m=2, own=False):
    """Posteriors of codes and clusters, and a prior; one for each sample with `own`."""
    shape = (n, k, m) if own else (k, m)
    gamma = torch.randn(n, k, dtype=torch.float64).softmax(1)
    prior = [torch.randn(shape, dtype=torch.float64) for _ in range(2)]
    log_pi = torch.randn(k, dtype=torch.float64).log_softmax(0)
    return [*posteriors(n, m), gamma, *prior, log_pi]


def test_divergence_from_one_standard_component_is_the_simple_one():
    mean, log_var = posteriors()
    one, flat = torch.ones(5, 1, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.float64)
    expected = gaussian_kl(mean, log_var)
    torch.testing.assert_close(mixture_kl(mean, log_var, one, flat, flat, flat[0, :1]), expected)


@pytest.mark.parametrize("own", [False, True])
def test_divergence_from_a_mixture_is_the_mean_of_a_log_ratio_over_draws(own):
    """Draw code and cluster, and compare both densities: nothing of the closed form is used."""
    mean, log_var, gamma, means, log_vars, log_pi = parts = mixed(n=1, own=own)
    means, log_vars = means.view(3, 2), log_vars.view(3, 2)
    q, draws = Normal(mean[0], (log_var[0] / 2).exp()), 200_000
    z, c = q.sample((draws,)), gamma[0].multinomial(draws, replacement=True)
    of_prior = Normal(means[c], (log_vars[c] / 2).exp()).log_prob(z).sum(1) + log_pi[c]
    ratio = q.log_prob(z).sum(1) + gamma[0, c].log() - of_prior
    standard_error = ratio.std() / math.sqrt(draws)
    assert abs(mixture_kl(*parts) - ratio.mean()) < 4 * standard_error


def test_shares_count_once_whatever_the_size_of_the_code():
    for m in (1, 10):
        zero, gamma = torch.zeros(1, m), torch.tensor([[1.0, 0.0]])
        flat, log_pi = torch.zeros(2, m), torch.tensor([0.2, 0.8]).log()
        found = mixture_kl(zero, zero, gamma, flat, flat, log_pi)
        assert found.item() == pytest.approx(-math.log(0.2), rel=1e-6)


def test_numbers_of_the_clusters_do_not_matter():
    mean, log_var, gamma, means, log_vars, log_pi = parts = mixed()
    other = torch.tensor([2, 0, 1])
    again = (mean, log_var, gamma[:, other], means[other], log_vars[other], log_pi[other])
    torch.testing.assert_close(mixture_kl(*again), mixture_kl(*parts))


def test_what_the_cluster_tells_is_free_up_to_a_limit():
    mean, log_var, gamma, means, log_vars, _ = mixed()
    even = torch.full((3,), -math.log(3), dtype=torch.float64)
    gamma = gamma.requires_grad_()
    told = (gamma * (gamma.log() - even)).sum(1).mean().item()
    rest = mixture_kl(mean, log_var, gamma, means, log_vars, even) - told
    for free, expected in ((told / 2, told), (told + 0.5, told + 0.5)):
        found = mixture_kl(mean, log_var, gamma, means, log_vars, even, free)
        torch.testing.assert_close(found, rest + expected)


@pytest.mark.parametrize("own", [False, True])
def test_gradients_of_the_divergence_from_a_mixture(own):
    assert gradcheck(mixture_kl, [part.requires_grad_() for part in mixed(own=own)])


def test_a_mixture_of_another_shape_is_refused():
    mean, log_var, gamma, means, log_vars, log_pi = mixed()
    with pytest.raises(
        ValueError, match=r"means \(2, 2\), gamma \(4, 3\); expected means \(3, 2\)"
    ):
        mixture_kl(mean, log_var, gamma, means[:2], log_vars[:2], log_pi)
    with pytest.raises(ValueError, match=r"gamma \(4, 2\); expected .* gamma \(4, 3\)"):
        mixture_kl(mean, log_var, gamma[:, :2], means, log_vars, log_pi)
