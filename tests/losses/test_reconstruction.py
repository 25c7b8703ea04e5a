"""The reconstruction loss: hand value, rival, gradient, bad input."""

import pytest
import torch
from torch.autograd import gradcheck

from dclib.losses import squared_error


def test_by_hand():
    x_hat, x = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[1.0, 0.0], [3.0, 4.0]])
    assert squared_error(x_hat, x) == (4 + 25) / 2


@pytest.mark.parametrize("shape", [(5, 3), (5, 2, 4, 3)], ids=["rows", "images"])
def test_sums_over_a_sample_and_means_over_samples(shape):
    x_hat, x = torch.rand(shape), torch.rand(shape)
    slow = sum(float(((a - b) ** 2).sum()) for a, b in zip(x_hat, x, strict=True)) / 5
    assert squared_error(x_hat, x).item() == pytest.approx(slow)


def test_gradient():
    x_hat, x = (torch.rand(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert gradcheck(squared_error, (x_hat, x))


def test_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"x_hat \(5, 3\), x \(5, 1\); expected the same shape"):
        squared_error(torch.rand(5, 3), torch.rand(5, 1))
