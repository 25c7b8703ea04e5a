"""Files are plain data, written whole, read without running code."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from dclib import store
from dclib.algorithms import IDEC
from dclib.schedules import Constant, Cosine, Linear, Step

STATE = {"algorithm": "DEC", "net": {"w": torch.arange(3.0)}, "history": [{"kl": 0.5}]}


def test_written_state_is_read_back(tmp_path):
    store.write(STATE, tmp_path / "a.pt")
    found = store.read(tmp_path / "a.pt")
    assert torch.equal(found.pop("net")["w"], STATE["net"]["w"])
    assert found == {"algorithm": "DEC", "history": [{"kl": 0.5}]}
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    store.write(STATE, path)

    def half(state, file):
        Path(file).write_bytes(b"PK half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(KeyboardInterrupt):
        store.write({"algorithm": "IDEC"}, path)
    assert store.read(path)["algorithm"] == "DEC"


SETTINGS = {
    "n_clusters": 3,
    "layers": (8, 2),
    "sizes": [4],
    "gamma": Linear(0, 0.2),
    "rates": (Step(0, 1, at=0.3), Cosine(1, 0), Constant(5)),
    "device": "auto",
    "random_state": None,
}


@pytest.mark.parametrize("name", SETTINGS)
def test_decode_undoes_encode_also_through_a_file(name, tmp_path):
    settings = {name: SETTINGS[name]}
    store.write({"algorithm": "DEC", "settings": store.encode(settings)}, tmp_path / "a.pt")
    assert store.decode(store.read(tmp_path / "a.pt")["settings"], {}) == settings


def test_numbers_of_numpy_become_plain(tmp_path):
    settings = {"k": np.int64(3), "layers": (np.int32(8), 2), "lr": Linear(np.float64(1), 0)}
    plain = store.encode({**settings, "sizes": np.array([4, 5])})
    store.write({"algorithm": "DEC", "settings": plain}, tmp_path / "a.pt")
    assert store.read(tmp_path / "a.pt")["settings"] == plain
    assert store.decode(plain, {}) == {**settings, "sizes": [4, 5]}


def whole_file(path):
    store.write(STATE, path)
    return path.read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: b"",
        lambda path: b"hello, I am a text\n",
        lambda path: b"a",
        lambda path: np.random.default_rng(0).bytes(500),
        lambda path: whole_file(path)[:-1],
        lambda path: whole_file(path)[: len(whole_file(path)) // 2],
    ],
    ids=["empty", "text", "letter", "noise", "last byte missing", "half"],
)
def test_a_damaged_file_is_refused_by_name(damage, tmp_path):
    path = tmp_path / "a.pt"
    path.write_bytes(damage(path))
    with pytest.raises(ValueError, match=r"a\.pt cannot be read .*expected a file that dclib"):
        store.read(path)


@pytest.mark.parametrize(("content", "kind"), [([1], "list"), ({"w": 1}, "dict")])
def test_a_file_of_another_kind_is_refused(content, kind, tmp_path):
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=rf"a\.pt holds a {kind}; expected a file that dclib"):
        store.read(tmp_path / "a.pt")


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a\.pt"):
        store.read(tmp_path / "a.pt")


class Intruder:
    """Unpickled, it would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_no_code_runs(tmp_path):
    torch.save({"algorithm": Intruder(tmp_path / "intruder")}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"a\.pt cannot be read"):
        store.read(tmp_path / "a.pt")
    assert not (tmp_path / "intruder").exists()


def test_fingerprint_sees_value_shape_and_dtype():
    x = torch.arange(6.0)
    assert store.fingerprint(x) == store.fingerprint(x.clone())
    others = [x + 1, x.view(2, 3), x.view(torch.int32), x.double()]
    assert len({store.fingerprint(t) for t in [x, *others]}) == 5


def test_fingerprint_does_not_depend_on_the_memory_layout():
    x = torch.arange(6.0).view(2, 3)
    assert store.fingerprint(x.T) == store.fingerprint(x.T.contiguous())


# ---- settings that are code


def half(t):
    return t / 2


def test_a_setting_that_is_code_has_to_be_given_again(tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 3))
    model = IDEC(2, layers=(4, 2), pretrain_epochs=1, refine_epochs=1, gamma=half).fit(x)
    model.save(tmp_path / "a.pt")
    again = IDEC.load(tmp_path / "a.pt", gamma=half)
    assert again.gamma is half
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
    message = "gamma was half, code, which no file holds; expected gamma=..."
    with pytest.raises(ValueError, match=re.escape(message)):
        IDEC.load(tmp_path / "a.pt")


def test_what_the_file_holds_cannot_be_given(tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 3))
    IDEC(2, layers=(4, 2), pretrain_epochs=1, refine_epochs=1).fit(x).save(tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"gamma=0.5 given, expected only \[\]"):
        IDEC.load(tmp_path / "a.pt", gamma=0.5)
