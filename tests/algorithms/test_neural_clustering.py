"""Neural Clustering: all layers side by side, each with the same say."""

import numpy as np
import pytest
import torch

from dclib.algorithms import AutoencoderKMeans, NeuralClustering
from dclib.data import glyphs
from dclib.features import standardise_block

X = np.random.default_rng(0).normal(size=(50, 5))
SETTINGS = {"layers": (8, 2), "pretrain_epochs": 5, "pretrain_lr": 0.1, "random_state": 0}


def test_rows_are_the_standardised_layers_side_by_side():
    model = NeuralClustering(3, **SETTINGS).fit(X)
    first, _, second = model.net_.auto.encoder
    with torch.no_grad():
        hidden = first(torch.from_numpy(X)).relu()
        blocks = [standardise_block(h).numpy() for h in (hidden, second(hidden))]
    np.testing.assert_allclose(model.transform(X), np.column_stack(blocks), atol=1e-12)
    new = model.transform(X[:1])  # on the scale of the fit, not on its own
    np.testing.assert_allclose(new, model.transform(X)[:1], atol=1e-12)


def test_the_network_is_that_of_the_baseline():
    ours = NeuralClustering(3, **SETTINGS).fit(X)
    baseline = AutoencoderKMeans(3, **SETTINGS).fit(X)
    theirs = baseline.net_.auto.state_dict()
    torch.testing.assert_close(ours.net_.auto.state_dict(), theirs, rtol=0, atol=0)


@pytest.mark.parametrize("channels", [(4, 5), (4, 6, 5)])
def test_images(channels):
    x = glyphs(60, size=8).x.reshape(60, 1, 8, 8)
    model = NeuralClustering(3, network="cnn", layers=channels, pretrain_epochs=1).fit(x)
    *maps, code = channels
    sides = [(8 // 2 ** (depth + 1)) ** 2 for depth in range(len(maps))]
    width = sum(c * side for c, side in zip(maps, sides, strict=True)) + code
    assert model.transform(x).shape == (60, width)
