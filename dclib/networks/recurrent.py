"""The recurrent autoencoder: an LSTM or a GRU that reads a series, and another that writes it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from dclib.loop import Epoch, batches, descend
from dclib.losses.reconstruction import padding, series_error, series_lengths

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}


class SeriesEncoder(nn.Module):
    """Read series step by step; the code is a linear map of the state after the last real step.

    Shapes: x (n, t, features), padded behind the end; lengths (n,), all t if not given; returns
    (n, code_size). What stands in the padding, NaN included, changes neither code nor gradient.
    Reading forward, the state at a series' last step cannot know what comes after it, so it is
    simply looked up. (Packing the batch gives the same numbers; it pays where two directions or
    several layers read, and it wants the lengths on the CPU.)

    >>> encoder = SeriesEncoder(features=1, hidden=8, code_size=3)
    >>> encoder(torch.zeros(2, 5, 1), lengths=torch.tensor([5, 2])).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        code_size: int,
        cell: str = "lstm",
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self.recurrence = _recurrence(cell, features, hidden, dtype)
        self.code = nn.Linear(hidden, code_size, dtype=dtype)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        beyond, lengths = padding(x, lengths)
        if x.shape[2] != self.recurrence.input_size:
            expected = self.recurrence.input_size
            raise ValueError(f"x has {x.shape[2]} features a step, expected {expected}")
        states, _ = self.recurrence(x.masked_fill(beyond, 0))
        return self.code(states[torch.arange(len(x), device=x.device), lengths - 1])


class SeriesDecoder(nn.Module):
    """Write series of `steps` steps: the code is the input of every step.

    Shapes: z (n, code_size), returns (n, steps, features). The decoder never sees what it has
    written, nor what it should have written: whatever it knows comes from the code.

    >>> SeriesDecoder(features=1, hidden=8, code_size=3)(torch.zeros(2, 3), steps=5).shape
    torch.Size([2, 5, 1])
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        code_size: int,
        cell: str = "lstm",
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self.recurrence = _recurrence(cell, code_size, hidden, dtype)
        self.output = nn.Linear(hidden, features, dtype=dtype)

    def forward(self, z: Tensor, steps: int) -> Tensor:
        states, _ = self.recurrence(z[:, None].expand(-1, steps, -1))
        return self.output(states)


class RecurrentAutoencoder(nn.Module):
    """A recurrent encoder and a recurrent decoder, for series of several lengths.

    Shapes: forward takes x (n, t, features) and lengths (n,), and returns (n, t, features), of
    which the first `lengths` steps count. Rows (n, t) of one feature enter as `x[:, :, None]`.
    Source: Srivastava, Mansimov and Salakhutdinov 2015, Sec. 2.2, the unconditioned decoder; there
    the decoder starts from the encoder's state and writes backwards, here a linear code between
    the two is its input at every step, and it writes forwards.

    >>> auto = RecurrentAutoencoder(features=1, hidden=8, code_size=3, cell="gru")
    >>> auto(torch.zeros(2, 5, 1)).shape
    torch.Size([2, 5, 1])
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        code_size: int,
        cell: str = "lstm",
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self.encoder = SeriesEncoder(features, hidden, code_size, cell, dtype)
        self.decoder = SeriesDecoder(features, hidden, code_size, cell, dtype)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self.decoder(self.encoder(x, lengths), x.shape[1])


def train_recurrent(
    auto: RecurrentAutoencoder,
    x: Tensor,
    lengths: Tensor | None,
    epochs: Iterable[Epoch],
    optimizer: torch.optim.Optimizer,
    batch_size: int = 256,
) -> None:
    """Train to rebuild the series x (n, t, features), each up to its length (None: all of it).

    >>> from dclib.loop import epochs
    >>> x, lengths = torch.eye(3)[:, :, None], torch.tensor([3, 2, 1])
    >>> auto = RecurrentAutoencoder(features=1, hidden=4, code_size=2)
    >>> before = series_error(auto(x, lengths), x, lengths)
    >>> train_recurrent(auto, x, lengths, epochs(20), torch.optim.Adam(auto.parameters(), lr=0.05))
    >>> bool(series_error(auto(x, lengths), x, lengths) < before)
    True
    """
    lengths = series_lengths(x, lengths)
    for epoch in epochs:
        for i in batches(len(x), batch_size):
            loss = series_error(auto(x[i], lengths[i]), x[i], lengths[i])
            descend(loss, optimizer)
            epoch.log(reconstruction=loss)


def _recurrence(cell: str, inputs: int, hidden: int, dtype: torch.dtype | None) -> nn.LSTM | nn.GRU:
    if cell not in CELLS:
        raise ValueError(f"cell={cell!r}, expected one of {', '.join(map(repr, CELLS))}")
    return CELLS[cell](inputs, hidden, batch_first=True, dtype=dtype)
