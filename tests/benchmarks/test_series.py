"""The benchmark on time series: five representations, one JSON line a run, none twice."""

import json
from collections import Counter

import numpy as np
import pytest
import torch

from benchmarks import series, table
from benchmarks.run import HERE, read_rows
from dclib import data

KEYS = {
    "algorithm", "data", "n", "seed", "settings", "device", "dtype", "commit", "versions",
    "data_sha256", "seconds", "scores", "start", "stop_reason",
}  # fmt: skip


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "ucr", lambda name: data.waves(60, 12), raising=False)
    return tmp_path / "new" / "series.jsonl"


def bench(results, *more):
    """Run the command for one set and two steps of training; return all rows of the file."""
    series.main(["--data", "CBF", "--steps", "2", "--results", str(results), *more])
    return read_rows(results)


def test_each_method_and_seed_appends_one_line_that_says_all(results):
    rows = bench(results, "--seeds", "2")
    assert [(row["algorithm"], row["seed"]) for row in rows] == [
        (method, seed) for method in series.METHODS for seed in (0, 1)
    ]
    for row in rows:
        assert row.keys() == KEYS | {"threads"}
        assert row["n"] == 60
        assert row["seconds"].keys() == {"represent", "cluster", "total"}
        assert all(0 <= row["scores"][name] <= 1 for name in ("acc", "nmi"))
    assert [row["settings"].get("steps") for row in rows[::2]] == [None, None, None, 2, 2]
    assert rows[-1]["stop_reason"] == "all 2 steps done"


def test_what_stands_there_is_not_run_again(results, capsys):
    first = bench(results, "--seeds", "1")
    assert bench(results, "--seeds", "1") == first
    assert "KMeans on waves, n=60, seed 0: already in series.jsonl" in capsys.readouterr().out
    again = bench(results, "--seeds", "1", "--steps", "3")
    assert again[:-2] == first  # only the two that train differ
    assert [row["settings"]["steps"] for row in again[-2:]] == [3, 3]


def test_the_same_seed_gives_the_same_scores(results, tmp_path):
    rows = bench(results, "--seeds", "1")
    others = bench(tmp_path / "other.jsonl", "--seeds", "1")
    assert [row["scores"] for row in rows] == [row["scores"] for row in others]


def test_the_moving_average_and_the_spectrum_are_those_of_numpy():
    x = torch.from_numpy(data.waves(20, 12).x)
    for row, smooth, spectrum in zip(
        x, series.smooth(x, {"width": 3}), series.spectrum(x, {}), strict=True
    ):
        assert np.allclose(smooth, np.convolve(row, np.ones(3) / 3, "valid"))
        assert np.allclose(spectrum, np.abs(np.fft.rfft(row)) / np.sqrt(12))


@pytest.mark.parametrize(("n", "steps", "expected"), [(200, 1000, 250), (930, 1000, 53), (3, 2, 2)])
def test_training_takes_about_as_many_steps_on_every_set(n, steps, expected):
    auto = series.ConvAutoencoder((1, 8), (2,), 2)
    counted, _, _ = series.training(auto, n, {"steps": steps, "batch_size": 50, "lr": 0.1})
    assert len(list(counted)) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "Nope"], "invalid choice: 'Nope'"),
        (["--methods", "Nope"], "invalid choice: 'Nope'"),
        (["--seeds", "0"], "'0', expected at least 1"),
        (["--steps", "x"], "count value: 'x'"),
    ],
)
def test_bad_options_exit_with_a_message(options, message, capsys):
    with pytest.raises(SystemExit):
        series.main(options)
    assert message in capsys.readouterr().err


def test_the_stored_runs_are_whole_and_make_a_table():
    path = HERE / "results" / "series.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    runs = Counter((row["data"], row["algorithm"]) for row in rows)
    assert len(runs) == len(series.SETS) * len(series.METHODS)
    assert set(runs.values()) == {5}
    assert all(line["seeds"] == "5" for line in table.lines([path], HERE / "published.csv"))
