"""The autoencoder and its two ways of pre-training."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from dclib.loop import batches, epochs
from dclib.losses import squared_error
from dclib.networks import Autoencoder, pretrain, train_end_to_end, train_layer_by_layer
from dclib.runtime import seeded

pytestmark = pytest.mark.usefixtures("seeds")


@pytest.fixture
def x():
    return torch.rand(20, 4, dtype=torch.float64)


def network(*sizes):
    return Autoencoder(sizes, nn.Tanh, dtype=torch.float64)


def momentum(net, lr):
    return torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)


def assert_same_weights(net, other):
    for ours, theirs in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


# ---- the network


def test_the_decoder_mirrors_the_encoder(x):
    auto = network(4, 3, 2)
    assert [tuple(part.weight.shape) for part in auto.encoder[::2]] == [(3, 4), (2, 3)]
    assert [tuple(part.weight.shape) for part in auto.decoder[::2]] == [(3, 2), (4, 3)]
    assert auto.encoder(x).shape == (20, 2)
    assert torch.equal(auto(x), auto.decoder(auto.encoder(x)))


def test_a_gradient_reaches_every_parameter(x):
    auto = network(4, 3, 2)
    squared_error(auto(x), x).backward()
    assert all(weights.grad.abs().sum() > 0 for weights in auto.parameters())


# ---- end to end


def test_end_to_end_equals_a_loop_written_by_hand(x):
    auto = network(4, 3, 2)
    by_hand = deepcopy(auto)
    with seeded(1):
        optimizer = torch.optim.SGD(auto.parameters(), lr=0.1)
        train_end_to_end(auto, x, epochs(2), optimizer, batch_size=8)
    with seeded(1):
        for _ in range(2):
            for i in torch.randperm(20).split(8):
                loss = torch.nn.functional.mse_loss(by_hand(x[i]), x[i])
                gradients = torch.autograd.grad(loss, list(by_hand.parameters()))
                for weights, gradient in zip(by_hand.parameters(), gradients, strict=True):
                    weights.data -= 0.1 * gradient
    assert_same_weights(auto, by_hand)


def test_the_corrupted_rows_are_rebuilt_as_the_clean_ones(x):
    auto, seen = network(4, 3, 2), []

    def corrupt(rows):
        seen.append(rows)
        return torch.zeros_like(rows)

    for epoch in (run := list(epochs(1))):
        first = squared_error(auto(torch.zeros_like(x)), x).item() / 4
        train_end_to_end(auto, x, [epoch], momentum(auto, 0.1), 20, corrupt)
    assert run[0].means()["reconstruction"] == pytest.approx(first)
    assert torch.equal(torch.cat(seen).sort(0).values, x.sort(0).values)


# ---- layer by layer


def by_layer(auto, x, n_epochs=3, **settings):
    """Train and return the weights as they were when each layer began."""
    states = {}

    def count(name, optimizer):
        states[name] = deepcopy(auto)
        return epochs(n_epochs)

    train_layer_by_layer(auto, x, count, lr=0.1, batch_size=8, **settings)
    return states


def test_layers_train_from_the_outside_in(x):
    auto = network(4, 3, 2)
    states = by_layer(auto, x)
    assert list(states) == ["layer 1", "layer 2"]
    after_first = states["layer 2"]
    for old, new, moved in [
        (states["layer 1"].encoder[0], after_first.encoder[0], True),
        (states["layer 1"].decoder[2], after_first.decoder[2], True),
        (states["layer 1"].encoder[2], after_first.encoder[2], False),
        (after_first.encoder[0], auto.encoder[0], False),  # trained layers stay
        (after_first.decoder[2], auto.decoder[2], False),
        (after_first.encoder[2], auto.encoder[2], True),
        (after_first.decoder[0], auto.decoder[0], True),
    ]:
        assert torch.equal(old.weight, new.weight) is not moved


def test_without_dropout_each_layer_is_a_small_autoencoder(x):
    auto = network(4, 3, 2)
    rival = deepcopy(auto)
    first = nn.Sequential(rival.encoder[0], nn.Tanh(), rival.decoder[2])  # rebuilds x: no bend
    second = nn.Sequential(rival.encoder[2], rival.decoder[0], nn.Tanh())  # the code: no bend
    with seeded(1):
        by_layer(auto, x, dropout=0)
    with seeded(1):
        train_end_to_end(first, x, epochs(3), momentum(first, 0.1), batch_size=8)
        h = first[:2](x).detach()
        train_end_to_end(second, h, epochs(3), momentum(second, 0.1), batch_size=8)
    assert_same_weights(auto, rival)


def test_dropout_hides_both_the_input_and_the_code(x):
    auto = network(4, 2)
    rival = deepcopy(auto)
    with seeded(1):
        by_layer(auto, x, n_epochs=1, dropout=0.5)
    with seeded(1):
        optimizer = momentum(rival, 0.1)
        for i in batches(20, 8):
            code = rival.encoder(nn.functional.dropout(x[i], 0.5))
            x_hat = rival.decoder(nn.functional.dropout(code, 0.5))
            optimizer.zero_grad()
            (squared_error(x_hat, x[i]) / 4).backward()
            optimizer.step()
    assert_same_weights(auto, rival)


# ---- both


@pytest.mark.parametrize(
    ("layer_epochs", "end_to_end_epochs", "expected"),
    [
        (2, 5, {"layer 1": 2, "layer 2": 2, "pretrain": 5}),
        (0, 5, {"pretrain": 5}),
        (2, 0, {"layer 1": 2, "layer 2": 2, "pretrain": 0}),
    ],
)
def test_pretrain_goes_layer_by_layer_then_end_to_end(x, layer_epochs, end_to_end_epochs, expected):
    asked = {}

    def count(total, name, optimizer):
        asked[name] = total
        return epochs(total)

    pretrain(network(4, 3, 2), x, count, layer_epochs, end_to_end_epochs, 0.1, 8)
    assert asked == expected


def test_pretrain_lowers_the_error(x):
    auto = network(4, 3, 2)
    before = squared_error(auto(x), x)
    pretrain(auto, x, lambda total, *_: epochs(total), 5, 20, lr=0.1, batch_size=8)
    assert squared_error(auto(x), x) < before / 2
