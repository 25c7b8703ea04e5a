"""The printed table: seeds together, settings apart, the paper's number beside ours."""

import functools
import json

import pytest

from benchmarks import speed, table
from benchmarks.run import HERE

PUBLISHED = """algorithm,network,data,acc,nmi,source
DEC,,mnist,0.843,,the paper
IDEC,mlp,mnist,0.881,,the paper of rows
IDEC,cnn,mnist,0.89,,the paper of images
"""


def run(seed, acc, **changed):
    row = {"algorithm": "DEC", "data": "mnist", "seed": seed, "settings": {"lr": 0.01}}
    row |= {"dtype": "float32", "device": "CPU", "seconds": {"total": 60.0}}
    row |= {"scores": {"acc": acc, "nmi": 0.5, "ari": 0.5}, "start": {"acc": acc - 0.1}}
    return row | changed


@pytest.fixture
def stored(tmp_path):
    """Write rows; returns the function that makes lines of them."""

    def write(*rows):
        results = tmp_path / "results" / "mnist.jsonl"
        results.parent.mkdir()
        results.write_text("".join(json.dumps(row) + "\n" for row in rows))
        (tmp_path / "published.csv").write_text(PUBLISHED)
        return functools.partial(table.lines, folder=tmp_path)

    return write


def test_seeds_of_one_setting_make_one_line_with_mean_and_spread(stored):
    (line,) = stored(run(0, 0.8), run(1, 0.9))()
    assert (line["seeds"], line["ACC"], line["its start, ACC"]) == (
        "2",
        "0.850 ± 0.071",
        "0.750 ± 0.071",
    )
    assert (line["paper, ACC"], line["minutes a seed"]) == ("0.843", "1.0")


@pytest.mark.parametrize(
    "changed", [{"settings": {"lr": 0.1}}, {"dtype": "float64"}, {"device": "GPU"}]
)
def test_what_differs_in_more_than_the_seed_is_kept_apart(stored, changed):
    assert len(stored(run(0, 0.8), run(1, 0.9, **changed))()) == 2


def test_the_paper_is_that_of_the_network(stored):
    settings = [{"network": "mlp"}, {"network": "cnn"}]
    found = stored(*(run(0, 0.8, algorithm="IDEC", settings=each) for each in settings))()
    assert sorted(line["paper, ACC"] for line in found) == ["0.881", "0.89"]


def test_settings_are_those_that_are_not_the_defaults(stored):
    (line,) = stored(run(0, 0.8, settings={"lr": 0.01, "tol": 0.5, "layers": [8, 2]}))()
    assert line["settings"] == "tol=0.5 layers=[8,2]"


def test_one_seed_says_so_and_no_start_and_no_paper_are_left_empty(stored):
    (line,) = stored(run(0, 0.8, start=None, data="usps"))()
    assert line["ACC"] == "0.800 (one seed)"
    assert line["its start, ACC"] == line["paper, ACC"] == ""


def test_the_gain_is_paired_with_the_start_of_each_seed(stored):
    (line,) = stored(run(0, 0.8), run(1, 0.9, start={"acc": 0.95}))()
    assert (line["gain"], line["above its start"]) == ("0.025 ± 0.106", "1 of 2")


def test_algorithms_and_columns_can_be_chosen(stored):
    lines = stored(run(0, 0.8), run(0, 0.7, algorithm="IDEC", settings={"network": "cnn"}))
    assert lines("IDEC", columns=("algorithm", "ACC")) == [
        {"algorithm": "IDEC", "ACC": "0.700 (one seed)"}
    ]
    assert [line["algorithm"] for line in lines()] == ["DEC", "IDEC"]


def test_the_stored_results_make_a_table(capsys):
    table.main()
    assert capsys.readouterr().out.startswith("| data | algorithm | settings | seeds | ACC |")


def test_every_published_number_has_a_source():
    rows = (HERE / "published.csv").read_text().splitlines()[1:]
    assert rows and all("20" in row.split(",", 5)[5] for row in rows)


def test_speed_compares_two_positive_times(capsys, monkeypatch):
    monkeypatch.setattr(speed, "SIZES", (8, 4, 2))
    monkeypatch.setattr("sys.argv", ["speed", "--rounds", "2", "--threads", "1"])
    speed.main()
    assert "training step" in capsys.readouterr().out
