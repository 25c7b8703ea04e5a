"""The baseline: k-means on the codes of an autoencoder."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from dclib.algorithms import AutoencoderKMeans

X = np.random.default_rng(0).normal(size=(80, 5))


@pytest.fixture(scope="module")
def model():
    settings = {"layers": (8, 2), "pretrain_epochs": 5, "pretrain_lr": 0.1, "batch_size": 16}
    return AutoencoderKMeans(n_clusters=3, **settings, random_state=0).fit(X)


def test_labels_are_those_of_kmeans_on_the_codes(model):
    rival = KMeans(3, n_init=20, random_state=1).fit_predict(model.transform(X))
    assert adjusted_rand_score(model.labels_, rival) == 1


def test_centers_are_the_means_of_their_codes(model):
    z = model.transform(X)
    means = [z[model.labels_ == j].mean(0) for j in range(3)]
    np.testing.assert_allclose(model.cluster_centers_, means, atol=1e-3)


def test_reconstruction_improves(model):
    losses = [record["reconstruction"] for record in model.history_]
    assert losses[-1] < losses[0]


def test_fit_goes_from_layer_by_layer_to_end_to_end():
    model = AutoencoderKMeans(3, layers=(8, 2), layer_epochs=1, pretrain_epochs=2).fit(X)
    phases = [record["phase"] for record in model.history_]
    assert phases == ["layer 1", "layer 2", "pretrain", "pretrain"]


def test_clustering_leaves_the_network_alone():
    model = AutoencoderKMeans(3, layers=(8, 2), pretrain_epochs=2, random_state=0).build(X)
    model.pretrain(X)
    before = model.transform(X)
    model.place_centers(X)
    np.testing.assert_array_equal(model.transform(X), before)
