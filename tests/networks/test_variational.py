"""The variational autoencoder: its shapes, its draws, its bound, its training."""

import math
from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal, Normal

from dclib.loop import encode, epochs
from dclib.losses import bernoulli_nll, gaussian_kl, gaussian_nll
from dclib.networks import VAE, train_variational
from dclib.runtime import seeded
from dclib.schedules import Constant, Linear

pytestmark = pytest.mark.usefixtures("seeds")


@pytest.fixture
def x():
    return torch.rand(20, 4, dtype=torch.float64)


def network(*sizes):
    return VAE(sizes, nn.Tanh, dtype=torch.float64)


def train(vae, x, n_epochs, lr=0.02, **settings):
    """Train and return what each epoch logged."""
    run = list(epochs(n_epochs))
    train_variational(vae, x, run, torch.optim.Adam(vae.parameters(), lr=lr), 8, **settings)
    return [epoch.means() for epoch in run]


# ---- the network


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("sizes", [(4, 2), (4, 3, 2), (4, 5, 3, 2)], ids=str)
def test_shapes_and_dtypes(sizes, dtype):
    vae, x = VAE(sizes, dtype=dtype), torch.rand(7, 4, dtype=dtype)
    x_hat, mean, log_var = vae(x)
    assert [tuple(part.shape) for part in (x_hat, mean, log_var)] == [(7, 4), (7, 2), (7, 2)]
    assert vae.sample(3).shape == (3, 4)
    parts = [x_hat, mean, log_var, vae.sample(3), *vae.parameters()]
    assert {part.dtype for part in parts} == {dtype}


def test_the_code_is_the_mean_and_the_same_at_each_call(x):
    vae = network(4, 3, 2)
    mean, log_var = vae.posterior(x)
    torch.testing.assert_close(encode(vae.encoder, x), mean.detach())
    assert torch.equal(vae(x)[1], mean) and torch.equal(vae(x)[2], log_var)


def test_a_gradient_reaches_every_parameter(x):
    vae = network(4, 3, 2)
    x_hat, mean, log_var = vae(x)
    (gaussian_nll(x_hat, x) + gaussian_kl(mean, log_var)).backward()
    assert all(weights.grad.abs().sum() > 0 for weights in vae.parameters())


def test_the_draws_have_the_mean_and_variance_of_the_posterior(x):
    vae = network(4, 3, 2)
    vae.decoder = nn.Identity()  # shows z itself
    z, mean, log_var = vae(x[:1].expand(100_000, -1))
    error = (log_var[0] / 2).exp() / math.sqrt(len(z))
    assert ((z.mean(0) - mean[0]).abs() < 4 * error).all()
    torch.testing.assert_close(z.var(0), log_var[0].exp(), rtol=0.03, atol=0)


def test_the_draw_is_a_path_for_the_gradient(x):
    vae = network(4, 3, 2)
    with seeded(1):
        z = torch.randn(20, 2, dtype=x.dtype)
    mean, log_var = vae.posterior(x)
    by_hand = vae.decoder(mean + log_var.exp().sqrt() * z)
    with seeded(1):
        x_hat = vae(x)[0]
    torch.testing.assert_close(x_hat, by_hand)
    ours = torch.autograd.grad(x_hat.sum(), vae.log_var.weight)
    theirs = torch.autograd.grad(by_hand.sum(), vae.log_var.weight)
    torch.testing.assert_close(ours, theirs)


def test_an_extreme_log_variance_stays_finite_in_single_precision_and_can_return():
    vae = VAE((4, 2))
    with torch.no_grad():
        vae.log_var.bias.copy_(torch.tensor([50.0, -50.0]))
    x_hat, mean, log_var = vae(torch.rand(5, 4))
    assert (log_var.abs() <= 10).all()
    loss = gaussian_nll(x_hat, torch.rand(5, 4)) + gaussian_kl(mean, log_var)
    loss.backward()
    assert loss.isfinite() and (vae.log_var.bias.grad != 0).all()


def test_samples_are_decoded_draws_from_the_prior_and_seeded():
    vae = network(4, 3, 2)
    with seeded(1):
        first, second = vae.sample(5), vae.sample(5)
    with seeded(1):
        again = vae.sample(5)
    with seeded(1):
        by_hand = vae.decoder(torch.randn(5, 2, dtype=torch.float64))
    assert torch.equal(first, again) and torch.equal(first, by_hand)
    assert not torch.equal(first, second) and not first.requires_grad


# ---- the bound, on a linear model whose likelihood is known


def linear_model(d=3, m=2, variance=0.3):
    """A decoder x = W z + b + noise, one x, its exact log-likelihood and its exact posterior."""
    vae = network(d, m)
    w, b = vae.decoder[0].weight.detach(), vae.decoder[0].bias.detach()
    x = torch.randn(1, d, dtype=torch.float64)
    eye = torch.eye(d, dtype=torch.float64)
    log_p = MultivariateNormal(b, w @ w.T + variance * eye).log_prob(x)[0]
    precision = torch.eye(m, dtype=torch.float64) + w.T @ w / variance
    return vae, x, log_p, (x - b) @ w / variance @ precision.inverse(), precision


def bound(vae, x, mean, log_var, variance=0.3, draws=100_000):
    """Monte Carlo: the bound from the library's losses, its standard error, and log p(x)."""
    q = Normal(mean, (log_var / 2).exp())
    z = q.sample((draws,))[:, 0]
    x_hat = vae.decoder(z).detach()
    each = torch.stack([gaussian_nll(a[None], x, variance) for a in x_hat[:2000]])
    log_likelihood = Normal(x_hat, math.sqrt(variance)).log_prob(x).sum(1)
    torch.testing.assert_close(-each, log_likelihood[:2000])
    log_weight = log_likelihood + (Normal(0.0, 1.0).log_prob(z) - q.log_prob(z)).sum(1)
    elbo = -gaussian_nll(x_hat, x.expand_as(x_hat), variance) - gaussian_kl(mean, log_var)
    return elbo, log_weight, log_likelihood.std() / math.sqrt(draws)


def test_the_bound_equals_its_slow_estimate_and_lies_below_the_likelihood():
    vae, x, log_p, exact_mean, _ = linear_model()
    mean, log_var = vae.posterior(x)
    elbo, log_weight, error = bound(vae, x, mean.detach(), log_var.detach())
    slow_error = log_weight.std() / math.sqrt(len(log_weight))
    assert abs(elbo - log_weight.mean()) < 4 * (error + slow_error)
    assert elbo < log_p - 10 * error
    # Weighted draws estimate the likelihood itself, from a posterior that covers the exact one.
    _, log_weight, _ = bound(vae, x, exact_mean, torch.zeros_like(exact_mean))
    ratio = (log_weight - log_p).exp()
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / math.sqrt(len(ratio))


def test_the_bound_is_tight_at_the_exact_posterior():
    vae, x, log_p, mean, precision = linear_model(m=1)
    elbo, log_weight, error = bound(vae, x, mean, -precision.log())
    assert abs(elbo - log_p) < 4 * error
    torch.testing.assert_close(log_weight, log_p.expand_as(log_weight))  # draw by draw


def test_the_gap_is_the_divergence_from_the_exact_posterior():
    vae, x, log_p, exact_mean, precision = linear_model(m=1)
    mean, log_var = exact_mean + 0.5, torch.zeros_like(exact_mean)
    elbo, _, error = bound(vae, x, mean, log_var)
    gap = (precision * (1 + 0.5**2) - 1 - precision.log()) / 2
    assert abs(elbo + gap.item() - log_p) < 4 * error


# ---- training


@pytest.mark.parametrize("reconstruction", [gaussian_nll, bernoulli_nll])
def test_training_raises_the_bound(x, reconstruction):
    logged = train(network(4, 8, 2), x, 60, reconstruction=reconstruction)
    assert set(logged[0]) == {"reconstruction", "kl"}
    assert sum(logged[-1].values()) < sum(logged[0].values()) - 0.1


def test_training_equals_a_loop_written_by_hand(x):
    vae = network(4, 3, 2)
    by_hand = deepcopy(vae)
    with seeded(1):
        optimizer = torch.optim.SGD(vae.parameters(), lr=0.1)
        train_variational(vae, x, epochs(3), optimizer, 8, beta=Linear(0, 1), free_bits=0.1)
    with seeded(1):
        for beta in (0, 0.5, 1):
            for i in torch.randperm(20).split(8):
                mean, log_var = by_hand.posterior(x[i])
                z = mean + (log_var / 2).exp() * torch.randn_like(mean)
                nll = gaussian_nll(by_hand.decoder(z), x[i])
                kl = (mean**2 + log_var.exp() - 1 - log_var) / 2
                loss = nll + beta * kl.mean(0).clamp_min(0.1).sum()
                gradients = torch.autograd.grad(loss, list(by_hand.parameters()))
                for weights, gradient in zip(by_hand.parameters(), gradients, strict=True):
                    weights.data -= 0.1 * gradient
    for ours, theirs in zip(vae.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_large_weight_collapses_the_posterior_and_free_bits_hold_it_up(x):
    kl = {}
    for free_bits in (0.0, Constant(0.2)):
        with seeded(1):
            logged = train(network(4, 8, 2), x, 80, beta=100.0, free_bits=free_bits)
        kl[free_bits] = logged[-1]["kl"]
    assert kl[0.0] < 0.01 and kl[Constant(0.2)] > 5 * kl[0.0]


def test_same_seed_same_weights_whatever_the_threads():
    x, weights = torch.rand(300, 40, dtype=torch.float64), []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            with seeded(3):
                vae = network(40, 64, 5)
                train(vae, x, 2)
            weights.append(nn.utils.parameters_to_vector(vae.parameters()))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*weights)


# ---- bad input


@pytest.mark.parametrize("shape", [(5, 3), (5,), (0, 4), (5, 1, 4)], ids=str)
def test_wrong_rows_are_refused(shape):
    with pytest.raises(ValueError, match=r"x has shape \(.*\), expected \(n, 4\) with n >= 1"):
        network(4, 2)(torch.zeros(shape, dtype=torch.float64))


@pytest.mark.parametrize("n", [0, -1, 2.5, True])
def test_a_wrong_number_of_samples_is_refused(n):
    with pytest.raises(ValueError, match=f"n={n}, expected a whole number of at least 1"):
        network(4, 2).sample(n)


def test_a_single_size_is_refused():
    with pytest.raises(ValueError, match=r"sizes=\(4,\), expected at least an input and an output"):
        network(4)
