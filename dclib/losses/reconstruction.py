"""How far a reconstruction is from its input: the autoencoder's network loss."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import mse_loss

from dclib import check


def squared_error(x_hat: Tensor, x: Tensor) -> Tensor:
    """Squared distance between reconstructions and inputs, summed over features.

    Shapes: x_hat and x (n, d) or (n, c, h, w). Returns the mean over the n samples, in
    [0, inf), in squared units of x. Source: Guo et al. 2017 (IDEC), L_r, divided by n so that it
    does not grow with the batch. Keras' and PyTorch's "MSE" divide by d as well: whoever
    copies a weight or a learning rate from such code must divide by d too.

    >>> import torch
    >>> squared_error(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]))
    tensor(25.)
    """
    check.same_shape(x_hat=x_hat, x=x)
    return mse_loss(x_hat, x, reduction="sum") / len(x)
