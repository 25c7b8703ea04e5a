"""Heads: what stands behind the code and turns it into assignments."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dclib.assign import student_t


class Centers(nn.Module):
    """Cluster centers as parameters; forward gives DEC's soft assignments.

    Shapes: forward takes codes z (n, m) and returns q (n, k), rows sum to 1. The centers start at
    zero and are placed by `place`. Source: Xie et al. 2016 (DEC), Eq. 1.

    >>> centers = Centers(n_clusters=2, code_size=1)
    >>> centers.place(torch.tensor([[0.0], [3.0]]))
    >>> centers(torch.tensor([[0.0]])).argmax(1)
    tensor([0])
    """

    def __init__(self, n_clusters: int, code_size: int, dtype: torch.dtype | None = None):
        super().__init__()
        self.position = nn.Parameter(torch.zeros(n_clusters, code_size, dtype=dtype))

    @torch.no_grad()
    def place(self, position: Tensor) -> None:
        """Put the centers at `position` (k, m)."""
        self.position.copy_(position)

    def forward(self, z: Tensor) -> Tensor:
        return student_t(z, self.position)
