"""What every algorithm promises, asked of each class in `dclib.algorithms`.

A new algorithm is found by itself. `SMALL` and `small` make it fit in milliseconds: a setting
that they do not know keeps its default.
"""

import inspect
import re
from dataclasses import asdict, dataclass, fields

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from dclib import algorithms, store
from dclib.check import Size
from dclib.core import Clusterer, phase
from dclib.loop import encode

CLASSES = [getattr(algorithms, name) for name in algorithms.__all__]
SMALL = {
    "n_clusters": 3,
    "layers": (8, 2),
    "hidden": (8,),
    "pretrain_lr": 0.1,
    "n_init": 2,
    "tol": 0,  # never stop early
    "batch_size": 16,
    "random_state": 0,
}
X = StandardScaler().fit_transform(make_blobs(60, 5, centers=3, random_state=0)[0])
CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def settings_of(cls, ending=""):
    return [field.name for field in fields(cls) if field.name.endswith(ending)]


def small(cls, **changes):
    """An estimator that fits fast; changes to settings that it does not have are left out."""
    defaults = cls()
    epochs = {name: 3 for name in settings_of(cls, "epochs") if getattr(defaults, name)}
    wanted = SMALL | epochs | changes
    return cls(**{name: wanted[name] for name in settings_of(cls) if name in wanted})


def layered(cls):
    """An estimator with all of its loops, the layer-wise ones too."""
    return small(cls, layer_epochs=2)


def of_new_samples(estimator):
    """The methods that take samples: a transductive algorithm predicts nothing."""
    names = ("predict", "predict_proba", "transform")
    return [getattr(estimator, name) for name in names if hasattr(estimator, name)]


def result(estimator, x=X):
    """Everything that a fit leads to, to the last bit."""
    outputs = [method(x).tolist() for method in of_new_samples(estimator)]
    return [estimator.labels_.tolist(), *outputs, estimator.history_]


def stop_at(*calls):
    """A `watch` that is interrupted at its calls number 0, 1, ..."""
    count = iter(range(10**6))

    def watch(estimator, record):
        if next(count) in calls:
            raise KeyboardInterrupt

    return watch


class Seen:
    """A `watch` that keeps every record."""

    def __init__(self):
        self.records = []

    def __call__(self, estimator, record):
        self.records.append(record)


@pytest.fixture(params=CLASSES, ids=lambda cls: cls.__name__, scope="module")
def cls(request):
    return request.param


@pytest.fixture(scope="module")
def fitted(cls):
    """Shared by the tests that only look."""
    return small(cls).fit(X)


# ---- scikit-learn's own contract


def small_steps(cls):
    """scikit-learn's checks fit data of any scale, so the steps have to be small.

    Networks trained from scratch normalise every batch, and get nowhere by small steps.
    """
    if not settings_of(cls, "pretrain_epochs") and settings_of(cls, "train_epochs"):
        return small(cls, layers=(8, 8), train_epochs=50, lr=0.01, batch_size=25)
    return small(cls, **dict.fromkeys(settings_of(cls, "lr"), 1e-6))


def expected_to_fail(estimator):
    """Checks that an algorithm cannot pass, each with the reason."""
    blobs = "three blobs are no subspaces, and steps this small leave the coefficients at 0"
    begins = "begins with nothing and takes more steps, see test_separated_blobs_are_found"
    reasons = {"DSCNet": blobs, "GMVAE": begins, "ClusterGAN": begins}
    name = type(estimator).__name__
    return {"check_clustering": reasons[name]} if name in reasons else {}


@parametrize_with_checks(
    [small_steps(cls) for cls in CLASSES], expected_failed_checks=expected_to_fail
)
def test_scikit_learn(estimator, check, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # or one check is skipped
    check(estimator)


# ---- what the class declares


def test_settings_have_plain_defaults(cls):
    for field in fields(cls):
        assert isinstance(field.default, int | float | str | tuple | None), field.name


def test_common_settings_in_their_order(cls):
    names = settings_of(cls)
    assert names[0] == "n_clusters"
    assert names[-4:] == ["batch_size", "device", "random_state", "verbose"]
    assert cls().n_clusters == 8


def test_constructor_only_sets(cls):
    values = {name: object() for name in settings_of(cls)}
    assert vars(cls(**values)) == values


def test_clone_has_the_same_settings(cls):
    estimator = small(cls, n_clusters=5)
    assert clone(estimator).get_params() == estimator.get_params()
    assert clone(estimator) != estimator  # two models, not two spellings of one


def test_taxonomy_is_complete(cls):
    for name, value in asdict(cls.taxonomy).items():
        assert value, name


def test_differences_from_the_paper_are_numbered(cls):
    docstring = inspect.getmodule(cls).__doc__
    _, differences = docstring.split("\nDiffers from the paper:\n")
    numbers = [int(n) for n in re.findall(r"^(\d+)\. \w", differences, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1)) != []


# ---- what a fit gives


def test_learned_attributes(fitted):
    assert fitted.labels_.shape == (60,)
    assert fitted.labels_.dtype == np.int64
    assert set(fitted.labels_) <= {0, 1, 2}
    assert fitted.n_features_in_ == 5
    assert fitted.n_iter_ == len(fitted.history_) > 0
    assert fitted.stop_reason_
    assert fitted.seconds_.keys() == set(fitted._done)
    if hasattr(fitted, "cluster_centers_"):
        assert fitted.cluster_centers_.shape == (3, fitted.transform(X).shape[1])


def test_history_has_the_losses_of_every_epoch(fitted):
    for record in fitted.history_:
        assert list(record)[:2] == ["phase", "epoch"]
        losses = list(record.values())[2:]
        assert losses
        assert np.isfinite(losses).all()
    steps = [(record["phase"], record["epoch"]) for record in fitted.history_]
    assert len(set(steps)) == len(steps)


def test_only_a_transductive_algorithm_predicts_nothing(cls, fitted):
    methods = len(of_new_samples(fitted))
    assert methods == (1 if cls.transductive else 3)
    if cls.transductive:
        with pytest.raises(AttributeError) as error:
            fitted.predict(X)
        assert "is transductive" in str(error.value.__cause__)


def test_prediction_of_the_training_data_is_labels(cls, fitted):
    if cls.transductive:
        pytest.skip("predicts nothing")
    np.testing.assert_array_equal(fitted.predict(X), fitted.labels_)


def test_probabilities_sum_to_one(cls, fitted):
    if cls.transductive:
        pytest.skip("predicts nothing")
    q = fitted.predict_proba(X)
    assert q.shape == (60, getattr(fitted, "n_clusters_", 3))  # some infer how many
    assert q.min() >= 0
    np.testing.assert_allclose(q.sum(1), 1)


def test_transform_gives_one_code_a_row(fitted):
    z = fitted.transform(X)
    assert z.shape == (60, len(fitted.get_feature_names_out()))
    np.testing.assert_allclose(fitted.transform(X[:7]), z[:7])


def test_separated_blobs_are_found(cls):
    if cls.transductive:
        pytest.skip("blobs are no subspaces")
    x, y = make_blobs(150, 10, centers=3, random_state=1)
    if hasattr(cls, "generate") and not settings_of(cls, "pretrain_epochs"):
        # The players of a game, and a mixture that nothing has placed, begin with nothing.
        estimator = small(cls, layers=(64, 32), lr=0.001, train_epochs=200)
    else:
        estimator = small(cls, layers=(16, 4), **dict.fromkeys(settings_of(cls, "epochs"), 20))
    labels = estimator.fit_predict(StandardScaler().fit_transform(x))
    assert adjusted_rand_score(y, labels) > 0.9


def test_true_labels_change_nothing(cls, fitted):
    y = np.random.default_rng(0).permutation(60)
    assert result(small(cls).fit(X, y)) == result(fitted)


# ---- data in, data out


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(cls, dtype):
    x = X.astype(dtype)
    estimator = small(cls).fit(x)
    assert {weights.dtype for weights in estimator.net_.parameters()} == {torch.from_numpy(x).dtype}
    assert estimator.transform(x).dtype == dtype
    if not cls.transductive:
        assert estimator.predict_proba(x).dtype == dtype
    assert estimator.transform(x.astype(np.float16)).dtype == dtype


def test_integers_become_float64(cls):
    whole = np.rint(X).astype(np.int32)
    assert result(small(cls).fit(whole), whole) == result(small(cls).fit(whole * 1.0), whole)


@pytest.mark.parametrize(
    "as_input",
    [
        torch.from_numpy,
        lambda x: torch.from_numpy(x).requires_grad_(),
        np.ndarray.tolist,
        np.asfortranarray,
        lambda x: x[::-1].copy()[::-1],
    ],
    ids=["tensor", "tensor with gradient", "list", "Fortran order", "negative stride"],
)
def test_every_kind_of_input_gives_the_same(cls, fitted, as_input):
    x = as_input(X)
    estimator = small(cls).fit(x)
    assert result(estimator, x) == result(fitted)
    assert isinstance(estimator.transform(x), np.ndarray)


def test_data_stay_as_they_were(cls):
    x = X.copy()
    small(cls).fit(x)
    np.testing.assert_array_equal(x, X)


# ---- samples


def test_samples_are_drawn_from_the_seed_of_the_fit(cls, fitted):
    if not hasattr(cls, "generate"):
        with pytest.raises(AttributeError) as error:
            fitted.sample(3)
        assert "generates nothing" in str(error.value.__cause__)
        return
    before = torch.get_rng_state()
    x = fitted.sample(7)
    assert x.shape == (7, 5)
    assert x.dtype == X.dtype
    assert np.isfinite(x).all()
    np.testing.assert_array_equal(x, fitted.sample(7))
    assert not (fitted.sample(60, cluster=0) == fitted.sample(60, cluster=1)).all()
    assert torch.equal(torch.get_rng_state(), before)
    assert small(cls).fit(X.astype(np.float32)).sample().dtype == np.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, r"n=0, expected a whole number of at least 1"),
        ({"n": 2.5}, r"n=2.5, expected a whole number"),
        ({"cluster": 3}, r"cluster=3, expected a whole number from 0 to 2"),
        ({"cluster": -1}, r"cluster=-1, expected"),
    ],
)
def test_impossible_samples_are_refused(cls, fitted, arguments, message):
    if hasattr(cls, "generate"):
        with pytest.raises(ValueError, match=message):
            fitted.sample(**arguments)


# ---- phases


def test_phase_by_phase_is_fit(cls):
    whole, parts = layered(cls).fit(X), layered(cls)
    for name in whole._done:
        assert getattr(parts, name)(X) is parts
    assert result(parts) == result(whole)


def test_codes_can_be_looked_at_between_phases(cls, fitted):
    estimator = small(cls).build(X)
    assert estimator.transform(X).shape == fitted.transform(X).shape
    assert not hasattr(estimator, "labels_")
    if not cls.transductive:
        with pytest.raises(NotFittedError):
            estimator.predict(X)


def test_build_begins_anew(cls):
    estimator = small(cls).fit(X).build(X)
    assert estimator.history_ == []
    assert not hasattr(estimator, "labels_")
    if not cls.transductive:
        with pytest.raises(NotFittedError):
            estimator.predict(X)


def test_a_phase_before_build_says_so(cls, fitted):
    for name in fitted._done[1:]:
        with pytest.raises(NotFittedError, match=rf"{name} before build, expected build\(X\)"):
            getattr(small(cls), name)(X)


# ---- random numbers


def test_same_seed_same_result(cls, fitted):
    assert result(small(cls).fit(X)) == result(fitted)
    assert result(small(cls, random_state=1).fit(X)) != result(fitted)


def test_random_state_object_moves_on(cls):
    state = np.random.RandomState(0)
    first, second = small(cls, random_state=state).fit(X), small(cls, random_state=state).fit(X)
    again = small(cls, random_state=np.random.RandomState(0)).fit(X)
    assert result(first) == result(again) != result(second)


@pytest.mark.parametrize("random_state", [0, None])
def test_global_random_numbers_are_left_alone(cls, random_state):
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    result(small(cls, random_state=random_state).fit(X))
    assert torch.equal(torch.get_rng_state(), torch_before)
    np.testing.assert_equal(np.random.get_state(), numpy_before)  # noqa: NPY002


# ---- watch


def test_watch_sees_every_epoch_with_its_line_of_history(cls):
    seen = []

    def watch(watched, record):
        assert watched is estimator
        assert watched.history_[-1] is record
        seen.append(record)

    estimator = small(cls)
    estimator.fit(X, watch=watch)
    assert seen == estimator.history_


def test_a_phase_called_alone_is_watched_too_and_only_this_time(cls, fitted):
    estimator, seen = small(cls).build(X), Seen()
    for name in fitted._done[1:]:
        first = getattr(estimator, name)
        first(X, watch=seen)
        if seen.records:  # else this phase has no epochs
            break
    assert seen.records == estimator.history_ != []
    before = len(seen.records)
    first(X)
    assert len(seen.records) == before
    assert "_watch" not in vars(estimator)  # a function there would keep it from being pickled


def test_watch_changes_nothing(cls, fitted):
    def meddle(estimator, record):
        torch.rand(5)
        np.random.rand(5)  # noqa: NPY002
        estimator.transform(X[:9])
        if hasattr(estimator, "labels_") and not cls.transductive:
            estimator.predict(X[:9])
            clone(estimator).set_params(random_state=7).fit(X)

    assert result(small(cls).fit(X, watch=meddle)) == result(fitted)


def test_verbose_shows_a_bar_and_silence_is_the_rule(cls, fitted, capsys):
    small(cls).fit(X)
    assert capsys.readouterr() == ("", "")
    small(cls, verbose=1).fit(X)
    out, bars = capsys.readouterr()
    assert not out
    assert all(record["phase"] in bars for record in fitted.history_)


# ---- save and load


def test_load_brings_everything_back(cls, fitted, tmp_path):
    fitted.save(tmp_path / "a.pt")
    before = torch.get_rng_state()
    loaded = cls.load(tmp_path / "a.pt", device="cpu")
    assert result(loaded) == result(fitted)
    assert loaded.get_params() == fitted.get_params() | {"device": "cpu"}
    for name in ("n_iter_", "stop_reason_", "n_features_in_", "seconds_", "seed_", "_done"):
        assert getattr(loaded, name) == getattr(fitted, name)
    assert torch.equal(torch.get_rng_state(), before)


def test_load_keeps_dtype_and_feature_names(cls, tmp_path):
    estimator = small(cls).fit(X.astype(np.float32))
    estimator.feature_names_in_ = np.array(list("abcde"), dtype=object)  # as from a data frame
    estimator.save(tmp_path / "a.pt")
    loaded = cls.load(tmp_path / "a.pt")
    assert loaded.feature_names_in_.tolist() == list("abcde")
    assert {weights.dtype for weights in loaded.net_.parameters()} == {torch.float32}


def test_settings_may_be_numbers_of_numpy(cls, tmp_path):
    small(cls, n_clusters=np.int64(3), batch_size=np.int32(16)).fit(X).save(tmp_path / "a.pt")
    assert cls.load(tmp_path / "a.pt").n_clusters == 3


def test_watch_may_write_scores_into_the_history(cls, tmp_path):
    def score(estimator, record):
        record["score"] = np.float64(len(estimator.history_))

    small(cls).fit(X, watch=score, checkpoint=tmp_path / "a.pt").save(tmp_path / "b.pt")
    loaded = cls.load(tmp_path / "b.pt")
    assert [record["score"] for record in loaded.history_] == [*range(1, loaded.n_iter_ + 1)]
    assert small(cls).fit(X, checkpoint=tmp_path / "a.pt").history_ == loaded.history_


def test_a_file_of_another_algorithm_is_refused(cls, fitted, tmp_path):
    class Other(cls):
        pass

    fitted.save(tmp_path / "a.pt")
    with pytest.raises(ValueError, match=rf"a\.pt holds {cls.__name__}, expected Other"):
        Other.load(tmp_path / "a.pt")


def test_a_damaged_file_is_refused(cls, fitted, tmp_path):
    fitted.save(tmp_path / "a.pt")
    whole = (tmp_path / "a.pt").read_bytes()
    for content in (whole[: len(whole) // 2], b"a text\n"):
        (tmp_path / "a.pt").write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.pt cannot be read"):
            cls.load(tmp_path / "a.pt")


# ---- interrupted and resumed


def interrupt(estimator, path, *calls):
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, watch=stop_at(*calls), checkpoint=path)


def test_resumes_from_any_epoch_to_the_same_result(cls, tmp_path):
    whole = layered(cls).fit(X)
    for epoch in range(whole.n_iter_):
        path = tmp_path / f"{epoch}.pt"
        interrupt(layered(cls), path, epoch)
        resumed = layered(cls).fit(X, checkpoint=path, watch=(seen := Seen()))
        assert result(resumed) == result(whole), f"interrupted in epoch {epoch}"
        assert resumed.stop_reason_ == whole.stop_reason_
        assert seen.records == whole.history_[epoch:], "epochs before the interruption ran again"


def test_resumes_after_an_interruption_in_every_epoch(cls, tmp_path):
    whole = small(cls).fit(X)
    for _ in range(whole.n_iter_ - 1):
        interrupt(small(cls), tmp_path / "a.pt", 1)
    assert result(small(cls).fit(X, checkpoint=tmp_path / "a.pt")) == result(whole)


def test_a_finished_checkpoint_gives_the_result_again(cls, fitted, tmp_path):
    for _ in range(2):
        assert result(small(cls).fit(X, checkpoint=tmp_path / "a.pt")) == result(fitted)


def test_without_a_seed_the_checkpoint_keeps_the_one_it_drew(cls, tmp_path):
    drawn = []

    def watch(estimator, record):
        drawn.append(estimator.seed_)
        if len(drawn) == 2:
            raise KeyboardInterrupt

    estimator = small(cls, random_state=None)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, watch=watch, checkpoint=tmp_path / "a.pt")
    resumed = estimator.fit(X, checkpoint=tmp_path / "a.pt")
    assert result(resumed) == result(small(cls, random_state=drawn[0]).fit(X))


def test_the_time_before_an_interruption_counts(cls, tmp_path):
    interrupt(small(cls), tmp_path / "a.pt", 1)
    state = store.read(tmp_path / "a.pt")
    name = list(state["seconds"])[-1]  # the phase that was interrupted
    assert state["seconds"][name] > 0
    state["seconds"][name] = 1000.0
    store.write(state, tmp_path / "a.pt")
    assert small(cls).fit(X, checkpoint=tmp_path / "a.pt").seconds_[name] > 1000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_clusters": 2}, r"n_clusters=3 \(now 2\)"),
        ({"random_state": 5}, r"random_state=0 \(now 5\)"),
    ],
)
def test_a_checkpoint_with_other_settings_is_refused(cls, tmp_path, changes, message):
    interrupt(small(cls), tmp_path / "a.pt", 1)
    with pytest.raises(ValueError, match=rf"a\.pt was written with {message}; expected the same"):
        small(cls, **changes).fit(X, checkpoint=tmp_path / "a.pt")


def test_a_checkpoint_of_other_data_or_another_algorithm_is_refused(cls, tmp_path):
    class Other(cls):
        pass

    interrupt(small(cls), tmp_path / "a.pt", 1)
    with pytest.raises(ValueError, match=r"data='\w+' \(now '\w+'\); expected the same"):
        small(cls).fit(X + 1, checkpoint=tmp_path / "a.pt")
    with pytest.raises(ValueError, match=rf"algorithm='{cls.__name__}' \(now 'Other'\)"):
        small(Other).fit(X, checkpoint=tmp_path / "a.pt")


def test_a_saved_model_is_no_checkpoint_and_a_checkpoint_no_saved_model(cls, fitted, tmp_path):
    fitted.save(tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"model\.pt was written with data=None"):
        small(cls).fit(X, checkpoint=tmp_path / "model.pt")
    interrupt(small(cls), tmp_path / "check.pt", 1)
    with pytest.raises(ValueError, match=r"check\.pt holds an unfinished fit"):
        cls.load(tmp_path / "check.pt")


def test_a_checkpoint_in_no_folder_is_refused_at_the_door(cls, tmp_path):
    with pytest.raises(ValueError, match=r"checkpoint='.*none.a\.pt', expected an existing folder"):
        small(cls).fit(X, watch=stop_at(0), checkpoint=tmp_path / "none" / "a.pt")


# ---- what is refused


@pytest.mark.parametrize("value", [-1, "three", float("nan")])
def test_a_bad_setting_is_named_with_its_value(cls, value):
    for name in settings_of(cls):
        with pytest.raises(ValueError, match=f"{name}={value!r}[ ,].*expected "):
            small(cls, **{name: value}).fit(X)


@pytest.mark.parametrize(
    "bad",
    [{"n_clusters": 0}, {"n_clusters": True}, {"batch_size": 0}, {"layers": ()}, {"layers": 8}],
    ids=str,
)
def test_a_setting_just_outside_its_range_is_refused(cls, bad):
    ((name, value),) = bad.items()
    if name in settings_of(cls):
        with pytest.raises(ValueError, match=f"{name}={re.escape(repr(value))}, expected "):
            small(cls, **bad).fit(X)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.where(np.eye(60, 5), np.nan, X), "contains NaN"),
        (np.where(np.eye(60, 5), -np.inf, X), "contains infinity"),
        (X[0], "Expected 2D array, got 1D array"),
        (X.reshape(60, 5, 1), "dim 3, while dim <= 2 is required"),
        (X[:2], "n_samples=2, expected at least n_clusters=3"),
        (X[:1], "1 sample.* minimum of 2"),
        (X[:, :0], r"0 feature\(s\)"),
        ([["a", "b"]] * 9, "could not convert string to float|'a'"),
    ],
    ids=["NaN", "infinite", "1-D", "3-D", "few rows", "one row", "no columns", "text"],
)
def test_a_bad_table_is_refused(cls, x, message):
    with pytest.raises(ValueError, match=message):
        small(cls).fit(x)


def test_a_table_of_another_width_is_refused(fitted):
    for method in of_new_samples(fitted):
        with pytest.raises(ValueError, match=r"X has 4 features, but .* expecting 5 features"):
            method(X[:, :4])


def test_not_fitted(cls, tmp_path):
    estimator = small(cls)
    for method in of_new_samples(estimator):
        with pytest.raises(NotFittedError):
            method(X)
    with pytest.raises(NotFittedError):
        estimator.save(tmp_path / "a.pt")
    assert not list(tmp_path.iterdir())


# ---- a fit that fails


def diverge(estimator):
    rates = dict.fromkeys(settings_of(type(estimator), "lr"), 1e38)
    with pytest.raises(FloatingPointError, match="try a smaller learning rate or scale the data"):
        estimator.set_params(**rates).fit(X.astype(np.float32))


def be_interrupted(estimator):
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X + 1, watch=stop_at(2))


def meet_bad_data(estimator):
    with pytest.raises(ValueError, match="n_samples=2"):
        estimator.fit(X[:2, :4])


FAILURES = [diverge, be_interrupted, meet_bad_data]


@pytest.mark.parametrize("fail", FAILURES)
def test_a_failed_fit_leaves_nothing_behind(cls, fail):
    estimator = layered(cls)
    fail(estimator)
    assert vars(estimator) == estimator.get_params()


@pytest.mark.parametrize("fail", FAILURES)
def test_a_failed_fit_leaves_a_fitted_estimator_as_it_was(cls, fail):
    estimator = layered(cls).fit(X)
    before = result(estimator)
    fail(estimator)
    assert result(estimator) == before
    assert not estimator._fitting


# ---- the base class, by an algorithm that is not there


@dataclass(eq=False, repr=False)
class TwoLoops(Clusterer):
    """One phase with two loops, of which the first is left early."""

    n_clusters: Size = 3
    device: str = "auto"
    random_state: int | None = 0
    verbose: int = 0

    @phase
    def build(self, x):
        self.net_ = nn.Linear(x.shape[1], self.n_clusters, bias=False, dtype=x.dtype)

    @phase
    def walk(self, x):
        optimizer = torch.optim.Adam(self.net_.parameters())
        for loop in ("first", "second"):
            for epoch in self.epochs(9, loop, optimizer):
                if epoch.number == 3:
                    break
                with torch.no_grad():
                    self.net_.weight.add_(torch.randn_like(self.net_.weight))
                epoch.log(size=self.net_.weight.norm())
        self.relabel(self.assign(x))

    def run(self, x):
        self.walk(x)

    def embed(self, x):
        return encode(self.net_, x)

    def assign(self, x):
        return self.embed(x).softmax(1)


def test_relabel_gives_the_share_that_moved():
    model = TwoLoops()
    assert model.relabel(torch.eye(4)) == 1
    assert model.relabel(torch.eye(4)[[0, 1, 2, 2]]) == 0.25
    assert model.labels_.tolist() == [0, 1, 2, 2]
    assert model.relabel(torch.eye(4)[[0, 1, 2, 2]]) == 0


def test_resume_knows_the_loop_when_an_earlier_one_was_left_early(tmp_path):
    whole = TwoLoops().fit(X)
    assert whole.n_iter_ == 6
    for epoch in range(6):
        interrupt(TwoLoops(), tmp_path / f"{epoch}.pt", epoch)
        resumed = TwoLoops().fit(X, checkpoint=tmp_path / f"{epoch}.pt")
        assert result(resumed) == result(whole), f"interrupted in epoch {epoch}"


# ---- on a GPU


@CUDA
def test_cuda_agrees_with_the_cpu(cls):
    x, _ = make_blobs(150, 10, centers=3, random_state=1)
    x = StandardScaler().fit_transform(x)
    on_gpu, on_cpu = (small(cls, device=name).fit(x) for name in ("cuda", "cpu"))
    assert next(on_gpu.net_.parameters()).device.type == "cuda"
    assert isinstance(on_gpu.labels_, np.ndarray)
    assert adjusted_rand_score(on_gpu.labels_, on_cpu.labels_) > 0.9


@CUDA
def test_cuda_resumes_to_the_same_result(cls, tmp_path):
    def on_gpu():
        return layered(cls).set_params(device="cuda")

    whole = on_gpu().fit(X)
    for epoch in range(whole.n_iter_):
        path = tmp_path / f"{epoch}.pt"
        interrupt(on_gpu(), path, epoch)
        resumed = on_gpu().fit(X, checkpoint=path)
        np.testing.assert_array_equal(resumed.labels_, whole.labels_)
        np.testing.assert_allclose(resumed.transform(X), whole.transform(X), rtol=1e-6)


@CUDA
def test_cuda_random_numbers_are_left_alone(cls):
    before = torch.cuda.get_rng_state()
    for device in ("cuda", "cpu"):
        small(cls, device=device).fit(X)
        assert torch.equal(torch.cuda.get_rng_state(), before)


@CUDA
def test_cuda_saves_for_the_cpu(cls, tmp_path):
    estimator = small(cls, device="cuda").fit(X)
    estimator.save(tmp_path / "a.pt")
    loaded = cls.load(tmp_path / "a.pt", device="cpu")
    np.testing.assert_allclose(loaded.transform(X), estimator.transform(X), rtol=1e-6)
