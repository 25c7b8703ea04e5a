"""VaDE: one step by hand, the start, the story backwards, and likelihoods of both kinds."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from dclib.algorithms import VaDE
from dclib.losses import gaussian_nll
from dclib.runtime import seeded

N = 60
X, Y = make_blobs(N, 5, centers=3, random_state=0)
X = (X - X.mean(0)) / X.std(0)
SETTINGS = {"layers": (16, 2), "pretrain_epochs": 30, "train_epochs": 1, "batch_size": N}


@pytest.fixture(scope="module")
def started():
    model = VaDE(3, **SETTINGS | {"pretrain_epochs": 100, "batch_size": 10}, random_state=0)
    return model.build(X).pretrain(X).place_mixture(X)


def test_one_step_equals_a_step_by_hand(started):
    model = deepcopy(started).set_params(batch_size=N)
    net, x = deepcopy(model.net_), torch.from_numpy(X)
    optimizer = torch.optim.Adam(net.parameters(), lr=model.lr, eps=1e-4)
    with seeded(0, "train"):
        i = torch.randperm(N)
        h = net.auto.encoder[:-1](x[i])
        mean, log_var = net.auto.encoder[-1](h), 10 * (net.log_var(h) / 10).tanh()
        z = mean + (log_var / 2).exp() * torch.randn_like(mean)
    deviation, log_pi = (net.prior.log_vars / 2).exp(), net.prior.scores.log_softmax(0)
    of_component = Normal(net.prior.means, deviation).log_prob(z[:, None]).sum(2)
    gamma = (log_pi + of_component).softmax(1)  # one half of the log-variance, and pi once
    own = Normal(mean[:, None], (log_var[:, None] / 2).exp())
    kl = torch.distributions.kl_divergence(own, Normal(net.prior.means, deviation)).sum(2)
    kl = (gamma * (kl - log_pi) + gamma.xlogy(gamma)).sum(1).mean()
    likelihood = gaussian_nll(net.auto.decoder(z), x[i])
    (likelihood + kl).backward()
    optimizer.step()

    model.train(X)
    assert model.history_[-1]["kl"] == pytest.approx(kl.item())
    assert model.history_[-1]["reconstruction"] == pytest.approx(likelihood.item())
    for after, by_hand in zip(model.net_.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(after, by_hand)


def test_probabilities_are_those_of_pytorchs_mixture(started):
    prior = started.net_.prior
    parts = Independent(Normal(prior.means, (prior.log_vars / 2).exp()), 1)
    rival = MixtureSameFamily(Categorical(logits=prior.scores), parts)
    z = torch.from_numpy(started.transform(X))
    joint = parts.log_prob(z[:, None]) + prior.log_pi
    expected = (joint - rival.log_prob(z)[:, None]).exp().detach()
    np.testing.assert_allclose(started.assign(torch.from_numpy(X)), expected)


def test_before_the_mixture_is_placed_all_clusters_are_equal():
    model = VaDE(3, **SETTINGS, random_state=0).build(X)
    np.testing.assert_allclose(model.assign(torch.from_numpy(X)), 1 / 3)


def test_samples_of_a_cluster_are_found_in_it(started):
    model = deepcopy(started).set_params(train_epochs=20).train(X)
    assert adjusted_rand_score(Y, model.labels_) > 0.9
    for cluster in range(3):
        assert (model.predict(model.sample(50, cluster)) == cluster).mean() > 0.9
    shares = np.bincount(model.predict(model.sample(2000)), minlength=3) / 2000
    np.testing.assert_allclose(shares, model.shares(), atol=0.08)


def test_the_rate_falls_every_ten_epochs_to_a_tenth():
    model = VaDE(3, **SETTINGS, random_state=0, lr_factor=0.3)
    model.set_params(train_epochs=31, pretrain_epochs=0)
    rates = []

    class Watched(torch.optim.Adam):
        def step(self, *arguments):
            rates.append(self.param_groups[0]["lr"])
            return super().step(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim, "Adam", Watched)
        model.fit(X)
    assert rates[:31:10] == pytest.approx([0.002, 0.0006, 0.0002, 0.0002])


def test_black_and_white_samples_are_chances_of_ink():
    ink = (X > 0) * 1.0
    model = VaDE(3, **SETTINGS, likelihood="bernoulli", random_state=0).fit(ink)
    x = model.sample(20)
    assert 0 <= x.min() <= x.max() <= 1
    with pytest.raises(ValueError, match=r"x lies in .* expected \[0, 1\]"):
        model.fit(X)


def test_an_unknown_likelihood_is_refused():
    with pytest.raises(ValueError, match=r"likelihood='poisson', expected 'gaussian' or"):
        VaDE(3, likelihood="poisson").fit(X)


def test_images_come_back_as_images():
    images = X[:, :4].reshape(N, 1, 2, 2)
    model = VaDE(3, network="cnn", layers=(4, 2), pretrain_epochs=2, train_epochs=2, random_state=0)
    assert model.fit(images).sample(3).shape == (3, 1, 2, 2)
