"""The benchmark of a backbone taught elsewhere: one JSON line a run, none twice."""

import functools

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from benchmarks import table, transfer
from benchmarks.run import HERE, read_rows
from dclib import data
from dclib.loop import encode
from dclib.runtime import seeded

KEYS = {
    "algorithm", "data", "n", "seed", "settings", "device", "dtype", "commit", "versions",
    "data_sha256", "seconds", "scores", "start", "stop_reason", "epochs", "threads",
}  # fmt: skip
LETTERS = functools.partial(data.glyphs, 60, 28, "AB")


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "mnist", lambda: data.glyphs(80, 28, "0123"), raising=False)
    monkeypatch.setitem(transfer.RECIPE, "code_size", 8)
    monkeypatch.setitem(transfer.SOURCES, "letters", functools.partial(transfer.taught, LETTERS))
    return tmp_path / "new" / "transfer.jsonl"


def bench(results, *more):
    """Run the command for one epoch; return all rows of the file."""
    transfer.main(["--backbone", "letters", "--epochs", "1", "--results", str(results), *more])
    return read_rows(results)


def test_each_seed_appends_one_line_that_says_all(results):
    rows = bench(results, "--seeds", "2")
    assert [(row["algorithm"], row["seed"]) for row in rows] == [("CCNN", 0), ("CCNN", 1)]
    for row in rows:
        assert row.keys() == KEYS
        assert (row["n"], row["settings"]["backbone"]) == (80, "letters")
        assert row["seconds"].keys() == {"pretrain", "build", "place_centers", "refine", "total"}
        assert all(0 <= row[when]["nmi"] <= 1 for when in ("start", "scores"))
    assert rows[0]["scores"] != rows[1]["scores"]


def test_what_stands_there_is_not_run_again(results, capsys):
    first = bench(results)
    assert bench(results) == first
    assert "CCNN on glyphs, n=80, seed 0: already in transfer.jsonl" in capsys.readouterr().out
    assert len(bench(results, "--n", "70")) == 2


def test_the_same_seed_gives_the_same_scores(results, tmp_path):
    (row,), (other,) = bench(results), bench(tmp_path / "other.jsonl")
    assert (row["start"], row["scores"]) == (other["start"], other["scores"])


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("views", "views", None),
        ("compensation", "compensate", False),
        ("unit_length", "unit_length", False),
    ],
)
def test_a_control_leaves_away_what_it_says_and_nothing_else(results, part, name, value):
    whole, control = bench(results), bench(results, "--without", part)[1:]
    differ = {
        key
        for key in whole[0]["settings"]
        if whole[0]["settings"][key] != control[0]["settings"][key]
    }
    assert (differ, control[0]["settings"][name]) == ({name}, value)
    assert control[0]["scores"] != whole[0]["scores"]
    assert part == "unit_length" or control[0]["start"] == whole[0]["start"]


def test_a_taught_backbone_tells_the_letters_and_an_untaught_one_is_random():
    settings = transfer.RECIPE | {"pretrain_epochs": 20}
    x, y = torch.from_numpy(transfer.images(LETTERS())), LETTERS().y
    spread = []
    for make in (functools.partial(transfer.taught, LETTERS), transfer.untaught):
        with seeded(0, "pretrain"):
            h = encode(make(settings), x).numpy()
        gap = h[y == 0].mean(0) - h[y == 1].mean(0)
        spread.append((gap**2).sum() / h.var(0).sum())
    assert spread[0] > 2 * spread[1]


def test_whitening_is_scikit_learns():
    with seeded(0):
        h = torch.randn(50, 6, dtype=torch.float64) @ torch.randn(6, 6, dtype=torch.float64)
    ours = transfer.whitening(h, 3)(h).detach().flip(1).numpy()
    theirs = PCA(3, whiten=True).fit_transform(h.numpy())
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), rtol=1e-8)


def test_the_backbone_gives_rows_of_length_1():
    x = torch.from_numpy(transfer.images(LETTERS()))
    backbone = transfer.on_target(transfer.untaught(transfer.RECIPE), x, transfer.RECIPE)
    torch.testing.assert_close(backbone(x).norm(dim=1), torch.ones(60))


def test_the_stored_runs_are_whole():
    rows = [
        row for row in read_rows(HERE / "results" / "mnist.jsonl") if row["algorithm"] == "CCNN"
    ]
    assert all(row.keys() == KEYS and row["n"] == 70_000 for row in rows)
    assert len(table.groups("CCNN")) == len({str(row["settings"]) for row in rows})
