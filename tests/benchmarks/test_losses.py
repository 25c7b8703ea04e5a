"""The four elements of a loss, and its cost: what is measured, and each number again."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import losses
from benchmarks.losses import (
    CLUSTERING,
    LOSSES,
    NETWORK,
    Model,
    cost,
    kept,
    main,
    measure,
    scatter,
    sizes_off,
    uneven,
)
from dclib import data
from dclib.runtime import seeded


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(losses, "PRETRAIN", {"epochs": 2, "rate": 0.01})
    monkeypatch.setattr(losses, "TRAIN", {"epochs": 2, "rate": 0.001})


@pytest.fixture
def small():
    digits = data.digits()
    return replace(digits, x=digits.x[:150], y=digits.y[:150])


@pytest.mark.parametrize("weight", [None, 1.0])
@pytest.mark.parametrize("name", NETWORK | CLUSTERING)
def test_every_loss_is_measured_and_the_same_seed_gives_the_same_numbers(name, weight, small):
    found, again = (measure(name, weight, small, seed=1) for _ in range(2))
    assert found["scores"] == again["scores"] and found["elements"] == again["elements"]
    bounds = {"kept": 1, "evenness": 1, "steadiness": 1, "size error": 1, "scatter": math.inf}
    for element, bound in bounds.items():
        assert -1 <= found["elements"][element] <= bound


@pytest.mark.parametrize("name", LOSSES)
def test_labels_do_not_matter_for_the_code(name, small):
    elements = [
        measure(name, None, replace(small, y=y), seed=0)["elements"]
        for y in (small.y, (small.y + 3) % 10, small.y[::-1].copy())
    ]
    for element in ("kept", "evenness", "steadiness", "scatter"):
        assert len({found[element] for found in elements}) == 1


def test_the_control_merges_and_does_not_train(small):
    with seeded(0):
        model = Model(torch.from_numpy(small.x), 10, small.shape, 2)
        z = model.codes()
        losses.train(model, "merging, no training", None)
    assert torch.equal(model.codes(), z) and len(model.clusters.unique()) == 10


def test_all_losses_start_from_the_same_place(small):
    codes = []
    for _ in range(2):
        with seeded(3, small.name):
            codes.append(Model(torch.from_numpy(small.x), 10, small.shape, 2).codes())
    assert torch.equal(*codes)


def test_the_weight_sets_how_hard_a_loss_pulls(small):
    with seeded(0):
        model = Model(torch.from_numpy(small.x), 10, small.shape, 2)
        loss = losses.kmeans_loss(model, 0.0)
        with seeded(1):
            once = losses.pull(model, loss)
        with seeded(1):
            thrice = losses.pull(model, lambda i, z: 3 * loss(i, z))
    assert thrice == pytest.approx(3 * once)


def test_kept_is_all_for_the_data_and_nothing_for_a_constant():
    x = torch.from_numpy(data.blobs(400, n_classes=20, spread=0.01).x)
    with seeded(0):
        assert kept(x, x, torch.tensor(1e-3)) > 0.99
        assert kept(torch.zeros_like(x), x, torch.tensor(1.0)) < 0.1
        # a code so small that the error of reading hides it is as good as a constant
        assert kept(1e-6 * x, x, torch.tensor(1.0)) < 0.1


def test_kept_equals_a_slow_double_loop():
    x = torch.from_numpy(data.blobs(60).x)
    rebuilt = []
    for one in x[1::2]:
        distances = [float((one - other).square().sum()) for other in x[::2]]
        rebuilt.append(x[::2][np.argsort(distances)[:10]].mean(0))
    rest = (x[1::2] - torch.stack(rebuilt)).square().sum()
    total = (x[1::2] - x[1::2].mean(0)).square().sum()
    assert kept(x, x, torch.tensor(0.0)) == pytest.approx(1 - (rest / total).item())


def test_sizes_off_and_scatter_by_hand():
    y = np.array([0, 0, 0, 1])
    assert sizes_off(torch.tensor([1, 1, 1, 0]), y, 2) == 0  # the names do not matter
    assert sizes_off(torch.tensor([0, 0, 1, 1]), y, 2) == pytest.approx(1 / 4)
    z = torch.tensor([[0.0], [2.0], [7.0]])
    assert scatter(z, torch.tensor([4, 4, 1])) == pytest.approx(2 / 3)


def test_uneven_digits_fall_to_a_tenth():
    digits = data.digits()
    sizes, full = np.bincount(uneven(digits).y), np.bincount(digits.y)
    assert sizes[0] == full[0] and sizes[9] == round(full[9] / 10)
    assert (np.diff(sizes / full) < 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_a_cost(name):
    found = cost(name, data.lifted_blobs(200, n_classes=10, n_features=64).x)
    assert found["seconds"]["total"] > 0 and found["megabytes"] >= 0


def test_what_stands_in_the_file_is_not_run_again(tmp_path, monkeypatch, small):
    monkeypatch.setattr(losses, "LOSSES", {"k-means": losses.kmeans_loss})
    monkeypatch.setattr(data, "digits", lambda: small)
    path = tmp_path / "rows.jsonl"
    main(["--seeds", "1", "--results", str(path)])
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) == 2 * len(losses.WEIGHTS)
    main(["--seeds", "2", "--results", str(path)])
    after = [json.loads(line) for line in path.read_text().splitlines()]
    assert after[: len(rows)] == rows and len(after) == 2 * len(rows)


def test_the_cost_is_measured_in_a_process_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(losses, "CLUSTERING", {"k-means": losses.kmeans_loss})
    monkeypatch.setattr(losses, "NETWORK", {})
    monkeypatch.setattr(losses, "SIZES", [200])
    path = tmp_path / "rows.jsonl"
    main(["--cost", "--results", str(path)])
    (row,) = [json.loads(line) for line in path.read_text().splitlines()]
    assert row["n"] == 200 and row["seconds"]["total"] > 0
