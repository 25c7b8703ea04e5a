"""The recurrent autoencoder: its cells by hand, its padding, its loss, its loop."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

from dclib.loop import batches, encode, epochs
from dclib.losses import series_error
from dclib.networks import RecurrentAutoencoder, train_recurrent
from dclib.runtime import seeded

pytestmark = pytest.mark.usefixtures("seeds")

CELLS = pytest.mark.parametrize("cell", ["lstm", "gru"])
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
LENGTHS = torch.tensor([7, 3, 1, 5])


@pytest.fixture
def x():
    """Four series of two features, padded with what nobody may read."""
    x = torch.randn(4, 7, 2, dtype=torch.float64)
    return x.masked_fill(beyond(LENGTHS), torch.nan)


def beyond(lengths, t=7):
    return (torch.arange(t) >= lengths[:, None])[:, :, None]


def network(cell="lstm", dtype=torch.float64, hidden=6):
    return RecurrentAutoencoder(features=2, hidden=hidden, code_size=3, cell=cell, dtype=dtype)


def assert_same_weights(net, other, exactly=False):
    close = {"rtol": 0, "atol": 0} if exactly else {}
    for ours, theirs in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, **close)


# ---- the network


@CELLS
@DTYPES
def test_shapes_and_dtypes(x, cell, dtype):
    auto, x = network(cell, dtype), x.to(dtype)
    z = auto.encoder(x, LENGTHS)
    x_hat = auto(x, LENGTHS)
    assert (z.shape, z.dtype) == ((4, 3), dtype)
    assert (x_hat.shape, x_hat.dtype) == ((4, 7, 2), dtype)
    assert torch.equal(x_hat, auto.decoder(z, 7))
    assert auto.decoder(z, 2).shape == (4, 2, 2)
    assert {weights.dtype for weights in auto.parameters()} == {dtype}


@CELLS
def test_a_gradient_reaches_every_parameter(x, cell):
    auto = network(cell)
    series_error(auto(x, LENGTHS), x, LENGTHS).backward()
    assert all(weights.grad.abs().sum() > 0 for weights in auto.parameters())


@CELLS
def test_the_code_equals_a_loop_written_by_hand(x, cell):
    auto = network(cell)
    read = auto.encoder.recurrence
    for series, length, z in zip(x, LENGTHS, auto.encoder(x, LENGTHS), strict=True):
        h = c = torch.zeros(6, dtype=x.dtype)
        for value in series[:length]:
            new = read.weight_ih_l0 @ value + read.bias_ih_l0
            old = read.weight_hh_l0 @ h + read.bias_hh_l0
            if cell == "lstm":
                write, keep, content, show = (new + old).chunk(4)
                c = keep.sigmoid() * c + write.sigmoid() * content.tanh()
                h = show.sigmoid() * c.tanh()
            else:
                forget, keep = (new + old)[:12].sigmoid().chunk(2)
                h = keep * h + (1 - keep) * (new[12:] + forget * old[12:]).tanh()
        torch.testing.assert_close(z, auto.encoder.code(h))


@CELLS
def test_the_code_equals_that_of_a_packed_batch(x, cell):
    encoder = network(cell).encoder
    packed = pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    _, last = encoder.recurrence(packed)
    h = last[0] if cell == "lstm" else last
    torch.testing.assert_close(encoder(x, LENGTHS), encoder.code(h[0]))


@CELLS
def test_every_step_of_the_decoder_reads_the_code_and_nothing_else(cell):
    decoder = network(cell).decoder
    z = torch.randn(2, 3, dtype=torch.float64)
    states, _ = decoder.recurrence(torch.stack([z] * 5, 1))
    assert torch.equal(decoder(z, 5), decoder.output(states))
    torch.testing.assert_close(decoder(z, 5)[:, :2], decoder(z, 2))  # what comes later is unknown


# ---- padding


@CELLS
def test_the_code_of_a_padded_series_is_that_of_the_series_alone(x, cell):
    auto = network(cell)
    together = auto.encoder(x, LENGTHS)
    for series, length, z in zip(x, LENGTHS, together, strict=True):
        alone = auto.encoder(series[None, :length])[0]
        torch.testing.assert_close(z, alone, rtol=1e-13, atol=1e-15)
        doubled = torch.cat([series, torch.full_like(series, 1e9)])
        torch.testing.assert_close(
            z, auto.encoder(doubled[None], length[None])[0], rtol=1e-13, atol=1e-15
        )


@CELLS
def test_what_stands_in_the_padding_moves_no_weight(x, cell):
    auto = network(cell)
    gradients = []
    for filling in (0, 1e9, torch.inf, torch.nan):
        filled = x.masked_fill(beyond(LENGTHS), filling)
        loss = series_error(auto(filled, LENGTHS), filled, LENGTHS)
        gradients.append(torch.cat([g.flatten() for g in grads(loss, auto)]))
    assert all(torch.equal(gradient, gradients[0]) for gradient in gradients)


def grads(loss, net):
    return torch.autograd.grad(loss, list(net.parameters()))


def test_no_lengths_means_all_of_the_full_length():
    auto, x = network(), torch.randn(4, 7, 2, dtype=torch.float64)
    full = torch.full((4,), 7)
    assert torch.equal(auto.encoder(x), auto.encoder(x, full))
    assert torch.equal(series_error(auto(x), x), series_error(auto(x, full), x, full))


def test_the_codes_of_all_series_come_from_encode():
    auto, x = network(), torch.randn(9, 7, 2, dtype=torch.float64)
    torch.testing.assert_close(encode(auto.encoder, x, batch_size=4), auto.encoder(x))


@pytest.mark.parametrize("kind", [torch.int32, torch.int64, "numpy"])
def test_lengths_may_be_whole_numbers_of_any_kind(x, kind):
    auto = network()
    lengths = LENGTHS.numpy() if kind == "numpy" else LENGTHS.to(kind)
    assert torch.equal(auto.encoder(x, lengths), auto.encoder(x, LENGTHS))


# ---- the loss


def test_the_loss_sums_over_real_steps_and_features_and_averages_over_samples(x):
    x_hat = torch.randn(4, 7, 2, dtype=torch.float64)
    total = 0.0
    for i, length in enumerate(LENGTHS.tolist()):
        for step in range(length):
            total += sum((x_hat[i, step, f] - x[i, step, f]) ** 2 for f in range(2)) / 4
    torch.testing.assert_close(series_error(x_hat, x, LENGTHS), total)


def test_the_loss_has_the_right_gradient(x):
    x_hat = torch.randn(4, 7, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x_hat: series_error(x_hat, x, LENGTHS), x_hat)


# ---- bad input


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([7, 3, 0, 5], "lengths run from 0 to 7, expected 1 to 7"),
        ([8, 3, 1, 5], "lengths run from 1 to 8, expected 1 to 7"),
        ([7, -3, 1, 5], "lengths run from -3 to 7"),
        ([7.0, 3.0, 1.0, 5.0], r"lengths is torch.float32 of shape \(4,\), expected whole numbers"),
        ([True] * 4, "lengths is torch.bool"),
        ([7, 3, 1], r"lengths is torch.int64 of shape \(3,\), expected .* of shape \(4,\)"),
        ([[7], [3], [1], [5]], r"of shape \(4, 1\), expected"),
    ],
    ids=["empty", "too long", "negative", "float", "bool", "too few", "a column"],
)
def test_lengths_that_do_not_fit_are_named(x, lengths, message):
    auto = network()
    for act in (
        lambda: auto(x, torch.tensor(lengths)),
        lambda: series_error(x, x, torch.tensor(lengths)),
        lambda: train_recurrent(auto, x, torch.tensor(lengths), epochs(1), None),
    ):
        with pytest.raises(ValueError, match=message):
            act()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 7), r"x has shape \(4, 7\), expected \(n, t, features\)"),
        ((4, 0, 2), r"x has shape \(4, 0, 2\), .* each of at least 1"),
        ((0, 7, 2), r"x has shape \(0, 7, 2\)"),
        ((4, 7, 3), "x has 3 features a step, expected 2"),
    ],
    ids=["rows", "no step", "no series", "features"],
)
def test_series_that_do_not_fit_are_named(shape, message):
    with pytest.raises(ValueError, match=message):
        network()(torch.zeros(shape, dtype=torch.float64))


def test_an_unknown_cell_is_named():
    with pytest.raises(ValueError, match="cell='rnn', expected one of 'lstm', 'gru'"):
        network("rnn")


def test_a_reconstruction_of_another_length_is_named(x):
    with pytest.raises(ValueError, match=r"x_hat \(4, 6, 2\), x \(4, 7, 2\)"):
        series_error(x[:, :6], x)


# ---- training


def test_training_equals_a_loop_written_by_hand(x):
    auto = network()
    by_hand = deepcopy(auto)
    with seeded(1):
        optimizer = torch.optim.SGD(auto.parameters(), lr=0.1)
        train_recurrent(auto, x, LENGTHS, epochs(2), optimizer, batch_size=3)
    with seeded(1):
        for _ in range(2):
            for i in batches(4, 3):
                loss = sum(
                    (by_hand(x[j, :length][None]) - x[j, :length]).square().sum() / len(i)
                    for j, length in zip(i, LENGTHS[i], strict=True)
                )
                gradients = torch.autograd.grad(loss, list(by_hand.parameters()))
                for weights, gradient in zip(by_hand.parameters(), gradients, strict=True):
                    weights.data -= 0.1 * gradient
    assert_same_weights(auto, by_hand)


@CELLS
@DTYPES
def test_training_lowers_the_error(x, cell, dtype):
    auto, x = network(cell, dtype), x.to(dtype)
    before = series_error(auto(x, LENGTHS), x, LENGTHS)
    run = list(epochs(100))
    train_recurrent(auto, x, LENGTHS, run, torch.optim.Adam(auto.parameters(), lr=0.05))
    assert run[0].means()["reconstruction"] == pytest.approx(before.item())
    assert series_error(auto(x, LENGTHS), x, LENGTHS) < before / 2


def trained(threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        x = torch.from_numpy(np.random.default_rng(0).normal(size=(64, 12, 2)))
        with seeded(3):
            auto = network(hidden=16)
            optimizer = torch.optim.Adam(auto.parameters(), lr=0.01)
            train_recurrent(auto, x, None, epochs(2), optimizer, batch_size=32)
    finally:
        torch.set_num_threads(before)
    return auto


def test_the_same_seed_gives_the_same_weights_whatever_the_number_of_threads():
    assert_same_weights(trained(1), trained(2), exactly=True)
