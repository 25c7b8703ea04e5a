"""The reconstruction loss: hand value, rival, gradient, bad input."""

import pytest
import torch
from torch.autograd import gradcheck

from dclib.losses import squared_error


def test_by_hand():
    x_hat, x = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[1.0, 0.0], [3.0, 4.0]])
    assert squared_error(x_hat, x) == (4 + 25) / 2


@pytest.mark.parametrize("shape", [(5, 3), (5, 2, 4, 3)], ids=["rows", "images"])
def test_is_torch_mse_times_the_numbers_in_a_sample(shape):
    x_hat, x = torch.rand(shape), torch.rand(shape)
    rival = torch.nn.functional.mse_loss(x_hat, x) * x[0].numel()
    torch.testing.assert_close(squared_error(x_hat, x), rival)


def test_gradient():
    x_hat, x = (torch.rand(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert gradcheck(squared_error, (x_hat, x))


def test_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"x_hat \(5, 3\), x \(5, 1\); expected the same shape"):
        squared_error(torch.rand(5, 3), torch.rand(5, 1))
