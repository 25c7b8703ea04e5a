"""Bodies and players: normalised where they should be, of the size that the settings name."""

import pytest
import torch
from torch import nn

from dclib.networks import body, discriminator, generator

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


KINDS = pytest.mark.parametrize(
    ("network", "shape", "layers"),
    [
        *(("mlp", (6,), (5, 3)), ("cnn", (1, 8, 8), (4, 5, 3))),
        *(("cnn", (2, 7, 9), (4, 3)), ("cnn", (1, 13), (4, 5, 3))),
    ],
)


@KINDS
def test_a_generator_makes_samples_of_the_shape_and_reaches_every_weight(network, shape, layers):
    net = generator(network, shape, layers, inputs=7, dtype=torch.float64)
    x = net(torch.randn(10, 7, dtype=torch.float64))
    assert x.shape == (10, *shape)
    x.square().sum().backward()
    for name, weight in net.named_parameters():
        assert weight.grad.abs().sum() > 0, name


@KINDS
def test_a_generator_normalises_all_layers_but_the_last(network, shape, layers):
    net = generator(network, shape, layers, inputs=7)
    norms = [layer for layer in net if "Norm" in type(layer).__name__]
    bends = [layer for layer in net if isinstance(layer, nn.ReLU)]
    assert len(norms) == len(bends) == len(layers)
    assert not isinstance(net[-1], nn.ReLU)


@KINDS
def test_a_discriminator_judges_each_sample_by_itself(network, shape, layers):
    net = discriminator(network, shape, layers, torch.float64)
    x = torch.randn(10, *shape, dtype=torch.float64)
    assert net(x).shape == (10, 3)
    torch.testing.assert_close(net(x)[:1], net(x[:1]))
    assert net(x).min() < 0  # it leaks
