"""Heads: what stands behind the code and turns it into assignments."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dclib.assign import mixture, student_t


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


class Mixture(nn.Module):
    """A mixture of diagonal Gaussians as parameters; forward gives its responsibilities.

    Shapes: forward takes codes z (n, m) and returns gamma (n, k), rows sum to 1. Shares and
    variances are kept as logarithms, so that any step leaves them possible. Before `place` all
    components are N(0, I). Source: Jiang et al. 2017 (VaDE), the prior of the codes.

    >>> prior = Mixture(n_clusters=2, code_size=1)
    >>> ones = torch.ones(2, 1)
    >>> prior.place(torch.tensor([[0.0], [9.0]]), variances=ones, weights=ones[:, 0] / 2)
    >>> prior(torch.tensor([[0.0]])).argmax(1)
    tensor([0])
    >>> prior.draw(torch.tensor([0, 1, 1])).shape
    torch.Size([3, 1])
    """

    def __init__(self, n_clusters: int, code_size: int, dtype: torch.dtype | None = None):
        super().__init__()
        self.means = nn.Parameter(torch.zeros(n_clusters, code_size, dtype=dtype))
        self.log_vars = nn.Parameter(torch.zeros(n_clusters, code_size, dtype=dtype))
        self.scores = nn.Parameter(torch.zeros(n_clusters, dtype=dtype))

    @property
    def log_pi(self) -> Tensor:
        """Logarithms (k,) of the shares."""
        return self.scores.log_softmax(0)

    @torch.no_grad()
    def place(self, means: Tensor, variances: Tensor, weights: Tensor) -> None:
        """Set means and variances (k, m) and shares (k,)."""
        self.means.copy_(means)
        self.log_vars.copy_(variances.log())
        self.scores.copy_(weights.log())

    def forward(self, z: Tensor) -> Tensor:
        return mixture(z, self.means, self.log_vars.exp(), self.log_pi.exp())

    @torch.no_grad()
    def draw(self, labels: Tensor) -> Tensor:
        """Draw a code (n, m) from the component of each of the labels (n,)."""
        means = self.means[labels]
        return means + (self.log_vars[labels] / 2).exp() * torch.randn_like(means)
