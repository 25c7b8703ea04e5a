"""The restricted Boltzmann machine, and the deep belief network: a stack of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, softplus

from dclib.loop import Epoch, batches, descend, encode
from dclib.losses import squared_error
from dclib.networks.autoencoder import Autoencoder


class RBM(nn.Module):
    """A restricted Boltzmann machine: binary visible and hidden units, tied by weights.

    p(v, h) = exp(b v + c h + h W v) / Z, with W `weight` (hidden, visible) and the biases b of the
    visible and c of the hidden units. Numbers between 0 and 1 in v, as the grey of a pixel, are
    taken for the probabilities of their units. With `gaussian`, v are any real numbers, of
    variance 1 around their mean given h: -|v - b|^2 / 2 stands in place of b v.

    Shapes: v (n, visible), h (n, hidden); forward takes v and returns the probabilities that the
    hidden units are 1, the code. Source: Hinton 2002; the small Gaussian weights of the start are
    those of Hinton 2010 (A practical guide), Sec. 8; the Gaussian visible units of its Sec. 13.2.

    >>> rbm = RBM(64, 10)
    >>> rbm(torch.zeros(7, 64)).shape, rbm.free_energy(torch.zeros(7, 64)).shape
    (torch.Size([7, 10]), torch.Size([7]))
    """

    def __init__(
        self, visible: int, hidden: int, dtype: torch.dtype | None = None, gaussian: bool = False
    ):
        super().__init__()
        for name, size in (("visible", visible), ("hidden", hidden)):
            if size < 1:
                raise ValueError(f"{name}={size}, expected at least one unit")
        self.gaussian = gaussian
        self.weight = nn.Parameter(torch.empty(hidden, visible, dtype=dtype))
        self.visible_bias = nn.Parameter(torch.zeros(visible, dtype=dtype))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden, dtype=dtype))
        nn.init.normal_(self.weight, std=0.01)

    def forward(self, v: Tensor) -> Tensor:
        """Give p(h = 1 | v), one number a hidden unit."""
        return self._above(v).sigmoid()

    def rebuild(self, h: Tensor) -> Tensor:
        """Give the mean of v given h, which of binary units is p(v = 1 | h)."""
        _width("h", h, len(self.hidden_bias))
        mean = linear(h, self.weight.T, self.visible_bias)
        return mean if self.gaussian else mean.sigmoid()

    def free_energy(self, v: Tensor) -> Tensor:
        """Give F(v) = -log of the sum over all h of exp(b v + c h + h W v): (n,), in nats.

        The probability (with `gaussian`, the density) of v is exp(-F(v)) / Z.
        """
        hidden = softplus(self._above(v)).sum(1)
        if self.gaussian:
            return (v - self.visible_bias).square().sum(1) / 2 - hidden
        return -v @ self.visible_bias - hidden

    @torch.no_grad()
    def gibbs(self, v: Tensor, steps: int = 1) -> Tensor:
        """Draw h given v, then v given h, `steps` times; returns the last v."""
        if steps < 1:
            raise ValueError(f"steps={steps}, expected at least 1")
        for _ in range(steps):
            h = _draw(self(v))
            mean = self.rebuild(h)
            v = mean + torch.randn_like(mean) if self.gaussian else _draw(mean)
        return v

    def _above(self, v: Tensor) -> Tensor:
        _width("v", v, len(self.visible_bias))
        return linear(v, self.weight, self.hidden_bias)


def log_partition(rbm: RBM) -> Tensor:
    """Sum exp(b v + c h + h W v) over all states of a small machine; returns log Z, in nats.

    Visits every state of the smaller layer, which may have at most 20 units; the sum over the
    other layer has a closed form. The exact log-likelihood of v is -free_energy(v) - log Z, and
    its exact gradient flows. ValueError for Gaussian visible units.

    >>> rbm = RBM(3, 2)
    >>> _ = nn.init.zeros_(rbm.weight)
    >>> round(log_partition(rbm).exp().item())  # 2^5 states of weight 1
    32
    """
    if rbm.gaussian:
        raise ValueError("rbm has Gaussian visible units, expected binary ones")
    weight, bias, other_bias = rbm.weight, rbm.visible_bias, rbm.hidden_bias
    if len(weight) < weight.shape[1]:
        weight, bias, other_bias = weight.T, other_bias, bias
    if len(bias) > 20:
        raise ValueError(f"the smaller layer has {len(bias)} units, expected at most 20")
    bits = list(itertools.product((0, 1), repeat=len(bias)))
    states = torch.tensor(bits, dtype=weight.dtype, device=weight.device)
    return (states @ bias + softplus(linear(states, weight, other_bias)).sum(1)).logsumexp(0)


def contrastive_divergence(rbm: RBM, v: Tensor, fantasy: Tensor) -> Tensor:
    """Free energy of the data above that of the machine's own samples, in nats.

    Shapes: v (n, visible); fantasy (n', visible), from a Gibbs chain: `rbm.gibbs(v, k)` for CD-k.
    Returns the difference of the two means. Only its gradient has a meaning: the data's phase
    minus the machine's phase, the gradient of -log p(v) where the fantasies are samples of p.
    Its value may have either sign and is no measure of progress. Source: Hinton 2002, with the
    hidden units summed out instead of drawn.

    >>> rbm, v = RBM(3, 2), torch.eye(3)
    >>> contrastive_divergence(rbm, v, fantasy=v).item()
    0.0
    """
    return rbm.free_energy(v).mean() - rbm.free_energy(fantasy.detach()).mean()


def train_rbm(
    rbm: RBM,
    x: Tensor,
    epochs: Iterable[Epoch],
    optimizer: torch.optim.Optimizer,
    batch_size: int = 64,
    steps: int = 1,
    persistent: bool = False,
) -> None:
    """Train a machine on x (n, visible) by contrastive divergence.

    Binary visible units take numbers from 0 to 1, else ValueError.

    The chains start at the rows of each batch and run for `steps` (CD-k); persistent ones start
    at the first batch and go on from where they stood (Tieleman 2008). The squared error of the
    rebuilt rows is logged beside the loss. Neither is what is being minimised.

    >>> from dclib.loop import epochs
    >>> rbm, x = RBM(3, 2), torch.eye(3)
    >>> train_rbm(rbm, x, epochs(5), torch.optim.SGD(rbm.parameters(), lr=0.1))
    """
    if not rbm.gaussian and (x.min() < 0 or x.max() > 1):
        lowest, highest = x.min().item(), x.max().item()
        raise ValueError(f"x goes from {lowest:g} to {highest:g}, expected numbers from 0 to 1")
    chains = None
    for epoch in epochs:
        for i in batches(len(x), batch_size):
            rows = x[i]
            start = chains if persistent and chains is not None else rows
            chains = rbm.gibbs(start, steps)
            loss = contrastive_divergence(rbm, rows, chains)
            descend(loss, optimizer)
            with torch.no_grad():
                error = squared_error(rbm.rebuild(rbm(rows)), rows)
            epoch.log(contrast=loss, reconstruction=error)


class DeepBelief(nn.Module):
    """A stack of restricted Boltzmann machines: the code of each is the data of the next.

    Shapes: sizes (d, ..., m); `encoder` takes x (n, d) and returns the probabilities of the
    topmost hidden units (n, m); forward goes up and down again and returns a reconstruction
    (n, d). With `gaussian`, the visible units of the first machine are. Source: Hinton, Osindero
    and Teh 2006.

    >>> dbn = DeepBelief([64, 32, 5])
    >>> dbn(torch.zeros(7, 64)).shape, dbn.encoder(torch.zeros(7, 64)).shape
    (torch.Size([7, 64]), torch.Size([7, 5]))
    """

    def __init__(
        self, sizes: Sequence[int], dtype: torch.dtype | None = None, gaussian: bool = False
    ):
        super().__init__()
        if len(sizes) < 2:
            raise ValueError(f"sizes={sizes!r}, expected at least an input and a code size")
        first, *others = itertools.pairwise(sizes)
        machines = [RBM(*first, dtype, gaussian), *(RBM(*pair, dtype) for pair in others)]
        self.encoder = nn.Sequential(*machines)

    def forward(self, x: Tensor) -> Tensor:
        h = self.encoder(x)
        for rbm in reversed(self.encoder):
            h = rbm.rebuild(h)
        return h

    @torch.no_grad()
    def sample(self, n: int, steps: int = 1000) -> Tensor:
        """Draw n samples (n, d): a Gibbs chain in the topmost machine, then one pass down.

        Every chain begins with tossed coins. The units between are drawn; of the visible ones
        the means are returned, the probabilities where they are binary.
        """
        *below, top = self.encoder
        coins = _draw(top.visible_bias.new_full((n, len(top.visible_bias)), 0.5))
        h = top.gibbs(coins, steps)
        if not below:
            return top.rebuild(_draw(top(h)))
        for rbm in reversed(below[1:]):
            h = _draw(rbm.rebuild(h))
        return below[0].rebuild(h)

    @torch.no_grad()
    def unroll(self) -> Autoencoder:
        """Copy the weights into an autoencoder, to be fine-tuned by back-propagation.

        At first it computes what forward computes: the decoder has the transposed weights, and
        a sigmoid stands also behind the code and, for binary units, behind the output. From then
        on encoder and decoder go their own ways. `encoder[:-1]` gives the code before its sigmoid.
        Source: Hinton and Salakhutdinov 2006, Fig. 1, who give the topmost machine linear units
        instead.
        """
        first = self.encoder[0].weight
        sizes = [first.shape[1], *(len(rbm.weight) for rbm in self.encoder)]
        auto = Autoencoder(sizes, nn.Sigmoid, first.dtype).to(first.device)
        pairs = zip(auto.encoder[::2], reversed(auto.decoder[::2]), strict=True)
        for rbm, (up, down) in zip(self.encoder, pairs, strict=True):
            up.weight.copy_(rbm.weight)
            up.bias.copy_(rbm.hidden_bias)
            down.weight.copy_(rbm.weight.T)
            down.bias.copy_(rbm.visible_bias)
        auto.encoder.append(nn.Sigmoid())
        if not self.encoder[0].gaussian:
            auto.decoder.append(nn.Sigmoid())
        return auto


def train_belief(
    dbn: DeepBelief,
    x: Tensor,
    epochs: Callable[[str, torch.optim.Optimizer], Iterable[Epoch]],
    lr: float | Sequence[float],
    batch_size: int = 64,
    steps: int = 1,
    persistent: bool = False,
) -> None:
    """Train the machines one after the other, from the bottom up, each on the code of the last.

    `epochs(name, optimizer)` gives the epochs of one machine; `lr` is one rate, or one a machine.
    Source: Hinton, Osindero and Teh 2006; a momentum of 0.5 is what Hinton 2010, Sec. 9, begins
    with.

    >>> from dclib.loop import epochs
    >>> dbn, x = DeepBelief([3, 4, 2]), torch.eye(3)
    >>> train_belief(dbn, x, lambda name, optimizer: epochs(5), lr=0.1)
    """
    rates = lr if isinstance(lr, Sequence) else [lr] * len(dbn.encoder)
    for depth, (rbm, rate) in enumerate(zip(dbn.encoder, rates, strict=True)):
        optimizer = torch.optim.SGD(rbm.parameters(), lr=rate, momentum=0.5, fused=True)
        run = epochs(f"layer {depth + 1}", optimizer)
        train_rbm(rbm, x, run, optimizer, batch_size, steps, persistent)
        x = encode(rbm, x)


def _draw(p: Tensor) -> Tensor:
    """Toss one coin a number: 1 with probability p, else 0."""
    return (torch.rand_like(p) < p).to(p.dtype)


def _width(name: str, rows: Tensor, width: int) -> None:
    if rows.ndim != 2 or rows.shape[1] != width:
        raise ValueError(f"{name} has shape {tuple(rows.shape)}, expected (n, {width})")
