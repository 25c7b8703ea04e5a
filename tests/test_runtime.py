"""Device, dtype and seed."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from dclib import runtime

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


# ---- device


@pytest.mark.parametrize(
    ("cuda", "mps", "dtype", "chosen"),
    [
        (True, False, torch.float64, "cuda:0"),
        (False, True, torch.float32, "mps"),
        (False, True, torch.float64, "cpu"),  # Apple's GPU has no float64
        (False, False, torch.float32, "cpu"),
    ],
)
def test_auto_takes_the_gpu_that_knows_the_dtype(monkeypatch, cuda, mps, dtype, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert runtime.device("auto", dtype) == torch.device(chosen)


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "meta", "", None, 1.5])
def test_device_that_cannot_be_used_is_named(name):
    with pytest.raises(ValueError, match=f"device={name!r} cannot be used here .*expected 'auto'"):
        runtime.device(name, torch.float32)


def test_float64_is_refused_where_the_device_has_none(monkeypatch):
    nothing = torch.empty(0)
    monkeypatch.setattr(torch, "empty", lambda *size, device: nothing)
    assert runtime.device("mps", torch.float32).type == "mps"
    with pytest.raises(ValueError, match="device='mps' has no float64; expected float32"):
        runtime.device("mps", torch.float64)


# ---- seed


def test_seed_reads_every_kind_of_random_state():
    assert runtime.seed(0) == 0
    assert runtime.seed(7) == runtime.seed(np.int64(7)) == 7
    first, second = np.random.RandomState(0), np.random.RandomState(0)
    assert runtime.seed(first) == runtime.seed(second)
    assert runtime.seed(first) != runtime.seed(np.random.RandomState(0))  # it has moved on


def test_seed_none_is_fresh_and_leaves_numpy_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert runtime.seed(None) != runtime.seed(None)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("value", [-1, 1.0, "one", True])
def test_seed_refuses_what_is_no_seed(value):
    with pytest.raises(ValueError, match=f"random_state={value!r}, expected None, a whole number"):
        runtime.seed(value)


def draw(*parts):
    with runtime.seeded(*parts):
        return torch.rand(3)


def test_seeded_repeats_and_each_part_counts():
    assert torch.equal(draw(0, "build"), draw(0, "build"))
    assert not torch.equal(draw(0, "build"), draw(1, "build"))
    assert not torch.equal(draw(0, "build"), draw(0, "refine"))
    assert not torch.equal(draw(1, 23), draw(12, 3))


def test_seeded_leaves_the_outside_alone_also_when_it_fails():
    before = torch.get_rng_state()
    with pytest.raises(KeyError), runtime.seeded(0):
        torch.rand(5)
        raise KeyError
    assert torch.equal(torch.get_rng_state(), before)


def test_seeded_on_the_cpu_does_not_reseed_the_gpus(monkeypatch):
    def refuse(seed):
        raise AssertionError("every GPU of the caller got a new seed")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", refuse)
    with runtime.seeded(0, device=torch.device("cpu")):
        torch.rand(1)


def test_untouched_restores_whatever_is_drawn():
    before = torch.get_rng_state()
    with runtime.untouched():
        torch.rand(5)
    assert torch.equal(torch.get_rng_state(), before)


def test_draw_seed_follows_torch():
    with runtime.seeded(0):
        seeds = [runtime.draw_seed() for _ in range(3)]
    with runtime.seeded(0):
        assert [runtime.draw_seed() for _ in range(3)] == seeds
    assert len(set(seeds)) == 3


def test_random_states_continue_where_they_were_read():
    cpu = torch.device("cpu")
    with runtime.untouched():
        states = runtime.random_states(cpu)
        expected = torch.rand(4)
        runtime.set_random_states(states, cpu)
        assert torch.equal(torch.rand(4), expected)


# ---- the same on a GPU, and on a generator that stands in for it


@pytest.fixture(params=["stand-in", pytest.param("real", marks=CUDA)])
def draw_on_gpu(request, monkeypatch):
    """A function that draws from the generator of "cuda:0"."""
    if request.param == "real":
        return lambda: torch.rand(4, device="cuda:0").cpu()
    generator = torch.Generator()
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: generator.get_state())
    monkeypatch.setattr(
        torch.cuda, "set_rng_state", lambda state, device: generator.set_state(state)
    )
    monkeypatch.setattr(torch.cuda, "manual_seed", generator.manual_seed)
    return lambda: torch.rand(4, generator=generator)


GPU = torch.device("cuda", 0)


def test_the_gpu_is_seeded_and_restored(draw_on_gpu):
    with runtime.seeded(0, device=GPU):
        first = draw_on_gpu()
    draw_on_gpu()
    before = torch.cuda.get_rng_state(GPU)
    with runtime.seeded(0, device=GPU):
        assert torch.equal(draw_on_gpu(), first)
    assert torch.equal(torch.cuda.get_rng_state(GPU), before)


def test_the_gpu_continues_where_it_was_read(draw_on_gpu):
    with runtime.seeded(0, device=GPU):
        states = runtime.random_states(GPU)
        expected = torch.rand(4), draw_on_gpu()
        runtime.set_random_states(states, GPU)
        assert torch.equal(torch.rand(4), expected[0])
        assert torch.equal(draw_on_gpu(), expected[1])


def test_a_checkpoint_of_the_cpu_continues_on_the_gpu(draw_on_gpu):
    with runtime.seeded(0, device=GPU):
        states = runtime.random_states(torch.device("cpu"))
        expected = torch.rand(4)
        runtime.set_random_states(states, GPU)
        assert torch.equal(torch.rand(4), expected)


def test_apples_gpu_is_seeded(monkeypatch):
    seeds = []
    monkeypatch.setattr(torch.mps, "manual_seed", seeds.append)
    for part in (0, 0, 1):
        with runtime.seeded(part, device=torch.device("mps")):
            pass
    assert seeds[0] == seeds[1] != seeds[2]
