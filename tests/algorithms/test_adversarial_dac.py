"""The adversarial DAC: one step by hand, expectation-maximisation, and samples."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from dclib.algorithms import AdversarialDAC
from dclib.runtime import seeded

N = 60
X, Y = make_blobs(N, 5, centers=3, random_state=0)
X = (X - X.mean(0)) / X.std(0)
SETTINGS = {"layers": (16, 2), "hidden": (8,), "pretrain_epochs": 30, "pretrain_lr": 0.1}


@pytest.fixture(scope="module")
def started():
    model = AdversarialDAC(3, **SETTINGS, refine_epochs=1, batch_size=N, random_state=0)
    return model.build(X).pretrain(X).place_mixture(X)


def test_one_step_equals_a_step_by_hand(started):
    model = deepcopy(started).set_params(weight=0.5)
    net, x = deepcopy(model.net_), torch.from_numpy(X)
    of_auto = torch.optim.Adam(net.auto.parameters(), lr=model.lr, betas=(0.5, 0.999))
    of_judge = torch.optim.Adam(net.judge.parameters(), lr=model.lr, betas=(0.5, 0.999))
    one, zero = torch.ones(N, 1, dtype=x.dtype), torch.zeros(N, 1, dtype=x.dtype)
    with seeded(0, "refine"):
        i = torch.randperm(N)
        z = net.auto.encoder(x[i])
        drawn = net.prior.draw(net.prior.log_pi.exp().multinomial(N, replacement=True))
    judged = cross_entropy(net.judge(drawn), one) + cross_entropy(net.judge(z.detach()), zero)
    judged.backward()
    of_judge.step()
    deceived = cross_entropy(net.judge(z), one)
    error = (net.auto.decoder(z) - x[i]).square().sum(1).mean()
    of_auto.zero_grad()
    (error + 0.5 * deceived).backward()
    of_auto.step()

    model.refine(X)
    record = model.history_[-1]
    assert record["discriminator"] == pytest.approx(judged.item())
    assert record["encoder"] == pytest.approx(deceived.item())
    assert record["reconstruction"] == pytest.approx(error.item())
    for part in ("auto", "judge"):
        by_hand = net[part].parameters()
        for after, expected in zip(model.net_[part].parameters(), by_hand, strict=True):
            torch.testing.assert_close(after, expected)


def test_the_mixture_takes_the_step_of_scikit_learn(started):
    model = deepcopy(started)
    z = model.embed(torch.from_numpy(X))
    prior = model.net_.prior
    rival = GaussianMixture(3, covariance_type="diag", max_iter=1, reg_covar=0)
    rival.set_params(weights_init=prior.log_pi.exp().numpy(), means_init=prior.means.numpy())
    rival.set_params(precisions_init=(-prior.log_vars).exp().numpy())
    with pytest.warns(match="did not converge"):
        rival.fit(z.numpy())
    model._maximise(z)
    np.testing.assert_allclose(prior.means, rival.means_)
    np.testing.assert_allclose(prior.log_vars.exp(), rival.covariances_)
    np.testing.assert_allclose(model.shares(), rival.weights_)


def test_samples_of_a_cluster_are_found_in_it(started):
    model = deepcopy(started).set_params(refine_epochs=10).refine(X)
    assert adjusted_rand_score(Y, model.labels_) > 0.9
    for cluster in range(3):
        assert (model.predict(model.sample(50, cluster)) == cluster).mean() > 0.9
