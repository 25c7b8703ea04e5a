"""GMVAE: one step by hand, the cluster's posterior, and what it may tell at no charge."""

import math
from copy import deepcopy

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from torch.distributions import Normal, kl_divergence

from dclib.algorithms import GMVAE
from dclib.losses import gaussian_nll
from dclib.runtime import seeded

N = 60
X, Y = make_blobs(N, 5, centers=3, random_state=0)
SETTINGS = {"layers": (8, 4), "noise_size": 3, "hidden": (6,), "batch_size": N, "random_state": 0}


def normal(mean, log_var):
    return Normal(mean, (log_var / 2).exp())


@pytest.mark.parametrize("free", [0.0, 0.7])
def test_one_step_equals_a_step_by_hand(free):
    model = GMVAE(3, **SETTINGS, free_nats=free, train_epochs=1).build(X)
    net, x = deepcopy(model.net_), torch.from_numpy(X)
    optimizer = torch.optim.Adam(net.parameters(), lr=model.lr)
    with seeded(0, "train"):
        i = torch.randperm(N)
        h = net.auto.encoder[:-1](x[i])
        of_code = normal(net.auto.encoder[-1](h), 10 * (net.log_var(h) / 10).tanh())
        mean, log_var = net.noise(h)[:, :3], net.noise(h)[:, 3:]
        of_noise = normal(mean, 10 * (log_var / 10).tanh())
        z = of_code.mean + of_code.stddev * torch.randn_like(of_code.mean)
        w = of_noise.mean + of_noise.stddev * torch.randn_like(of_noise.mean)
    bent = net.prior(w)
    means, log_vars = bent[:, :12].view(N, 3, 4), bent[:, 12:].view(N, 3, 4)
    components = normal(means, 10 * (log_vars / 10).tanh())
    gamma = components.log_prob(z[:, None]).sum(2).softmax(1)
    own = normal(of_code.mean[:, None], 2 * of_code.stddev[:, None].log())
    conditional = (gamma * kl_divergence(own, components).sum(2)).sum(1).mean()
    told = (gamma * (gamma.log() + math.log(3))).sum(1).mean()
    prior_of_noise = kl_divergence(of_noise, Normal(0.0, 1.0)).sum(1).mean()
    likelihood = gaussian_nll(net.auto.decoder(z), x[i])
    (likelihood + conditional + told.clamp_min(free) + prior_of_noise).backward()
    optimizer.step()
    assert told < 0.7

    model.train(X)
    record = model.history_[0]
    assert record["kl"] == pytest.approx((conditional + told.clamp_min(free)).item())
    assert record["noise"] == pytest.approx(prior_of_noise.item())
    for after, by_hand in zip(model.net_.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(after, by_hand)


def test_a_sample_of_a_cluster_is_drawn_from_its_component():
    model = GMVAE(3, **SETTINGS, train_epochs=2).fit(X)
    with torch.no_grad():  # cluster 1 and no other gets codes far away
        model.net_.prior[-1].bias.view(2, 3, 4)[0, 1] += 1000
    far = np.abs(model.sample(20, cluster=1)).max(1)
    near = np.abs(model.sample(20, cluster=0)).max(1)
    assert far.min() > near.max()


def test_black_and_white_samples_are_chances_of_ink():
    ink = (X > 0) * 1.0
    model = GMVAE(3, **SETTINGS, likelihood="bernoulli", train_epochs=2).fit(ink)
    x = model.sample(20)
    assert 0 <= x.min() <= x.max() <= 1


def test_a_limit_below_zero_is_refused():
    with pytest.raises(ValueError, match=r"free_nats=-1, expected a number of at least 0"):
        GMVAE(3, free_nats=-1).fit(X)
