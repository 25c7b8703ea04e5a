"""The container that all loaders return, and what all generated sets have in common."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from dclib.data import (
    Data,
    blobs,
    digits,
    glyphs,
    lifted_blobs,
    moons,
    rings,
    subspaces,
    topics,
    waves,
)

GENERATED = [blobs, moons, rings, lifted_blobs, glyphs, waves, subspaces, topics]
# The numbers of the book stand on these bytes: whoever changes them has to run the notebooks anew.
BYTES = {
    "digits": "54c54aabbd058719",
    "blobs": "c82e80c88162d56e",
    "moons": "fd20e7f21a4fadb4",
    "rings": "cfed3b92409896a2",
    "lifted_blobs": "f9a22b90d87b6c84",
    "glyphs": "08095f09fae7b6bb",
    "waves": "9dab41df2bee5783",
    "subspaces": "c4eac86ee4d9a59c",
    "topics": "5fb31a8a6acc1441",
}


def tiny(**changes):
    fields = {"x": np.zeros((4, 6)), "y": np.array([0, 1, 2, 1]), "name": "tiny", "shape": (2, 3)}
    return Data(**fields | changes)


def test_length_classes_and_name():
    assert len(tiny()) == 4
    assert tiny().n_classes == 3
    assert tiny(classes=("a", "b", "c", "never drawn")).n_classes == 4
    assert repr(tiny()) == "Data('tiny', n=4, d=6, k=3, shape=(2, 3), float64)"
    assert repr(tiny(shape=())) == "Data('tiny', n=4, d=6, k=3, float64)"


def test_images_are_the_rows_in_reading_order():
    data = tiny(x=np.arange(24.0).reshape(4, 6))
    assert data.images[1].tolist() == [[6, 7, 8], [9, 10, 11]]
    with pytest.raises(ValueError, match="tiny has rows of 6 numbers, expected images"):
        _ = tiny(shape=()).images


def test_fingerprint_sees_values_types_shapes_and_labels():
    others = [
        tiny(x=np.eye(4, 6)),
        tiny(x=np.zeros((4, 6), dtype=np.float32)),
        tiny(x=np.zeros((4, 12), dtype=np.float32), shape=()),  # the bytes of the first
        tiny(y=np.array([0, 1, 2, 2])),
    ]
    prints = {data.sha256 for data in [tiny(), *others]}
    assert len(prints) == 5
    assert (
        tiny(name="other", x=np.zeros((6, 4)).T).sha256 == tiny().sha256
    )  # names and layout do not count


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": np.zeros(4)}, r"x is float64 of shape \(4,\), expected floats of shape \(n, d\)"),
        ({"x": np.zeros((4, 6), int)}, "x is int64"),
        ({"y": np.zeros(3, int)}, r"y is int64 of shape \(3,\), expected int64 of shape \(4,\)"),
        ({"y": np.zeros(4)}, "y is float64"),
        ({"y": np.array([0, 1, -1, 0])}, "y has the label -1, expected labels from 0"),
        ({"classes": ("a", "b")}, "y has the label 2, expected labels below 2"),
        ({"shape": (2, 2)}, r"shape=\(2, 2\), expected 6 pixels"),
        ({"factors": {"size": np.zeros(5)}}, "factor 'size' has 5 rows, expected 4"),
    ],
)
def test_fields_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny(**changes)


@pytest.mark.parametrize("make", GENERATED)
def test_classes_are_balanced_and_shuffled(make):
    data = make(n=203)
    sizes = np.bincount(data.y)
    assert len(data) == 203
    assert sizes.max() - sizes.min() <= 1
    assert np.count_nonzero(np.diff(data.y)) > data.n_classes


@pytest.mark.parametrize("make", GENERATED)
def test_seed_fixes_everything_and_only_the_seed(make):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = make(n=60), make(n=60, random_state=0), make(n=60, random_state=1)
    after = np.random.get_state()[1]  # noqa: NPY002
    np.testing.assert_array_equal(before, after)
    assert first.sha256 == again.sha256 != other.sha256
    assert not np.array_equal(first.y, other.y)
    for name, values in first.factors.items():
        np.testing.assert_array_equal(values, again.factors[name])


@pytest.mark.parametrize("make", [digits, *GENERATED])
def test_float32_is_the_rounded_float64(make):
    exact, single = make(), make(dtype=np.float32)
    assert exact.x.dtype == np.float64
    assert single.x.dtype == np.float32
    np.testing.assert_array_equal(exact.x.astype(np.float32), single.x)
    assert exact.y.dtype == single.y.dtype == np.int64


@pytest.mark.parametrize("make", [digits, *GENERATED])
@pytest.mark.parametrize("dtype", [int, "float16", None, "pixels"])
def test_other_dtypes_are_refused(make, dtype):
    with pytest.raises(ValueError, match=r"dtype=.*, expected float32 or float64"):
        make(dtype=dtype)


@pytest.mark.parametrize("make", GENERATED)
@pytest.mark.parametrize(
    ("setting", "value"),
    [("random_state", -1), ("random_state", None), ("random_state", 0.5), ("n", 1), ("n", True)],
)
def test_other_seeds_and_sizes_are_refused(make, setting, value):
    with pytest.raises(ValueError, match=f"{setting}={value}, expected a whole number of at least"):
        make(**{setting: value})


PRINT_BYTES = """
import json
import sys
from dclib import data
made = [getattr(data, name)() for name in sys.argv[1:]]
print(json.dumps({data.name: data.sha256[:16] for data in made}))
"""


def test_bytes_are_the_book_s():
    made = {data.name: data.sha256[:16] for data in (make() for make in [digits, *GENERATED])}
    assert made == BYTES


def test_bytes_are_the_same_in_another_process_on_an_older_cpu():
    from numpy._core import _multiarray_umath as cpu

    fancy = [name for name in cpu.__cpu_dispatch__ if cpu.__cpu_features__[name]]
    older = {
        "NPY_DISABLE_CPU_FEATURES": " ".join(fancy),
        "OPENBLAS_CORETYPE": "Prescott",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA",
        "OMP_NUM_THREADS": "2",
        "PYTHONHASHSEED": "7",
    }
    command = [sys.executable, "-W", "error", "-c", PRINT_BYTES, *BYTES]
    run = subprocess.run(
        command, env=os.environ | older, capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout) == BYTES
