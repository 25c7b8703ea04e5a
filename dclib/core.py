"""The one base class: a scikit-learn estimator whose phases can be called one by one."""

from __future__ import annotations

import functools
import math
import os
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.exceptions import NotFittedError
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor
from tqdm import tqdm

from dclib import check, runtime, store
from dclib.loop import Epoch, epochs


@dataclass(frozen=True)
class Taxonomy:
    """Where an algorithm stands in the surveys; the tables of the book are made from these."""

    family: str
    architecture: str
    network_loss: str
    clustering_loss: str
    schedule: str
    features: str
    year: int
    source: str


def phase(method: Callable[[Any, Tensor], None]) -> Callable[[Any, Any], Any]:
    """Make a method a phase: callable alone, seeded by its own name, timed, skipped when resumed.

    Because every phase draws from its own random numbers, `build`, `pretrain`, ... called one by
    one give what `fit` gives. Called alone, a phase takes `watch` as `fit` does.
    """

    @functools.wraps(method)
    def call(self: Clusterer, X: Any, *, watch: Callable | None = None) -> Any:
        name = method.__name__
        if name != "build" and not hasattr(self, "net_"):
            raise NotFittedError(f"{type(self).__name__}: {name} before build, expected build(X)")
        if self._fitting:
            x = X
        else:
            x, self._watch = self._read(X, reset=name == "build"), watch
        if name == "build":
            self._begin(x)
        elif self._resumed and name in self._done:
            return self
        with runtime.seeded(self.seed_, name, device=x.device):
            self._clock = name, time.perf_counter() - self.seconds_.get(name, 0.0)
            method(self, x)
            self._read_clock()
        self._done = [*self._done, name]
        if name == "build":
            self.net_.to(x.device)
            if self._resumed:
                self._restore(self._resumed)
        if not self._fitting:
            del self._watch  # it belonged to this call
        return self

    return call


def _places_new_samples(estimator: Clusterer) -> bool:
    if estimator.transductive:
        found = f"{type(estimator).__name__} is transductive"
        raise AttributeError(f"{found}: it clusters the samples of its fit, and no others")
    return True


def _generates(estimator: Clusterer) -> bool:
    if not hasattr(estimator, "generate"):
        raise AttributeError(f"{type(estimator).__name__} generates nothing")
    return True


class Clusterer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """Base of all algorithms: a subclass writes `build`, its phases, `run`, `embed` and `assign`,
    and, where it can draw, `generate(labels)`: one sample of the cluster of each label.

    `build(x)` makes `net_`, `run(x)` calls the phases in order. Inside them x is a tensor on the
    device of the fit, a phase's loop runs over `self.epochs(...)`, and `self.relabel(q)` keeps
    `labels_` at the newest assignment. True labels have no door: `fit` ignores y.

    Learned: `labels_`, `n_features_in_`, `history_` (one dict an epoch), `n_iter_` (epochs run),
    `stop_reason_`, `seconds_` (by phase), `seed_`, `net_`.
    """

    taxonomy: ClassVar[Taxonomy]
    transductive: ClassVar[bool] = False
    _fitting = False
    _resumed: dict | None = None
    _watch: Callable | None = None
    _checkpoint: Path | None = None

    # ---- what a subclass writes

    @abstractmethod
    def build(self, X: Any) -> Self:
        """Create the networks for data like X."""

    @abstractmethod
    def run(self, x: Tensor) -> None:
        """Call the phases in their order."""

    @abstractmethod
    def embed(self, x: Tensor) -> Tensor:
        """Codes (n, m) of x (n, d)."""

    def assign(self, x: Tensor) -> Tensor:
        """Soft assignments (n, k) of x (n, d); only where the algorithm is not `transductive`."""
        raise NotImplementedError

    def shares(self) -> Tensor:
        """Shares (k,) of the clusters among generated samples; equal, unless one learns them."""
        return torch.ones(self.n_clusters, dtype=self._dtype, device=self._device)

    # ---- what a user calls

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        watch: Callable[[Clusterer, dict], None] | None = None,
        checkpoint: str | os.PathLike | None = None,
    ) -> Self:
        """Cluster X (n, d), or images (n, c, h, w) where the network is convolutional: an array,
        a tensor or anything array-like. y is ignored.

        `watch(estimator, record)` is called after every epoch with its line of `history_`. With
        `checkpoint`, the state is written to that file after every epoch, and a fit with the same
        settings and data that finds the file goes on from there to the same result.

        Raises ValueError for bad settings or data, FloatingPointError where training diverges;
        then the estimator is left as it was before the call.
        """
        before = dict(vars(self))
        try:
            x = self._read(X, reset=True)
            self._watch = watch
            self._checkpoint = Path(checkpoint) if checkpoint is not None else None
            self._fitting = True
            self.build(x)
            self.run(x)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise
        for name in ("_fitting", "_resumed", "_watch", "_checkpoint"):
            vars(self).pop(name, None)
        return self

    @available_if(_places_new_samples)
    def predict(self, X: Any) -> np.ndarray:
        """Cluster number (n,) of each row of X (n, d)."""
        return self.predict_proba(X).argmax(1)

    @available_if(_places_new_samples)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Soft assignments (n, k) of the rows of X (n, d); rows sum to 1."""
        check_is_fitted(self)
        return self.assign(self._read(X, reset=False)).cpu().numpy()

    def transform(self, X: Any) -> np.ndarray:
        """Codes (n, m) of the rows of X (n, d)."""
        check_is_fitted(self, "net_")  # also between the phases, before there are labels
        return self.embed(self._read(X, reset=False)).cpu().numpy()

    @available_if(_generates)
    def sample(self, n: int = 1, cluster: int | None = None) -> np.ndarray:
        """Generate n samples (n, d), or (n, c, h, w), of one cluster or of all by their shares.

        Drawn anew from the seed of the fit at each call, so that a call repeated gives the same.
        """
        check_is_fitted(self, "net_")
        check.whole("n", n, least=1)
        k = self.n_clusters
        if cluster is not None and not (check.is_whole(cluster) and 0 <= cluster < k):
            raise ValueError(f"cluster={cluster!r}, expected a whole number from 0 to {k - 1}")
        with runtime.seeded(self.seed_, "sample", device=self._device):
            labels = self.shares().multinomial(n, replacement=True)
            labels = labels if cluster is None else torch.full_like(labels, cluster)
            return self.generate(labels).cpu().numpy()

    @property
    def n_iter_(self) -> int:
        """Number of epochs run, over all phases."""
        return len(self.history_)

    def save(self, path: str | os.PathLike) -> None:
        """Write settings, weights, labels and history to a file that `load` reads."""
        check_is_fitted(self)
        store.write(self._state(), Path(path))

    @classmethod
    def load(cls, path: str | os.PathLike, device: str = "auto", **given: Any) -> Self:
        """Read a fitted estimator from a file that `save` wrote; no code is unpickled.

        Settings that are code themselves, a network or a function, have to be `given` again.
        Raises ValueError where the file holds another algorithm, or such a setting is missing.
        """
        state = store.read(Path(path))
        if state["algorithm"] != cls.__name__:
            raise ValueError(f"{path} holds {state['algorithm']}, expected {cls.__name__}")
        if "loop" in state:
            raise ValueError(f"{path} holds an unfinished fit, expected what `save` wrote")
        estimator = cls(**{**store.decode(state["settings"], given), "device": device})
        check.settings(estimator)
        estimator._shape = tuple(state["shape"])
        estimator.n_features_in_ = math.prod(estimator._shape)
        if state["feature_names"]:
            estimator.feature_names_in_ = np.array(state["feature_names"], dtype=object)
        estimator._dtype = getattr(torch, state["dtype"])
        estimator._device = runtime.device(device, estimator._dtype)
        sample = torch.zeros(estimator._shape, dtype=estimator._dtype, device=estimator._device)
        estimator._fitting = True
        estimator.build(sample.expand(len(state["labels"]), *estimator._shape))
        del estimator._fitting
        estimator._restore(state)
        return estimator

    # ---- what a phase calls

    def epochs(self, total: int, name: str, *optimizers: torch.optim.Optimizer) -> Iterator[Epoch]:
        """Count epochs; after each, write the history, call `watch` and save the checkpoint."""
        start = self._start(name, total, optimizers)
        self.stop_reason_ = f"{name}: all {total} epochs done"
        bar = tqdm(epochs(total, start), name, total, initial=start, disable=not self.verbose)
        for epoch in bar:
            yield epoch
            record = {"phase": name, "epoch": epoch.number, **epoch.means()}
            self.history_.append(record)
            bar.set_postfix({loss: f"{record[loss]:.4g}" for loss in list(record)[2:]})
            if self._watch is not None:
                with runtime.untouched(self._device):
                    self._watch(self, record)
            if self._checkpoint is not None:
                self._keep(name, epoch, optimizers)

    def relabel(self, q: Tensor) -> float:
        """Set `labels_` to the most probable clusters of q (n, k); return the share that moved."""
        before, self.labels_ = getattr(self, "labels_", None), q.argmax(1).cpu().numpy()
        return 1.0 if before is None else float(np.mean(before != self.labels_))

    # ---- the door

    def _read(self, X: Any, reset: bool) -> Tensor:
        """Check X and put it on the device, in the dtype of the fit."""
        X = X.detach().cpu().numpy() if isinstance(X, Tensor) else X
        dtype = [np.float64, np.float32] if reset else str(self._dtype).removeprefix("torch.")
        images = getattr(self, "network", "mlp") == "cnn"
        if images:
            shape = self._shape_of_images(X, reset)
            X = np.reshape(X, (len(X), math.prod(shape)))
        X = validate_data(self, X, reset=reset, dtype=dtype, ensure_min_samples=2 if reset else 1)
        if images:
            X = X.reshape(len(X), *shape)
        if reset:
            self._shape = X.shape[1:]
            check.settings(self)
            if len(X) < self.n_clusters:
                least = f"expected at least n_clusters={self.n_clusters}"
                raise ValueError(f"n_samples={len(X)}, {least}")
            self._dtype = torch.float64 if X.dtype == np.float64 else torch.float32
            self._device = runtime.device(self.device, self._dtype)
        # PyTorch has no read-only tensors and no negative strides; and sums depend on the order.
        plain = np.require(X, requirements="CW")
        return torch.from_numpy(plain).to(self._device)

    def _shape_of_images(self, X: Any, reset: bool) -> tuple[int, ...]:
        shape = np.shape(X)[1:]
        if len(shape) not in (2, 3):
            expected = "expected images (n, c, h, w) or series (n, c, length) for network='cnn'"
            raise ValueError(f"X has shape {np.shape(X)}, {expected}")
        if not reset and shape != self._shape:
            expected = ", ".join(map(str, self._shape))
            raise ValueError(f"X has shape {np.shape(X)}, expected (n, {expected}), as in fit")
        return shape

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "labels_")

    @property
    def _n_features_out(self) -> int:
        row = torch.zeros(1, *self._shape, dtype=self._dtype, device=self._device)
        return self.embed(row).shape[1]

    # ---- begin, keep, go on

    def _read_clock(self) -> None:
        name, begin = self._clock
        self.seconds_[name] = time.perf_counter() - begin

    def _begin(self, x: Tensor) -> None:
        vars(self).pop("labels_", None)
        self.seed_ = runtime.seed(self.random_state)
        self.history_, self.seconds_, self._done = [], {}, []
        self.stop_reason_ = "not run"
        if self._checkpoint is None:
            return
        if not self._checkpoint.parent.is_dir():
            raise ValueError(f"checkpoint={str(self._checkpoint)!r}, expected an existing folder")
        self._data = store.fingerprint(x)
        if self._checkpoint.exists():
            self._resumed = store.read(self._checkpoint)
            self._compare(self._resumed)
            self.seed_ = self._resumed["seed"]

    def _compare(self, found: dict) -> None:
        """Refuse to go on from a checkpoint of another algorithm, other settings or other data."""
        ours = {"algorithm": type(self).__name__, "data": self._data, **self._settings()}
        theirs = {"algorithm": found["algorithm"], "data": found.get("data"), **found["settings"]}
        free = {"device", "verbose"} | ({"random_state"} if self.random_state is None else set())
        differ = [name for name in ours if name not in free and ours[name] != theirs.get(name)]
        if differ:
            both = ", ".join(f"{name}={theirs.get(name)!r} (now {ours[name]!r})" for name in differ)
            raise ValueError(f"{self._checkpoint} was written with {both}; expected the same")

    def _settings(self) -> dict:
        return {**store.encode(self.get_params(deep=False)), "random_state": self.seed_}

    def _state(self) -> dict:
        labels = getattr(self, "labels_", None)
        return {
            "algorithm": type(self).__name__,
            "settings": self._settings(),
            "seed": self.seed_,
            "dtype": str(self._dtype).removeprefix("torch."),
            "shape": self._shape,
            "feature_names": [str(name) for name in getattr(self, "feature_names_in_", ())],
            "net": self.net_.state_dict(),
            "labels": None if labels is None else torch.from_numpy(labels),
            "history": [store.encode(record) for record in self.history_],
            "seconds": self.seconds_,
            "stop_reason": self.stop_reason_,
            "done": self._done,
        }

    def _restore(self, state: dict) -> None:
        self.net_.load_state_dict(state["net"])
        if state["labels"] is not None:
            self.labels_ = state["labels"].numpy()
        self.history_, self.seconds_ = list(state["history"]), dict(state["seconds"])
        self.stop_reason_, self.seed_ = state["stop_reason"], state["seed"]
        self._done = state["done"]

    def _keep(self, name: str, epoch: Epoch, optimizers: tuple) -> None:
        point = {
            "data": self._data,
            "loop": name,
            "epoch": epoch.number,
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "random": runtime.random_states(self._device),
        }
        self._read_clock()
        store.write({**self._state(), **point}, self._checkpoint)

    def _start(self, name: str, total: int, optimizers: tuple) -> int:
        """First epoch of a loop: 0, or where the checkpoint left it."""
        if self._resumed is None:
            return 0
        if name != self._resumed["loop"]:
            return total
        for optimizer, state in zip(optimizers, self._resumed["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        runtime.set_random_states(self._resumed["random"], self._device)
        start = self._resumed["epoch"] + 1
        self._resumed = None
        return start
