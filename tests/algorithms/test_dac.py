"""DAC: sure pairs by hand, thresholds that close, and label features that differ from the start."""

from copy import deepcopy

import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from dclib.algorithms import DAC

N = 60
X, Y = make_blobs(N, 5, centers=3, random_state=0)
SETTINGS = {"layers": (8, 4), "train_epochs": 1, "batch_size": N, "random_state": 0}


def shrink(x):
    return 0.9 * x


def test_one_step_equals_a_step_by_hand():
    model = DAC(3, **SETTINGS, views=shrink).build(X)
    net, x = deepcopy(model.net_), torch.from_numpy(X)

    def features(rows):
        q = net.head(net.body(rows)).softmax(1)
        return q / q.norm(dim=1, keepdim=True)

    clean = features(x).detach() @ features(x).detach().T
    itself = torch.eye(N, dtype=torch.bool)
    similar, dissimilar = (clean >= 0.95) & ~itself, (clean < 0.455) & ~itself
    s = features(shrink(x)) @ features(shrink(x)).T
    loss = -(s[similar].log().sum() + (1 - s[dissimilar]).log().sum())
    loss = loss / (similar.sum() + dissimilar.sum())

    model.train(X)
    assert model.history_[0]["pairs"] == pytest.approx(loss.item())


def test_thresholds_close_as_far_as_is_set():
    model = DAC(3, **SETTINGS | {"train_epochs": 3})
    closing, half, open_ = (
        model.set_params(closed=closed).fit(X).history_[-1]["pairs"] for closed in (1.0, 0.5, 0.0)
    )
    assert closing != half != open_
    first = [model.set_params(closed=c).fit(X).history_[0]["pairs"] for c in (1.0, 0.0)]
    assert first[0] == first[1]  # before the first epoch nothing has closed


def test_not_all_pairs_are_similar_at_first():
    model = DAC(3, **SETTINGS).build(X)
    q = model.net_.head(model.net_.body(torch.from_numpy(X))).softmax(1)
    q = q / q.norm(dim=1, keepdim=True)
    assert 0.05 < (q @ q.T < 0.455).double().mean() < 0.95


def test_finds_blobs():
    settings = SETTINGS | {"train_epochs": 40, "batch_size": 30, "lr": 0.01}
    assert adjusted_rand_score(Y, DAC(3, **settings).fit(X).labels_) > 0.9
