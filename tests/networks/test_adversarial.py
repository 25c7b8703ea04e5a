"""The generative adversarial network: the two players, and who may move when."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from dclib.loop import encode, epochs
from dclib.losses import critic_loss, discriminator_loss, generator_loss, gradient_penalty
from dclib.networks import GAN, train_adversarial
from dclib.runtime import seeded
from dclib.schedules import Linear

pytestmark = pytest.mark.usefixtures("seeds")

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
LOSSES = pytest.mark.parametrize("loss", ["classic", "wasserstein"])


@pytest.fixture
def x():
    return torch.rand(20, 4, dtype=torch.float64)


def network(dtype=torch.float64):
    return GAN(3, [4, 8, 5], nn.Tanh, dtype)


def sgd(gan, generator=0.1, discriminator=0.1):
    return (
        torch.optim.SGD(gan.generator.parameters(), lr=generator),
        torch.optim.SGD(gan.discriminator.parameters(), lr=discriminator),
    )


def same(net, other):
    return all(map(torch.equal, net.parameters(), other.parameters()))


# ---- the network


@DTYPES
def test_shapes_and_dtypes(dtype):
    gan = network(dtype)
    fake = gan.sample(6)
    assert fake.shape == (6, 4)
    assert gan(fake).shape == (6,)
    assert gan.features(fake).shape == (6, 5)
    assert {part.dtype for part in (fake, gan(fake), gan.features(fake))} == {dtype}
    assert {weights.dtype for weights in gan.parameters()} == {dtype}


def test_the_generator_mirrors_the_discriminator(x):
    gan = network()
    assert [layer.in_features for layer in gan.generator[::2]] == [3, 5, 8]
    assert [layer.in_features for layer in gan.discriminator[::2]] == [4, 8, 5]
    torch.testing.assert_close(gan(x), gan.discriminator(x)[:, 0])
    torch.testing.assert_close(gan(x), gan.discriminator[-1](gan.features(x))[:, 0])
    assert encode(gan.features, x).shape == (20, 5)


def test_samples_follow_the_seed_and_are_never_twice_the_same():
    gan = network()
    with seeded(1):
        first, second = gan.sample(4), gan.sample(4)
    with seeded(1):
        again = gan.sample(4)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_a_gradient_reaches_every_parameter():
    gan = network()
    gan(gan.sample(9)).sum().backward()
    assert all(weights.grad.abs().sum() > 0 for weights in gan.parameters())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@LOSSES
def test_it_trains_on_a_gpu(loss):
    gan, x = network().to("cuda"), torch.rand(20, 4, dtype=torch.float64, device="cuda")
    train_adversarial(gan, x, epochs(2), *sgd(gan), loss=loss)
    assert gan.sample(3).device.type == "cuda"


# ---- the game


@LOSSES
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_training_equals_a_loop_written_by_hand(x, loss, steps):
    gan = network()
    by_hand = deepcopy(gan)
    with seeded(1):
        players = sgd(gan)
        settings = dict(batch_size=8, loss=loss, discriminator_steps=steps, penalty=2.0)
        train_adversarial(gan, x, epochs(3), *players, **settings)
    with seeded(1):
        done = 0
        for _ in range(3):
            for i in torch.randperm(20).split(8):
                fake = by_hand.sample(len(i)).detach()
                if loss == "classic":
                    value = discriminator_loss(by_hand(x[i]), by_hand(fake))
                else:
                    value = 2 * gradient_penalty(by_hand, x[i], fake)
                    value = value + critic_loss(by_hand(x[i]), by_hand(fake))
                down(by_hand.discriminator, value)
                done += 1
                if done % steps == 0:
                    scores = by_hand(by_hand.sample(len(i)))
                    value = generator_loss(scores) if loss == "classic" else -scores.mean()
                    down(by_hand.generator, value)
    for ours, theirs in zip(gan.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def down(net, value):
    gradients = torch.autograd.grad(value, list(net.parameters()))
    with torch.no_grad():
        for weights, gradient in zip(net.parameters(), gradients, strict=True):
            weights -= 0.1 * gradient


@LOSSES
def test_each_player_moves_its_own_weights_only(x, loss):
    gan = network()
    start = deepcopy(gan)
    train_adversarial(gan, x, epochs(1), *sgd(gan, generator=0), loss=loss)
    assert same(gan.generator, start.generator)
    assert not same(gan.discriminator, start.discriminator)
    gan = deepcopy(start)
    train_adversarial(gan, x, epochs(1), *sgd(gan, discriminator=0), loss=loss)
    assert not same(gan.generator, start.generator)
    assert same(gan.discriminator, start.discriminator)


@LOSSES
def test_the_discriminators_step_sends_no_gradient_to_the_generator(x, loss):
    gan = network()
    train_adversarial(gan, x, epochs(1), *sgd(gan), 20, loss, discriminator_steps=2)
    assert all(weights.grad is None for weights in gan.generator.parameters())
    assert all(weights.grad is not None for weights in gan.discriminator.parameters())


def test_the_discriminator_moves_first_and_each_player_sees_fresh_noise(x):
    gan, noise, order = network(), [], []
    gan.generator.register_forward_pre_hook(lambda _, inputs: noise.append(inputs[0]))
    players = sgd(gan)
    for name, player in zip(("generator", "discriminator"), players, strict=True):
        player.register_step_post_hook(lambda *_, name=name: order.append(name))
    train_adversarial(gan, x, epochs(2), *players, batch_size=20)
    assert order == ["discriminator", "generator"] * 2
    assert len({tuple(batch.flatten().tolist()) for batch in noise}) == 4


def test_steps_are_counted_over_the_end_of_an_epoch(x):
    gan, order = network(), []
    players = sgd(gan)
    players[0].register_step_post_hook(lambda *_: order.append("generator"))
    run = list(epochs(4))
    train_adversarial(gan, x, run, *players, batch_size=10, discriminator_steps=4)
    assert len(order) == 2  # 8 batches
    assert ["generator" in epoch.means() for epoch in run] == [False, True, False, True]


def test_the_penalty_may_follow_a_schedule(x):
    runs = []
    for penalty in (Linear(0, 0), Linear(0, 50)):
        gan, run = network(), list(epochs(2))
        for weights in gan.parameters():
            nn.init.constant_(weights, 0.1)
        with seeded(1):
            players = sgd(gan, 0, 0)
            train_adversarial(gan, x, run, *players, loss="wasserstein", penalty=penalty)
        runs.append([epoch.means()["discriminator"] for epoch in run])
    assert runs[0][0] == runs[1][0]
    assert runs[0][1] < runs[1][1] - 10  # a nearly flat critic: the penalty is close to 1


@LOSSES
def test_training_brings_the_samples_to_the_data(loss):
    x = 3 + 0.5 * torch.randn(256, 2, dtype=torch.float64)
    gan = GAN(2, [2, 16], dtype=torch.float64)
    before = (gan.sample(500).mean(0) - 3).norm()
    nets = (gan.generator, gan.discriminator)
    players = [torch.optim.Adam(net.parameters(), lr=0.01, betas=(0.5, 0.9)) for net in nets]
    train_adversarial(gan, x, epochs(50), *players, 64, loss, penalty=1.0)
    assert (gan.sample(500).mean(0) - 3).norm() < before / 3


@LOSSES
def test_same_seed_same_weights_whatever_the_number_of_threads(x, loss):
    threads, trained = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            with seeded(1):
                gan = network()
                train_adversarial(gan, x, epochs(5), *sgd(gan), loss=loss)
            trained.append(gan)
    finally:
        torch.set_num_threads(threads)
    assert same(*trained)


# ---- bad input


def test_refuses_what_does_not_fit(x):
    for noise_size in (0, 2.5, True):
        with pytest.raises(ValueError, match=r"noise_size=.*expected a whole number of at least 1"):
            GAN(noise_size, [4, 8])
    with pytest.raises(ValueError, match=r"sizes=\[4\], expected an input size and at least one"):
        GAN(3, [4])
    gan = network()
    for call in (gan, gan.features):
        with pytest.raises(ValueError, match=r"x has shape \(20, 3\), expected \(n, 4\)"):
            call(x[:, :3])
    with pytest.raises(ValueError, match="n=0, expected a whole number of at least 1"):
        gan.sample(0)
    with pytest.raises(ValueError, match="loss='hinge', expected 'classic' or 'wasserstein'"):
        train_adversarial(gan, x, epochs(1), *sgd(gan), loss="hinge")
    with pytest.raises(ValueError, match="discriminator_steps=0, expected a whole number"):
        train_adversarial(gan, x, epochs(1), *sgd(gan), discriminator_steps=0)
