"""The benchmark on correlations: its methods find shapes, one JSON line a run, none twice."""

import json
from collections import Counter

import numpy as np
import pytest
import torch

from benchmarks import correlation, series
from benchmarks.run import HERE, read_rows
from dclib import data
from dclib.metrics import clustering_accuracy
from dclib.runtime import seeded


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "ucr", lambda name: data.waves(60, 12), raising=False)
    return tmp_path / "new" / "correlation.jsonl"


def bench(results, *more):
    """Run the command for one set and two steps of training; return all rows of the file."""
    correlation.main(["--data", "CBF", "--steps", "2", "--results", str(results), *more])
    return read_rows(results)


def test_each_method_appends_one_line_and_none_twice(results, capsys):
    rows = bench(results, "--seeds", "1")
    assert [row["algorithm"] for row in rows] == list(correlation.METHODS)
    assert all(0 <= row["scores"]["acc"] <= 1 for row in rows)
    assert [row["settings"].get("steps") for row in rows] == [None, None, None, 2, 2]
    assert bench(results, "--seeds", "1") == rows
    assert "n=60, seed 0: already in correlation.jsonl" in capsys.readouterr().out


def test_the_same_seed_gives_the_same_scores(results, tmp_path):
    rows = bench(results, "--seeds", "1")
    others = bench(tmp_path / "other.jsonl", "--seeds", "1")
    assert [row["scores"] for row in rows] == [row["scores"] for row in others]


@pytest.mark.parametrize("method", ["ShapeDistance + spectral", "KShape"])
def test_events_that_begin_when_they_like_are_told_apart_by_shape(method):
    rng, x, y = np.random.default_rng(0), np.zeros((60, 60)), np.arange(60) % 2
    for row, label in zip(x, y, strict=True):
        event = [[1, 2, 3, 2, 1], [3, -3, 3, -3, 3]][label]
        begin = rng.integers(10, 20)
        row[begin : begin + 5] = event
    x = torch.from_numpy(x + 0.05 * rng.standard_normal(x.shape))
    cluster, settings = correlation.METHODS[method]
    with seeded(0):
        assert clustering_accuracy(y, cluster(x, 2, settings)) == 1


def test_the_shape_of_shifted_copies_is_the_original():
    x = torch.zeros(1, 30, dtype=torch.float64)
    x[0, 12:16] = torch.tensor([1.0, 4.0, -2.0, -3.0])
    copies = torch.cat([size * x.roll(shift, 1) for size, shift in ((1, 0), (3, 5), (0.5, -4))])
    found = correlation.shape_of(copies, x[0])
    torch.testing.assert_close(found, x[0] / x.norm())


def test_settings_of_the_network_are_those_of_its_rivals():
    for name in ("ConvAutoencoder, correlation", "ConvAutoencoder, best lag"):
        assert correlation.METHODS[name][1].items() >= series.CONV.items()


def test_the_stored_runs_are_whole():
    path = HERE / "results" / "correlation.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    runs = Counter((row["data"], row["algorithm"]) for row in rows)
    assert len(runs) == len(series.SETS) * len(correlation.METHODS)
    assert set(runs.values()) == {5}
