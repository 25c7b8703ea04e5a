"""Losses on how much the cluster tells of the sample, or of another view: mutual information."""

from __future__ import annotations

import math
from numbers import Real

import torch
from torch import Tensor

from dclib import check


def entropy(q: Tensor) -> Tensor:
    """Entropy of each distribution: how undecided it is.

    Shapes: q (..., k), sums to 1 over its last dimension. Returns (...), in [0, log k], in nats;
    for soft assignments (n, k) the mean of the n entropies is the conditional entropy H(Y | X).
    At a probability of 0 the gradient stays finite, unlike that of `torch.special.entr`.

    >>> entropy(torch.tensor([[0.5, 0.5], [1.0, 0.0]]))
    tensor([0.6931, 0.0000])
    """
    if not q.ndim:
        raise ValueError("q is a single number, expected probabilities along a dimension")
    return (q * -q.clamp_min(torch.finfo(q.dtype).tiny).log()).sum(-1)


def mutual_information(q: Tensor, balance: float = 1.0) -> Tensor:
    """Information that cluster and sample hold of each other; to be MAXIMISED.

    Shapes: q (n, k), rows sum to 1, a batch with many samples a cluster: the first term is too
    small in small ones. Returns `balance` * H(mean of q) - mean of H(q_i), in nats; for balance 1
    the mutual information I(X; Y), in [0, log k]. Source: Krause et al. 2010 (RIM), the objective
    without its penalty on the weights; the code of Hu et al. 2017 (IMSAT) has balance 4, and
    penalises by self-augmentation.

    >>> certain = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> mutual_information(certain), mutual_information(torch.full((2, 2), 0.5))
    (tensor(0.6931), tensor(0.))
    """
    check.matrices(q=q)
    _check_balance(balance)
    return balance * entropy(q.mean(0)) - entropy(q).mean()


def view_information(q: Tensor, q_view: Tensor, balance: float = 1.0) -> Tensor:
    """Information that the clusters of two views of the same samples hold; to be MAXIMISED.

    Shapes: q and q_view (n, k), rows sum to 1, row i of both from views of sample i; a batch with
    many more samples than the k^2 pairs of clusters, or the information is overrated. Returns the
    mutual information of the joint distribution of both clusters, made symmetric, in [0, log k]
    for `balance` 1, in nats; `balance` weighs the entropy of the clusters' shares. Source: Ji et
    al. 2019 (IIC), Eqs. 2 and 3; `balance` is `lamb` of their code.

    >>> q = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> view_information(q, q), view_information(q, q.flip(0))  # swapped tells as much
    (tensor(0.6931), tensor(0.6931))
    >>> view_information(q, torch.full((2, 2), 0.5))
    tensor(0.)
    """
    check.same_shape(q=q, q_view=q_view)
    check.matrices(q=q)
    _check_balance(balance)
    with torch.autocast(q.device.type, enabled=False):  # bfloat16 has two digits
        joint = q.T @ q_view / len(q)
    joint = (joint + joint.T) / 2
    return 2 * balance * entropy(joint.sum(0)) - entropy(joint.flatten())


def bit_information(p: Tensor) -> Tensor:
    """Information that binary codes hold on the samples, less what bits repeat; to be MAXIMISED.

    Shapes: p (n, bits), each number the probability that a bit of the code is 1, independent
    given the sample. Returns the sum of each bit's information on the sample less, for every two
    bits, twice what one tells of the other; at most bits x log 2, in nats. It stands in for the
    information of the whole code, whose 2^bits values could not be counted; the expansion of that
    to pairs, exact for two bits, takes each pair once. Takes n x bits numbers more, and bits^2.
    Source: Hu et al. 2017 (IMSAT), whose code for hash learning takes each pair twice.

    >>> p = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> bit_information(p)  # two bits, log 2 each
    tensor(1.3863)
    >>> bit_information(p[:, [0, 0]]).abs()  # the same bit twice
    tensor(0.)
    """
    check.matrices(p=p)
    either = torch.stack([p, 1 - p], 2)  # (n, bits, 2)
    shares = either.mean(0)
    alone = entropy(shares) - entropy(either).mean(0)  # (bits,)
    with torch.autocast(p.device.type, enabled=False):
        joint = torch.einsum("nia,njb->ijab", either, either) / len(p)
    both = entropy(shares)[:, None] + entropy(shares) - entropy(joint.flatten(2))
    return alone.sum() - both.sum() + both.diagonal().sum()


def _check_balance(balance: object) -> None:
    if not isinstance(balance, Real) or isinstance(balance, bool) or not 0 <= balance < math.inf:
        raise ValueError(f"balance={balance!r}, expected a finite number of at least 0")
