"""The variational losses: hand values, slow rivals, Monte Carlo, gradients, bad input."""

import math

import pytest
import torch
from torch.autograd import gradcheck
from torch.distributions import Bernoulli, Normal, kl_divergence

from dclib.losses import bernoulli_nll, gaussian_kl, gaussian_nll

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
