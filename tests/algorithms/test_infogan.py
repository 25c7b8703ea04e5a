"""InfoGAN: one round by hand, and a generator that obeys."""

from copy import deepcopy

import pytest
import torch
from sklearn.datasets import make_blobs
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.nn.functional import one_hot

from dclib.algorithms import InfoGAN
from dclib.runtime import seeded

N = 60
X, Y = make_blobs(N, 5, centers=3, random_state=0)
X = (X - X.mean(0)) / X.std(0)


@pytest.mark.parametrize("n_codes", [0, 2])
def test_one_round_equals_a_round_by_hand(n_codes):
    model = InfoGAN(3, layers=(8, 4), noise_size=2, n_codes=n_codes, weight=0.5, train_epochs=1)
    model.set_params(batch_size=N, random_state=0)
    net, x = deepcopy(model.build(X).net_), torch.from_numpy(X)
    judges = [*net.body.parameters(), *net.real.parameters(), *net.codes.parameters()]
    of_judge = torch.optim.Adam(judges, lr=model.lr, betas=(0.5, 0.999))
    of_generator = torch.optim.Adam(
        net.generator.parameters(), lr=model.generator_lr, betas=(0.5, 0.999)
    )
    one, zero = torch.ones(N, 1, dtype=x.dtype), torch.zeros(N, 1, dtype=x.dtype)
    with seeded(0, "train"):
        i = torch.randperm(N)
        labels = torch.randint(3, (N,))
        noise = torch.randn(N, 2, dtype=x.dtype)
        numbers = 2 * torch.rand(N, n_codes, dtype=x.dtype) - 1
    fakes = net.generator(torch.cat([noise, one_hot(labels, 3), numbers], 1))

    def missed_of(features):
        found = net.codes(features)
        right = found[:, :3].log_softmax(1)[torch.arange(N), labels]
        return (found[:, 3:] - numbers).square().sum(1).mean() / 2 - right.mean()

    features = net.body(fakes.detach())
    judged = cross_entropy(net.real(net.body(x[i])), one) + cross_entropy(net.real(features), zero)
    (judged + 0.5 * missed_of(features)).backward()
    of_judge.step()
    features = net.body(fakes)
    fooled, missed = cross_entropy(net.real(features), one), missed_of(features)
    (fooled + 0.5 * missed).backward()
    of_generator.step()

    model.train(X)
    record = model.history_[0]
    assert record["discriminator"] == pytest.approx(judged.item())
    assert record["generator"] == pytest.approx(fooled.item())
    assert record["missed"] == pytest.approx(missed.item())
    for after, by_hand in zip(model.net_.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(after, by_hand)


def test_samples_of_a_cluster_are_found_in_it():
    settings = {"layers": (64, 32), "lr": 0.001, "train_epochs": 100, "batch_size": 16}
    model = InfoGAN(3, **settings, random_state=0).fit(X)
    for cluster in range(3):
        assert (model.predict(model.sample(50, cluster)) == cluster).mean() > 0.9
