"""The benchmark command: one JSON line a run, none twice, resumed where it was interrupted."""

import contextlib
import json
from pathlib import Path

import pytest
from sklearn.cluster import KMeans

from benchmarks import run
from dclib.core import Clusterer
from dclib.metrics import clustering_accuracy

KEYS = {
    "algorithm", "data", "n", "seed", "settings", "device", "dtype", "commit", "versions",
    "data_sha256", "seconds", "scores", "start", "stop_reason",
}  # fmt: skip
SETTINGS = ["layers=(8,2)", "pretrain_epochs=1", "n_init=1"]
REFINED = [*SETTINGS, "refine_epochs=3", "tol=0"]


@pytest.fixture
def results(tmp_path):
    return tmp_path / "new" / "digits.jsonl"


def bench(results, algorithm="dec", settings=REFINED, more=()):
    """Run the command and return all rows of the results file."""
    options = ["--algorithm", algorithm, "--data", "digits", "--results", str(results), *more]
    run.main([*options, "--device", "cpu", "--set", *settings])
    return [json.loads(line) for line in results.read_text().splitlines()]


def interrupt_after(epochs, patch):
    """Interrupt a fit when it has kept so many; return the list of all that are kept."""
    keep, kept = Clusterer._keep, []

    def keep_and_stop(self, *where):
        keep(self, *where)
        kept.append(where)
        if len(kept) == epochs:
            raise KeyboardInterrupt

    patch.setattr(Clusterer, "_keep", keep_and_stop)
    return kept


def test_a_run_appends_one_line_that_says_all(results):
    (row,) = bench(results)
    assert row.keys() >= KEYS
    assert (row["algorithm"], row["data"], row["n"], row["seed"]) == ("DEC", "digits", 1797, 0)
    assert row["dtype"] == "float32"
    assert row["device"].startswith("CPU")
    assert row["settings"]["layers"] == [8, 2]
    assert row["settings"]["lr"] == 0.01  # defaults stand there too
    assert row["stop_reason"] == "refine: all 3 epochs done"
    assert row["versions"].keys() >= {"torch", "numpy", "scikit-learn", "dclib"}
    assert len(row["data_sha256"]) == 64
    for scores in (row["start"], row["scores"]):
        assert all(0 <= scores[name] <= 1 for name in ("acc", "nmi", "ari"))
    assert {"build", "pretrain", "place_centers", "refine", "total"} == row["seconds"].keys()
    assert [path.name for path in results.parent.iterdir()] == ["digits.jsonl"]


def test_an_algorithm_without_refinement_has_no_start(results):
    (row,) = bench(results, "autoencoderkmeans", SETTINGS)
    assert row["start"] is None


def test_an_algorithm_that_trains_from_scratch_has_no_start(results, tmp_path):
    more = ["--starts", str(tmp_path / "starts")]
    (row,) = bench(results, "imsat", ["layers=(8,)", "train_epochs=1"], more)
    assert row["start"] is None
    assert row["seconds"].keys() == {"build", "train", "total"}


@pytest.mark.parametrize("network", ["mlp", "cnn"])
def test_views_are_kept_as_their_amounts_and_another_amount_is_another_run(results, network):
    settings = [f"network={network}", "layers=(4,2)", "pretrain_epochs=1", "refine_epochs=1"]
    settings += ["n_init=1"]
    for amount in ("rotation=10", "rotation=10", "rotation=20"):
        rows = bench(results, "aspcda", settings, ["--views", amount, "shift=0.8"])
    assert [row["settings"]["views"] for row in rows] == [
        {"rotation": 10, "shift": 0.8},
        {"rotation": 20, "shift": 0.8},
    ]


def test_views_of_the_pretraining_are_another_start(results, tmp_path):
    more = ["--starts", str(tmp_path / "starts"), "--views"]
    settings = ["layers=(8,2)", "pretrain_epochs=1", "refine_epochs=1", "n_init=1"]
    for amount in ("rotation=0", "rotation=10"):
        bench(results, "aspcda", settings, [*more, amount])
    assert len(list((tmp_path / "starts").iterdir())) == 2


@pytest.mark.parametrize("algorithm", ["den", "dscnet"])
def test_where_clusters_come_last_the_start_is_kmeans_on_the_codes(results, algorithm):
    layers = "hidden=(8,)" if algorithm == "den" else "layers=(8,2)"
    settings = [layers, "pretrain_epochs=1", "refine_epochs=1"]
    (row,) = bench(results, algorithm, settings)
    model = run.ALGORITHMS[algorithm](10, random_state=0, device="cpu", pretrain_epochs=1)
    model.set_params(**dict([run.setting(layers)]))
    digits = run.data.digits()
    codes = model.build(digits.x.astype("float32")).pretrain(digits.x.astype("float32"))
    rival = KMeans(10, n_init=20, random_state=0).fit_predict(codes.transform(digits.x))
    assert row["start"]["acc"] == pytest.approx(clustering_accuracy(digits.y, rival), abs=0.05)


def test_what_stands_there_is_not_run_again(results, capsys):
    first = bench(results)
    assert bench(results) == first
    assert "DEC on digits, seed 0: already in digits.jsonl" in capsys.readouterr().out


def test_a_shared_start_gives_what_a_run_of_its_own_gives(results, tmp_path):
    starts = tmp_path / "starts"
    bench(results, "idec", more=["--starts", str(starts)])
    (start,) = starts.iterdir()
    written = start.stat().st_mtime_ns
    *_, shared = bench(results, "dec", more=["--starts", str(starts)])
    assert (start.stat().st_mtime_ns, len(list(starts.iterdir()))) == (written, 1)
    (own,) = bench(tmp_path / "own.jsonl")
    for name in ("start", "scores", "epochs", "stop_reason"):
        assert shared[name] == own[name]
    assert shared["seconds"].keys() == own["seconds"].keys()


@pytest.mark.parametrize("calls", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("algorithm", ["idec", "depict"])
def test_a_shared_start_and_an_interruption(results, tmp_path, monkeypatch, algorithm, calls):
    settings = [*SETTINGS, "refine_epochs=2", "tol=0", "pretrain_epochs=2"]
    settings += ["head_epochs=2"] * (algorithm == "depict")
    (whole,) = bench(tmp_path / "whole.jsonl", algorithm, settings)
    more = ["--starts", str(tmp_path / "starts")]
    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        interrupt_after(calls, patch)
        bench(results, algorithm, settings, more)
    other = [*settings, "lr=0.01"] if algorithm == "idec" else [*settings, "gamma=0.5"]
    bench(tmp_path / "other.jsonl", algorithm, other, more)  # finishes the pre-training
    row = bench(results, algorithm, settings, more)[-1]
    for name in ("scores", "start", "stop_reason", "epochs"):
        assert row[name] == whole[name]


def test_what_comes_after_does_not_change_the_start_and_what_decides_it_does():
    row = {"data": "digits", "seed": 0}

    def name(algorithm, **settings):
        settings = {"layers": [8, 2], "pretrain_epochs": 1, "lr": 0.1, "drop": 0.1} | settings
        return run.start_of(Path(), row | {"algorithm": algorithm, "settings": settings})

    assert name("DEC", lr=0.2) == name("IDEC", gamma=0.5)
    assert name("DEC") != name("DEC", layers=[8, 3])
    assert name("DEPICT", target="root") == name("DEPICT", target="square")
    assert len({name("DEPICT"), name("DEPICT", lr=0.2), name("DEPICT", drop=0.2)}) == 3
    assert len({name("DEC"), name("DEPICT"), name("DSCNet")}) == 3


def test_another_pretraining_is_another_start(results, tmp_path):
    starts = tmp_path / "starts"
    for seed, epochs in ((0, 1), (0, 2), (1, 2)):
        more = ["--starts", str(starts), "--first-seed", str(seed)]
        bench(results, settings=[*REFINED, f"pretrain_epochs={epochs}"], more=more)
    assert len(list(starts.iterdir())) == 3


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        ([*REFINED, "lr=0.02"], []),
        (REFINED, ["--dtype", "float64"]),
        (REFINED, ["--dtype", "bfloat16 autocast"]),
        (REFINED, ["--first-seed", "1"]),
        (REFINED, ["--seeds", "2"]),  # the first of which is there
    ],
    ids=["settings", "float64", "bfloat16", "seed", "seeds"],
)
def test_what_differs_is_one_more_line(results, settings, more):
    (first,) = bench(results)
    rows = bench(results, settings=settings, more=more)
    assert len(rows) == 2
    assert rows[0] == first


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_an_interrupted_run_goes_on_where_it_was(results, tmp_path, monkeypatch, epochs):
    (whole,) = bench(tmp_path / "whole.jsonl")
    kept = interrupt_after(epochs, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        bench(results)
    assert not results.exists()

    (row,) = bench(results)
    assert len(kept) == whole["epochs"] == 4  # no epoch ran twice
    for name in ("scores", "start", "stop_reason", "epochs"):
        assert row[name] == whole[name]
    assert [path.name for path in results.parent.iterdir()] == ["digits.jsonl"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--algorithm", "nope", "--data", "digits"], "invalid choice: 'nope'"),
        (["--algorithm", "dec", "--data", "nope"], "invalid choice: 'nope'"),
        (["--data", "digits"], "required: --algorithm"),
        (["--algorithm", "dec", "--data", "digits", "--seeds", "two"], "count value: 'two'"),
        (["--algorithm", "dec", "--data", "digits", "--set", "lr"], "'lr', expected NAME=VALUE"),
        (["--algorithm", "dec", "--data", "digits", "--dtype", "int8"], "invalid choice: 'int8'"),
    ],
    ids=["algorithm", "data", "nothing", "seeds", "set", "dtype"],
)
def test_bad_options_exit_with_a_message(options, message, capsys):
    with pytest.raises(SystemExit) as stop:
        run.main(options)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lr=0.1", ("lr", 0.1)),
        ("layers=(8, 2)", ("layers", (8, 2))),
        ("gamma=None", ("gamma", None)),
        ("mode=mean", ("mode", "mean")),  # not Python: a string
        ("name=a=b", ("name", "a=b")),
    ],
)
def test_settings_are_read_as_python_would(text, expected):
    assert run.setting(text) == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "speed=3"], "--set speed: dec has the settings network,"),
        (["--set", "n_clusters=3"], "--set n_clusters: dec has"),
        (["--seeds", "0"], "'0', expected at least 1"),
        (["--views", "rotation=3"], "--views: dec takes no changed images"),
    ],
)
def test_what_cannot_be_set_is_said_before_anything_runs(words, message, capsys):
    with pytest.raises(SystemExit):
        run.main(["--algorithm", "dec", "--data", "digits", *words])
    assert message in capsys.readouterr().err


def test_only_changed_code_marks_a_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "HERE", tmp_path / "benchmarks")
    assert run.commit() == "unknown"
    code, results = tmp_path / "code.py", tmp_path / "benchmarks" / "results" / "digits.jsonl"
    results.parent.mkdir(parents=True)
    for path in (code, results):
        path.write_text("\n")
    run.git("init", "--quiet")
    run.git("add", ".")
    run.git("-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "--quiet", "-m", "all")
    clean = run.commit()
    assert len(clean) == 12
    results.write_text("{}\n")
    assert run.commit() == clean
    code.write_text("1\n")
    assert run.commit() == f"{clean}-dirty"


def test_more_clusters_than_classes_are_another_run_and_say_so(results):
    settings = ["layers=(4,)", "train_epochs=1"]
    bench(results, "catgan", settings)
    rows = bench(results, "catgan", settings, ["--clusters", "12"])
    assert [row["settings"].get("n_clusters") for row in rows] == [None, 12]
    assert rows[1]["scores"]["majority_acc"] >= rows[1]["scores"]["acc"]
