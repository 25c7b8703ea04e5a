"""The four verbs of the training loop."""

import numpy as np
import pytest
import torch
from torch import nn

from dclib.loop import Epoch, batches, descend, encode, epochs
from dclib.runtime import seeded

# ---- epochs


def test_progress_runs_from_0_to_1():
    assert [epoch.t for epoch in epochs(5)] == [0, 0.25, 0.5, 0.75, 1]
    assert [epoch.t for epoch in epochs(2)] == [0, 1]
    assert [epoch.t for epoch in epochs(1)] == [0]
    assert list(epochs(0)) == []


def test_a_later_start_keeps_number_and_progress():
    assert [(epoch.number, epoch.t) for epoch in epochs(5, start=3)] == [(3, 0.75), (4, 1)]


def test_log_means_each_loss_over_its_own_steps():
    epoch = Epoch(0, 1)
    epoch.log(a=torch.tensor(1.0), b=torch.tensor(5.0))
    epoch.log(a=torch.tensor(2.0, requires_grad=True))
    assert epoch.means() == {"a": 1.5, "b": 5.0}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_means_that_are_not_finite_stop_the_run(value):
    epoch = Epoch(3, 5)
    epoch.log(kl=torch.tensor(value))
    with pytest.raises(FloatingPointError, match=f"kl is {value} in epoch 3; try a smaller"):
        epoch.means()


# ---- batches


@pytest.mark.parametrize(("n", "size", "sizes"), [(7, 3, [3, 3, 1]), (6, 3, [3, 3]), (2, 9, [2])])
def test_batches_hold_every_row_number_once(n, size, sizes):
    cut = batches(n, size)
    assert [len(i) for i in cut] == sizes
    assert sorted(torch.cat(cut).tolist()) == list(range(n))


def test_the_size_of_a_batch_may_be_a_number_of_numpy():
    assert [len(i) for i in batches(5, np.int32(2))] == [2, 2, 1]


def test_batches_are_shuffled_anew_and_repeat_with_the_seed():
    with seeded(0):
        first, second = torch.cat(batches(50, 7)), torch.cat(batches(50, 7))
    with seeded(0):
        assert torch.equal(torch.cat(batches(50, 7)), first)
    assert not torch.equal(first, second)
    assert not torch.equal(first, torch.arange(50))


# ---- descend


def test_descend_is_one_step_down_the_gradient():
    w = nn.Parameter(torch.tensor([3.0, -1.0]))
    optimizer = torch.optim.SGD([w], lr=0.1)
    for expected in ([2.4, -0.8], [1.92, -0.64]):  # w - 0.1 * 2w: the old gradient is cleared
        descend(w.square().sum(), optimizer)
        torch.testing.assert_close(w.data, torch.tensor(expected))


def test_descend_steps_every_optimizer():
    a, b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    descend((a * b).sum(), torch.optim.SGD([a], lr=1.0), torch.optim.SGD([b], lr=0.5))
    assert (a.item(), b.item()) == (0.0, 0.5)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_descend_refuses_a_loss_that_is_not_finite_before_any_weight_moves(bad):
    w = nn.Parameter(torch.ones(1))
    with pytest.raises(FloatingPointError, match=f"the loss is {bad}; try a smaller learning rate"):
        descend((w * bad).sum(), torch.optim.SGD([w], lr=0.1))
    assert w.item() == 1
    assert w.grad is None


# ---- encode


def test_encode_goes_batch_by_batch_and_keeps_the_order():
    seen = []

    def double(rows):
        seen.append(len(rows))
        return 2 * rows

    x = torch.arange(7.0)[:, None]
    assert torch.equal(encode(double, x, batch_size=3), 2 * x)
    assert seen == [3, 3, 1]


@pytest.mark.parametrize("training", [True, False])
def test_encode_switches_dropout_off_and_leaves_the_mode_as_it_was(training):
    net = nn.Dropout(0.9).train(training)
    assert torch.equal(encode(net, torch.ones(5, 4)), torch.ones(5, 4))
    assert net.training is training


def test_encode_carries_no_gradient_but_may_enter_a_loss():
    net = nn.Linear(2, 1)
    z = encode(net, torch.ones(3, 2))
    assert not z.requires_grad
    (net(torch.ones(3, 2)) - z).square().sum().backward()
    assert net.weight.grad is not None


def test_encode_returns_the_dtype_of_the_data():
    assert encode(lambda rows: rows.bfloat16(), torch.ones(2, 2)).dtype == torch.float32


def test_even_batches_differ_by_at_most_one():
    sizes = [len(batch) for batch in batches(11, 5, even=True)]
    assert sorted(sizes) == [3, 4, 4]
    assert torch.cat(batches(11, 5, even=True)).sort().values.tolist() == list(range(11))
    assert [len(batch) for batch in batches(10, 5, even=True)] == [5, 5]
