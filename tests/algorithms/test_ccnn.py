"""CCNN: any network in, pseudo-labels from centers, and centers that follow the features."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from torch import nn

from dclib.algorithms import CCNN

N = 60
X, Y = make_blobs(N, 5, centers=3, random_state=0)
SETTINGS = {"layers": (8, 4), "refine_epochs": 3, "batch_size": N, "tol": 0, "random_state": 0}


def backbone(inputs=5, outputs=4):
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(inputs, 6), nn.Tanh(), nn.Linear(6, outputs)).double()


def started(**changes):
    """A model that stands before its refinement."""
    return CCNN(3, **SETTINGS | changes).build(X).place_centers(X)


def test_begins_with_kmeans_on_the_features_of_the_backbone():
    net = backbone()
    model = started(backbone=net)
    z = net(torch.from_numpy(X)).detach().numpy()
    np.testing.assert_allclose(model.transform(X), z)
    expected = KMeans(3, n_init=20, random_state=0).fit_predict(z)
    assert adjusted_rand_score(model.labels_, expected) == 1


def test_the_backbone_given_is_left_as_it_was():
    net = backbone()
    before = deepcopy(net.state_dict())
    model = started(backbone=net, lr=0.1).refine(X)
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)
    assert not torch.equal(model.net_.encoder[0].weight, net[0].weight)


@pytest.mark.parametrize("compensate", [True, False])
def test_one_step_equals_a_step_by_hand(compensate):
    model = started(backbone=backbone(), refine_epochs=1, compensate=compensate)
    net, x = deepcopy(model.net_), torch.from_numpy(X)
    labels = torch.from_numpy(model.labels_)
    z = net.encoder(x)
    means = torch.stack([z[labels == j].mean(0) for j in range(3)]).detach()  # counts began at 0
    weights = [*net.encoder.parameters(), *net.head.parameters()]
    optimizer = torch.optim.Adam(weights, lr=model.lr)
    nn.functional.cross_entropy(net.head(z), labels).backward()
    optimizer.step()
    after = net.encoder(x).detach()
    drift = torch.stack([(after - z)[labels == j].mean(0) for j in range(3)]).detach()

    model.refine(X)
    torch.testing.assert_close(model.net_.encoder(x), after.requires_grad_())
    expected = means + drift if compensate else means
    torch.testing.assert_close(model.net_.centers.position.detach(), expected)


def test_views_are_learned_under_the_labels_of_the_samples_as_they_are():
    def mirrored(x):
        return -x

    model = started(backbone=backbone(), refine_epochs=1, views=mirrored, compensate=False)
    net, x = deepcopy(model.net_), torch.from_numpy(X)
    labels = torch.from_numpy(model.labels_)
    z = net.encoder(x)
    means = torch.stack([z[labels == j].mean(0) for j in range(3)]).detach()
    weights = [*net.encoder.parameters(), *net.head.parameters()]
    optimizer = torch.optim.Adam(weights, lr=model.lr)
    nn.functional.cross_entropy(net.head(net.encoder(-x)), labels).backward()
    optimizer.step()

    model.refine(X)
    torch.testing.assert_close(model.net_.state_dict()["head.weight"], net.head.weight.detach())
    torch.testing.assert_close(model.net_.encoder(x), net.encoder(x))
    torch.testing.assert_close(model.net_.centers.position.detach(), means)


def test_views_have_to_be_a_function():
    with pytest.raises(ValueError, match=r"views=0\.1, expected a function of a batch or None"):
        CCNN(3, views=0.1).fit(X)


def test_random_samples_are_the_first_centers_where_kmeans_has_no_start():
    model = started(n_init=0)
    centers, z = model.cluster_centers_, model.transform(X)
    assert all((abs(z - center) < 1e-12).all(1).any() for center in centers)


def test_finds_blobs_with_an_untrained_network():
    model = CCNN(3, layers=(16, 8), batch_size=20, random_state=0).fit(X / 10)
    assert adjusted_rand_score(Y, model.labels_) > 0.9


def test_a_backbone_has_to_give_rows():
    with pytest.raises(ValueError, match=r"gives \(1, 2, 2\) for one sample, expected features"):
        CCNN(3, backbone=nn.Sequential(nn.Linear(5, 4), nn.Unflatten(1, (2, 2)))).fit(X)
    with pytest.raises(ValueError, match="backbone='resnet', expected a torch"):
        CCNN(3, backbone="resnet").fit(X)


def test_a_file_asks_for_the_backbone_again(tmp_path):
    model = started(backbone=backbone()).refine(X)
    model.save(tmp_path / "a.pt")
    again = CCNN.load(tmp_path / "a.pt", backbone=backbone())
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    with pytest.raises(ValueError, match="backbone was Sequential, code, which no file holds"):
        CCNN.load(tmp_path / "a.pt")
