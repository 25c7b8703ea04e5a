"""The adversarial losses: hand values, rivals, the optimum, the penalty, gradients, bad input."""

import math

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from dclib.losses import critic_loss, discriminator_loss, generator_loss, gradient_penalty
from dclib.runtime import seeded

pytestmark = pytest.mark.usefixtures("seeds")

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


def normal(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype)


# ---- the classic game


def test_by_hand():
    real, fake = torch.tensor([0.0, math.log(3)]), torch.tensor([-math.log(3)])
    # D(x) is 1/2 and 3/4, D(G(z)) is 1/4
    assert discriminator_loss(real, fake).item() == pytest.approx(
        (math.log(2) + math.log(4 / 3)) / 2 + math.log(4 / 3)
    )
    assert generator_loss(fake).item() == pytest.approx(math.log(4))
    assert critic_loss(real, fake).item() == pytest.approx(-math.log(3) - math.log(3) / 2)


@DTYPES
@pytest.mark.parametrize("shape", [(), (1,)], ids=["n", "n by 1"])
def test_classic_losses_equal_torch(dtype, shape):
    real, fake = normal(7, *shape, dtype=dtype), normal(5, *shape, dtype=dtype)
    ones, zeros = torch.ones_like(fake), torch.zeros_like(fake)
    rival = cross_entropy(real, torch.ones_like(real)) + cross_entropy(fake, zeros)
    torch.testing.assert_close(discriminator_loss(real, fake), rival)
    torch.testing.assert_close(generator_loss(fake), cross_entropy(fake, ones))
    assert discriminator_loss(real, fake).dtype == generator_loss(fake).dtype == dtype


def test_the_losses_equal_slow_loops_over_probabilities():
    real, fake = normal(7), normal(5)

    def probability(score):
        return 1 / (1 + math.exp(-score))

    value = sum(math.log(probability(score)) for score in real) / 7
    value += sum(math.log(1 - probability(score)) for score in fake) / 5
    assert discriminator_loss(real, fake).item() == pytest.approx(-value)
    wish = -sum(math.log(probability(score)) for score in fake) / 5
    assert generator_loss(fake).item() == pytest.approx(wish)


@pytest.mark.parametrize("score", [-1e4, 1e4])
def test_huge_scores_have_finite_losses_and_gradients(score):
    real = torch.tensor([score], requires_grad=True)
    fake = torch.tensor([score], requires_grad=True)
    (discriminator_loss(real, fake) + generator_loss(fake)).backward()
    assert discriminator_loss(real, fake).item() == pytest.approx(1e4)
    assert real.grad.isfinite().all()
    assert fake.grad.isfinite().all()


def test_gradients():
    real, fake = normal(7).requires_grad_(), normal(5).requires_grad_()
    assert gradcheck(discriminator_loss, (real, fake))
    assert gradcheck(generator_loss, fake)
    assert gradcheck(critic_loss, (real, fake))
    assert gradgradcheck(discriminator_loss, (real, fake))


def test_the_generator_is_pushed_where_the_discriminator_is_sure():
    fake = torch.tensor([-20.0], requires_grad=True)  # D(G(z)) is 2e-9
    generator_loss(fake).backward()
    assert fake.grad.item() == pytest.approx(-1)
    saturating = torch.tensor([-20.0], requires_grad=True)
    (-nn.functional.softplus(saturating)).sum().backward()  # log(1 - D(G(z)))
    assert abs(saturating.grad.item()) < 1e-8


def test_the_best_discriminator_of_two_known_densities():
    """Goodfellow et al. 2014, Prop. 1 and Thm. 1: p / (p + q), and 2 log 2 - 2 JSD."""
    p, q = torch.tensor([0.7, 0.2, 0.1]).double(), torch.tensor([0.1, 0.3, 0.6]).double()
    rows = [torch.arange(3).repeat_interleave((10 * part).round().long()) for part in (p, q)]
    logits = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=100, tolerance_grad=1e-12)

    def closure():
        optimizer.zero_grad()
        loss = discriminator_loss(logits[rows[0]], logits[rows[1]])
        loss.backward()
        return loss

    optimizer.step(closure)
    torch.testing.assert_close(logits.sigmoid().detach(), p / (p + q), atol=1e-5, rtol=0)
    middle = (p + q) / 2
    divergence = ((p * (p / middle).log()).sum() + (q * (q / middle).log()).sum()) / 2
    assert closure().item() == pytest.approx(2 * math.log(2) - 2 * divergence.item())


# ---- the gradient penalty


@DTYPES
@pytest.mark.parametrize("length", [0.0, 0.5, 1.0, 3.0])
def test_penalty_of_a_linear_critic_is_exact(length, dtype):
    w = length * torch.tensor([0.6, 0.8], dtype=dtype)
    real, fake = normal(6, 2, dtype=dtype), normal(6, 2, dtype=dtype)
    penalty = gradient_penalty(lambda x: x @ w, real, fake)
    assert penalty.item() == pytest.approx((length - 1) ** 2, abs=1e-6)
    assert penalty.dtype == dtype


@pytest.mark.parametrize("shape", [(3,), (2, 4, 3)], ids=["rows", "images"])
def test_penalty_equals_a_slow_loop(shape):
    real, fake = normal(5, *shape), normal(5, *shape)

    def critic(x):
        return (x**3).flatten(1).sum(1, keepdim=True)

    with seeded(1):
        penalty = gradient_penalty(critic, real, fake)
    with seeded(1):
        share = torch.rand(5, dtype=torch.float64)
    total = 0.0
    for i in range(5):
        point = share[i] * real[i] + (1 - share[i]) * fake[i]
        total += (float((3 * point**2).square().sum().sqrt()) - 1) ** 2  # the slope of x cubed
    assert penalty.item() == pytest.approx(total / 5)


def test_penalty_looks_between_real_and_fake_only():
    seen = []

    def critic(x):
        seen.append(x.detach())
        return x.sum(1)

    gradient_penalty(critic, torch.ones(500, 1), torch.zeros(500, 1))
    assert 0 <= seen[0].min() < 0.05
    assert 0.95 < seen[0].max() <= 1


def test_penalty_gradient_is_a_second_derivative():
    real, fake = normal(4, 3), normal(4, 3)
    first, second = normal(5, 3).requires_grad_(), normal(5).requires_grad_()

    def penalty(first, second):
        with seeded(1):  # the same points at each call
            return gradient_penalty(lambda x: (x @ first.T).tanh() @ second, real, fake)

    assert gradcheck(penalty, (first, second))
    assert gradgradcheck(penalty, (first, second))


def test_penalty_leaves_samples_alone_and_a_flat_critic_finite():
    real, fake = normal(4, 3).requires_grad_(), normal(4, 3).requires_grad_()
    weight = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    penalty = gradient_penalty(lambda x: (x @ weight).relu(), real, fake)  # slope 0 everywhere
    penalty.backward()
    assert penalty.item() == 1
    assert real.grad is None
    assert fake.grad is None
    assert weight.grad.isfinite().all()


# ---- bad input


@pytest.mark.parametrize("shape", [(), (0,), (4, 2), (2, 2, 1)])
def test_refuses_what_is_not_one_score_a_sample(shape):
    good, bad = torch.zeros(3), torch.zeros(shape)
    for call in (
        lambda: generator_loss(bad),
        lambda: discriminator_loss(good, bad),
        lambda: critic_loss(good, bad),
    ):
        with pytest.raises(ValueError, match=r"fake has shape .*, expected \(n,\)"):
            call()
    with pytest.raises(ValueError, match="real has shape"):
        critic_loss(bad, good)


def test_penalty_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"real \(3, 2\), fake \(4, 2\); expected the same shape"):
        gradient_penalty(lambda x: x.sum(1), torch.zeros(3, 2), torch.zeros(4, 2))
