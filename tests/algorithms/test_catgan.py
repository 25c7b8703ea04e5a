"""CatGAN: one round by hand, and samples of a cluster."""

from copy import deepcopy

import pytest
import torch
from sklearn.datasets import make_blobs

from dclib.algorithms import CatGAN
from dclib.runtime import seeded

N = 60
X, Y = make_blobs(N, 5, centers=3, random_state=0)
X = (X - X.mean(0)) / X.std(0)


def entropies(scores):
    """Entropy of the mean answer, and mean entropy of the answers."""
    q = scores.softmax(1)
    shares = q.mean(0)
    return -(shares * shares.log()).sum(), -(q * q.log()).sum(1).mean()


def test_one_round_equals_a_round_by_hand():
    model = CatGAN(3, layers=(8, 4), noise_size=2, train_epochs=1, batch_size=N, random_state=0)
    net, x = deepcopy(model.build(X).net_), torch.from_numpy(X)
    judge = torch.nn.Sequential(net.body, net.head)
    of_judge = torch.optim.Adam(judge.parameters(), lr=model.lr, betas=(0.5, 0.999))
    of_generator = torch.optim.Adam(net.generator.parameters(), lr=model.lr, betas=(0.5, 0.999))
    with seeded(0, "train"):
        i = torch.randperm(N)
        fakes = net.generator(torch.randn(N, 2, dtype=x.dtype))
    (even, unsure), (_, doubt) = entropies(judge(x[i])), entropies(judge(fakes.detach()))
    (unsure - even - doubt).backward()
    of_judge.step()
    even_of_fakes, unsure_of_fakes = entropies(judge(fakes))
    (unsure_of_fakes - even_of_fakes).backward()
    of_generator.step()

    model.train(X)
    record = model.history_[0]
    assert record["information"] == pytest.approx((even - unsure).item())
    assert record["doubt"] == pytest.approx(doubt.item())
    assert record["passed"] == pytest.approx((even_of_fakes - unsure_of_fakes).item())
    for after, by_hand in zip(model.net_.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(after, by_hand)


def test_samples_of_a_cluster_are_found_in_it():
    settings = {"layers": (64, 32), "lr": 0.001, "train_epochs": 200, "batch_size": 16}
    model = CatGAN(3, **settings, random_state=0).fit(X)
    for cluster in range(3):
        q = model.predict_proba(model.sample(50, cluster)).mean(0)
        assert q[cluster] > 0.6
