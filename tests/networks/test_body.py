"""The body: normalised after every layer, and of the size that the settings name."""

import pytest
import torch
from torch import nn

from dclib.networks import body

pytestmark = pytest.mark.usefixtures("seeds")


@pytest.mark.parametrize(
    ("network", "shape", "layers"), [("mlp", (6,), (5, 3)), ("cnn", (1, 8, 8), (4, 5, 3))]
)
def test_features_of_a_batch_have_mean_and_deviation_of_a_bent_normal(network, shape, layers):
    net = body(network, shape, layers, torch.float64)
    x = 100 * torch.randn(50, *shape, dtype=torch.float64) + 7
    z = net(x)
    assert z.shape == (50, 3)
    assert z.min() == 0
    before = net[:-1](x)
    torch.testing.assert_close(before.mean(0), torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(
        before.var(0, correction=0), torch.ones(3, dtype=torch.float64), rtol=1e-3, atol=0
    )
    norms = [layer for layer in net if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert len(norms) == len(layers)


def test_a_single_row_is_encoded_as_among_others():
    net = body("mlp", (6,), (5, 3)).eval()
    x = torch.randn(4, 6)
    torch.testing.assert_close(net(x[:1]), net(x)[:1])
