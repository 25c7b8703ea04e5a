"""The convolutional network and the convolutional autoencoder."""

import re
from functools import partial

import pytest
import torch
from torch import nn

from dclib.loop import encode, epochs
from dclib.losses import squared_error
from dclib.networks import ConvAutoencoder, cnn, train_end_to_end
from dclib.runtime import seeded

pytestmark = pytest.mark.usefixtures("seeds")

SHAPES = [(1, 8, 8), (3, 7, 9), (1, 5, 4), (2, 16), (1, 13)]


def batch(shape, dtype=torch.float64, n=3):
    return torch.rand(n, *shape, dtype=dtype)


# ---- the network


def test_each_convolution_halves_the_sides_and_the_end_is_linear():
    net = cnn((1, 16, 16), [4, 6], 10, kernel_size=5, activation=nn.Tanh)
    assert [type(part) for part in net[1:]] == [
        *(nn.Conv2d, nn.Tanh, nn.Conv2d, nn.Tanh, nn.Flatten, nn.Linear)
    ]
    assert [tuple(part.weight.shape) for part in (net[1], net[3], net[6])] == [
        *((4, 1, 5, 5), (6, 4, 5, 5), (10, 6 * 4 * 4))
    ]
    assert net[:4](torch.zeros(2, 1, 16, 16)).shape == (2, 6, 4, 4)


def test_the_first_layer_is_a_strided_sum_of_products():
    net, x = cnn((1, 5, 6), [2], 3, dtype=torch.float64), batch((1, 5, 6))
    padded = nn.functional.pad(x[0, 0], (1, 1, 1, 1))
    for channel in range(2):
        for row in range(3):
            for column in range(3):
                patch = padded[2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
                by_hand = (patch * net[1].weight[channel, 0]).sum() + net[1].bias[channel]
                found = net[:2](x)[0, channel, row, column]
                assert torch.isclose(found, by_hand)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_images_and_series_of_any_size_and_dtype(shape, dtype):
    z = cnn(shape, [4, 6], 10, dtype=dtype)(batch(shape, dtype))
    assert z.shape == (3, 10)
    assert z.dtype == dtype


# ---- the autoencoder


@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize("shape", [*SHAPES, *((1, h, 20 - h) for h in range(5, 11))])
def test_the_decoder_finds_back_to_every_size(shape, kernel_size):
    auto, x = ConvAutoencoder(shape, [4, 6], 2, kernel_size, dtype=torch.float64), batch(shape)
    assert auto.encoder(x).shape == (3, 2)
    assert auto(x).shape == x.shape
    assert auto(x).dtype == x.dtype
    assert torch.equal(auto(x), auto.decoder(auto.encoder(x)))


def test_the_decoder_mirrors_the_encoder_and_bends_neither_code_nor_output():
    auto = ConvAutoencoder((3, 7, 8), [4, 6], 10)
    weights = [tuple(part.weight.shape) for part in auto.encoder if hasattr(part, "weight")]
    mirror = [tuple(part.weight.shape) for part in auto.decoder if hasattr(part, "weight")]
    assert weights == [(4, 3, 3, 3), (6, 4, 3, 3), (10, 6 * 2 * 2)]
    assert mirror == [(6 * 2 * 2, 10), (6, 4, 3, 3), (4, 3, 3, 3)]
    assert isinstance(auto.encoder[-1], nn.Linear)
    assert isinstance(auto.decoder[-1], nn.ConvTranspose2d)
    assert auto.decoder[-1].stride == auto.encoder[1].stride


@pytest.mark.parametrize("shape", [(2, 7, 9), (2, 13)])
def test_a_gradient_reaches_every_parameter(shape):
    auto, x = ConvAutoencoder(shape, [4, 6], 5, activation=nn.Tanh), batch(shape, torch.float32)
    squared_error(auto(x), x).backward()
    assert all(weights.grad.abs().sum() > 0 for weights in auto.parameters())


@pytest.mark.parametrize("make", [partial(cnn, outputs=3), partial(ConvAutoencoder, code_size=3)])
def test_weights_are_born_in_the_dtype(make):
    def weights(dtype):
        with seeded(0):
            return list(make((1, 8, 8), [4], dtype=dtype).parameters())

    born, cast = weights(torch.float64), weights(torch.float32)
    assert {part.dtype for part in born} == {torch.float64}
    assert not torch.equal(born[0], cast[0].double())


# ---- training


def trained(threads, shape=(1, 8, 8)):
    """Train a small one on pictures with ones in one half or the other; return it with its data."""
    x = torch.zeros(20, *shape, dtype=torch.float64)
    x[::2, :, :4], x[1::2, :, 4:] = 1, 1
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with seeded(1):
            auto = ConvAutoencoder(shape, [4, 6], 2, activation=nn.Tanh, dtype=torch.float64)
            error = squared_error(auto(x), x).item()
            optimizer = torch.optim.Adam(auto.parameters(), lr=0.01)
            train_end_to_end(auto, x, run := list(epochs(50)), optimizer, batch_size=5)
    finally:
        torch.set_num_threads(before)
    return auto, x, error, run


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 8)])
def test_training_end_to_end_lowers_the_error(shape):
    auto, x, before, run = trained(1, shape)
    after = squared_error(auto(x), x).item()
    assert after < before / 4
    assert run[0].means()["reconstruction"] < before / x[0].numel()  # the mean over all pixels
    z = encode(auto.encoder, x)
    assert torch.equal(z, auto.encoder(x))
    assert (z[0] - z[1]).norm() > 1  # one of each kind


def test_same_seed_same_weights_with_one_thread_or_two():
    one, again, two = trained(1)[0], trained(1)[0], trained(2)[0]
    for a, b, c in zip(one.parameters(), again.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)
        torch.testing.assert_close(a, c, rtol=1e-9, atol=1e-9)


# ---- bad input


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"shape": (8, 8, 1, 1)}, "shape=(8, 8, 1, 1), expected the whole numbers"),
        ({"shape": (64,)}, "shape=(64,), expected the whole numbers"),
        ({"shape": (1, 8, 0)}, "shape=(1, 8, 0), expected the whole numbers"),
        ({"shape": (1, 8.0, 8)}, "shape=(1, 8.0, 8), expected the whole numbers"),
        ({"channels": []}, "channels=[], expected one or more"),
        ({"channels": [4, 0]}, "channels=[4, 0], expected one or more"),
        ({"kernel_size": 4}, "kernel_size=4, expected an odd number of at least 3"),
        ({"kernel_size": 1}, "kernel_size=1, expected an odd number of at least 3"),
        ({"channels": [4] * 4}, "channels=[4, 4, 4, 4] are 4 layers that halve the sides of "
         "shape=(1, 8, 8), expected at most 3"),
        ({"shape": (1, 1, 64)}, "expected at most 0"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("make", [partial(cnn, outputs=3), partial(ConvAutoencoder, code_size=3)])
def test_refuses_what_cannot_be_built(make, wrong, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make(**{"shape": (1, 8, 8), "channels": [4]} | wrong)


@pytest.mark.parametrize("shape", [(3, 1, 8, 9), (3, 2, 8, 8), (3, 64), (1, 8, 8)])
def test_refuses_a_batch_of_another_shape(shape):
    auto = ConvAutoencoder((1, 8, 8), [4], 3)
    for forward in (auto, auto.encoder):
        message = f"x has shape {shape}, expected (n, 1, 8, 8)"
        with pytest.raises(ValueError, match=re.escape(message)):
            forward(torch.zeros(shape))
