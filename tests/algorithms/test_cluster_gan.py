"""ClusterGAN: rounds by hand, the turns of the players, and a generator that obeys."""

from copy import deepcopy

import pytest
import torch
from sklearn.datasets import make_blobs
from torch.nn.functional import one_hot

from dclib.algorithms import ClusterGAN
from dclib.losses import gradient_penalty
from dclib.runtime import seeded

N = 60
X, Y = make_blobs(N, 5, centers=3, random_state=0)
X = (X - X.mean(0)) / X.std(0)


def test_one_round_equals_a_round_by_hand():
    model = ClusterGAN(3, layers=(8, 4), noise_size=2, critic_steps=1, train_epochs=1)
    model.set_params(noise_weight=3.0, category_weight=7.0, batch_size=N, random_state=0)
    net, x = deepcopy(model.build(X).net_), torch.from_numpy(X)
    pair = [*net.generator.parameters(), *net.encoder.parameters()]
    of_critic = torch.optim.Adam(net.critic.parameters(), lr=model.lr, betas=(0.5, 0.9))
    of_pair = torch.optim.Adam(pair, lr=model.lr, betas=(0.5, 0.9))
    with seeded(0, "train"):
        i = torch.randperm(N)
        labels = torch.randint(3, (N,))
        noise = 0.1 * torch.randn(N, 2, dtype=x.dtype)
        fakes = net.generator(torch.cat([one_hot(labels, 3), noise], 1))
        distance = net.critic(fakes.detach()).mean() - net.critic(x[i]).mean()
        slope = gradient_penalty(net.critic, x[i], fakes.detach())
    (distance + 10 * slope).backward()
    of_critic.step()
    found, fooled = net.encoder(fakes), -net.critic(fakes).mean()
    lost = (found[:, 3:] - noise).square().sum(1).mean()
    missed = -found[:, :3].log_softmax(1)[torch.arange(N), labels].mean()
    (fooled + 3 * lost + 7 * missed).backward()
    of_pair.step()

    model.train(X)
    record = model.history_[0]
    expected = {"critic": distance, "generator": fooled, "noise": lost, "category": missed}
    for name, loss in expected.items():
        assert record[name] == pytest.approx(loss.item()), name
    for after, by_hand in zip(model.net_.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(after, by_hand)


def test_the_turns_go_on_from_epoch_to_epoch():
    """Four steps an epoch, one of five the generator's: also where no epoch has five steps."""
    model = ClusterGAN(3, layers=(8, 4), train_epochs=5, batch_size=15, random_state=0).fit(X)
    assert ["generator" in record for record in model.history_] == [False, True, True, True, True]


def test_samples_of_a_cluster_are_found_in_it():
    settings = {"layers": (64, 32), "lr": 0.001, "train_epochs": 100, "batch_size": 16}
    model = ClusterGAN(3, **settings, random_state=0).fit(X)
    for cluster in range(3):
        assert (model.predict(model.sample(50, cluster)) == cluster).mean() > 0.9
