"""GATCluster: a step by hand, windows that look where they should, and four tasks together."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from torch.nn.functional import binary_cross_entropy, normalize

from dclib.algorithms import GATCluster
from dclib.algorithms.gatcluster import Window
from dclib.assign import kmeans
from dclib.runtime import seeded

pytestmark = pytest.mark.usefixtures("seeds")

IMAGES = torch.rand(12, 1, 8, 8, dtype=torch.float64, generator=torch.manual_seed(0))
SETTINGS = {"network": "cnn", "layers": (3, 4), "train_epochs": 1, "random_state": 0}
WHOLE = {"target_size": 12, "batch_size": 12, "n_repeats": 1}  # one step of all samples


def shrink(x):
    return 0.9 * x


def test_one_step_equals_a_step_by_hand():
    model = GATCluster(3, **SETTINGS, **WHOLE, views=shrink).build(IMAGES)
    net = deepcopy(model.net_)

    q = model.assign(IMAGES)
    even = q / q.sum(0)
    even = even / even.sum(1, keepdim=True)
    sure = q**2 / q.sum(0)
    sure = sure / sure.sum(1, keepdim=True)

    h = net.body(0.9 * IMAGES)
    whole = net.whole(h.mean((2, 3))).softmax(1)
    seen = net.seen((h * net.window(h)[:, None]).sum((2, 3))).softmax(1)
    agreement = (whole * even).sum(1).mean()
    spread = sum(-(m * m.log()).sum() for m in (whole.mean(0), seen.mean(0)))
    attention = binary_cross_entropy(seen, sure)

    model.train(IMAGES)
    record = model.history_[0]
    assert record["agreement"] == pytest.approx(agreement.item())
    assert record["spread"] == pytest.approx(spread.item())
    assert record["attention"] == pytest.approx(attention.item())

    with seeded(model.seed_, "train", device=q.device):
        torch.randperm(12)
        parts, _ = kmeans(sure, 3)
    same = parts[:, None] == parts[None]
    s = (1 - 1e-5) ** 2 * normalize(whole) @ normalize(whole).T
    pairs = binary_cross_entropy(s, same.double(), reduction="none")
    assert record["pairs"] == pytest.approx(pairs[~torch.eye(12, dtype=torch.bool)].mean().item())


def test_answers_that_underflow_leave_the_weights_finite():
    model = GATCluster(3, **SETTINGS, lr=1e-9).build(IMAGES.float())
    with torch.no_grad():
        model.net_.whole[-1].weight *= 1e4
    model.train(IMAGES.float())
    assert model.predict_proba(IMAGES.float()).min() == 0
    assert all(weight.isfinite().all() for weight in model.net_.parameters())


def test_equal_answers_have_a_finite_loss():
    model = GATCluster(3, **SETTINGS, **WHOLE, views=lambda x: x[:1].expand_as(x)).build(IMAGES)
    model.train(IMAGES)
    assert model.history_[0]["pairs"] < 12  # -log(1 - (1 - 1e-5)^2) is 10.8
    assert all(weight.isfinite().all() for weight in model.net_.parameters())


def test_a_window_is_widest_where_it_looks():
    window = Window(4, 3, torch.Size((5, 7)), 0.05, torch.float64)
    features = torch.rand(6, 4, 5, 7, dtype=torch.float64)
    weights = window(features)
    middle = window.choose(features)[:, :2]
    far = (window.places - middle[:, None]).norm(dim=2).view(6, 5, 7)
    assert weights.shape == (6, 5, 7)
    for image in range(6):
        order = far[image].flatten().argsort()
        assert (weights[image].flatten()[order].diff() <= 0).all()
        assert 0 < weights[image].max() <= 1


def test_the_window_follows_the_object():
    """A network whose last channel is the brightness of a place moves the window to it."""
    window = Window(1, 1, torch.Size((8, 8)), 0.05, torch.float64)
    optimizer = torch.optim.Adam(window.parameters(), lr=0.01)
    where = torch.randint(8, (256, 2), generator=torch.manual_seed(1))
    spot = torch.zeros(256, 1, 8, 8, dtype=torch.float64)
    spot[torch.arange(256), 0, where[:, 0], where[:, 1]] = 1
    for _ in range(200):
        loss = -(spot[:, 0] * window(spot)).sum((1, 2)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert -loss.item() > 0.6


def test_attention_has_the_places_of_the_features():
    model = GATCluster(3, **SETTINGS).fit(IMAGES)
    maps = model.attention(IMAGES.numpy())
    assert maps.shape == (12, 2, 2)
    assert isinstance(maps, np.ndarray)


def test_finds_blobs():
    x, y = make_blobs(90, 5, centers=3, random_state=0)
    settings = {"layers": (16, 8), "train_epochs": 20, "batch_size": 30, "lr": 0.01}
    model = GATCluster(3, **settings, random_state=0).fit(x)
    assert adjusted_rand_score(y, model.labels_) > 0.9
