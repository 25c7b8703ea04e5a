"""An autoencoder seen layer by layer."""

import pytest
import torch
from torch import nn

from dclib.networks import Autoencoder, ConvAutoencoder, layer_outputs

pytestmark = pytest.mark.usefixtures("seeds")


def networks():
    """Each with an input and the widths of its encoder."""
    perceptron = Autoencoder((6, 5, 4, 2)), torch.rand(3, 6), [5, 4, 2]
    convolutional = ConvAutoencoder((1, 7, 7), (4, 3), 2), torch.rand(3, 1, 7, 7), [64, 12, 2]
    return [perceptron, convolutional]


@pytest.mark.parametrize(("auto", "x", "widths"), networks(), ids=["mlp", "cnn"])
def test_one_output_a_layer_and_the_last_is_that_of_the_network(auto, x, widths):
    outputs = layer_outputs(auto.encoder, x)
    assert [tuple(h.shape) for h in outputs] == [(3, width) for width in widths]
    torch.testing.assert_close(outputs[-1], auto.encoder(x))
    rebuilt = layer_outputs(auto.decoder, outputs[-1])
    assert [h.shape[1] for h in rebuilt] == [*widths[-2::-1], x[0].numel()]
    torch.testing.assert_close(rebuilt[-1], auto(x).flatten(1))


@pytest.mark.parametrize(("auto", "x", "widths"), networks(), ids=["mlp", "cnn"])
def test_hidden_outputs_are_those_after_the_activation(auto, x, widths):
    for h in layer_outputs(auto.encoder, x)[:-1]:
        assert (h >= 0).all()
        assert (h == 0).any()


def test_noise_sets_the_share_to_zero_and_raises_the_others():
    ones = nn.Linear(1000, 1000, bias=False)
    nn.init.eye_(ones.weight)
    net = nn.Sequential(ones, nn.ReLU(), nn.Linear(1000, 2))
    first = layer_outputs(net, torch.ones(50, 1000), [0.2])[0].detach()
    assert set(first.unique().tolist()) == {0.0, 1.25}
    assert (first == 0).double().mean().item() == pytest.approx(0.2, abs=0.01)


def test_layers_without_a_share_stay_whole():
    auto, x = Autoencoder((6, 5, 4, 2)), torch.rand(3, 6)
    clean = layer_outputs(auto.encoder, x)
    noisy = layer_outputs(auto.encoder, x, [0.0, 0.5])
    assert torch.equal(noisy[0], clean[0])
    assert not torch.equal(noisy[1], clean[1])


def test_gradients_reach_every_layer_through_the_outputs():
    auto = ConvAutoencoder((1, 7, 7), (4, 3), 2)
    outputs = layer_outputs(auto.encoder, torch.rand(3, 1, 7, 7), [0.1, 0.1])
    layer_outputs(auto.decoder, outputs[-1])[-1].sum().backward()
    assert all(part.grad is not None and part.grad.any() for part in auto.parameters())
