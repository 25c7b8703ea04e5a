"""The closing table of Part I: every architecture on every data set, each number again."""

import json

import pytest
import torch
from sklearn.decomposition import PCA

from benchmarks import architectures
from benchmarks.architectures import ARCHITECTURES, CODE, DATA, HIDDEN, main, measure
from dclib import data


@pytest.fixture(autouse=True)
def two_steps(monkeypatch):
    monkeypatch.setattr(architectures, "STEPS", 2)


def small(name):
    return {
        "digits": data.digits,
        "glyphs": lambda: data.glyphs(50, size=9),
        "waves": lambda: data.waves(50, length=16),
    }[name]()


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_gives_every_sample_a_code(architecture, name):
    loaded = small(name)
    z, found = measure(architecture, loaded, seed=0)
    wide = dict.fromkeys(["CNN, untrained, pooled", "GAN, discriminator"], HIDDEN)
    raw = architecture.startswith("raw input")
    size = loaded.x.shape[1] if raw else wide.get(architecture, CODE)
    assert z.shape == (len(loaded), size) and z.dtype == torch.float64
    assert z.isfinite().all() and raw == (found["parameters"] == 0)
    assert set(found["scores"]) == {"acc", "nmi", "ari", "majority_acc"}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_same_seed_gives_the_same_code(architecture):
    loaded = small("waves")
    (z, found), (again, found_again) = (measure(architecture, loaded, seed=1) for _ in range(2))
    assert torch.equal(z, again) and found["scores"] == found_again["scores"]


def test_the_labels_do_not_matter_for_the_code():
    loaded = small("glyphs")
    z, _ = measure("autoencoder", loaded, seed=0)
    loaded.y[:] = loaded.y[::-1].copy()
    assert torch.equal(measure("autoencoder", loaded, seed=0)[0], z)


def test_pca_is_scikit_learns():
    loaded = small("glyphs")
    z, _ = measure("PCA", loaded, seed=0)
    x = (loaded.x - loaded.x.min()) / (loaded.x.max() - loaded.x.min())
    theirs = PCA(CODE, svd_solver="full").fit_transform(x)
    ours = z.numpy() - z.numpy().mean(0)
    assert abs(ours) == pytest.approx(abs(theirs), abs=1e-8)


def test_what_stands_in_the_file_is_not_run_again(tmp_path, monkeypatch):
    monkeypatch.setattr(architectures, "DATA", {"waves": lambda: small("waves")})
    path = tmp_path / "rows.jsonl"
    main(["--seeds", "1", "--results", str(path)])
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["algorithm"] for row in rows] == list(ARCHITECTURES)
    main(["--seeds", "2", "--results", str(path)])
    after = [json.loads(line) for line in path.read_text().splitlines()]
    assert after[: len(rows)] == rows and len(after) == 2 * len(rows)
