"""Time series of the UCR archive, downloaded once."""

from __future__ import annotations

import numpy as np

from dclib.data.base import Data, float_type
from dclib.data.fetch import Remote, fetch
from dclib.data.real import _parts


def ucr(name: str, split: str = "all", *, dtype: object = np.float32) -> Data:
    """Load a set of the UCR time series archive: CBF, ECG200, GunPoint or SyntheticControl.

    Returns one series of d values a row, as it is in the archive, "train" followed by "test" for
    `split="all"`: n=930, d=128, k=3; n=200, d=96, k=2; n=200, d=150, k=2; n=600, d=60, k=6. The
    archive's labels, whole numbers such as -1 and 1, become 0 to k - 1 in their order and are the
    class names. Raises ValueError for another name or split.

    Source: H. A. Dau et al. 2019, The UCR Time Series Archive, arXiv 1810.07758; the archive of
    2018, for research with citation.

    >>> ucr("CBF", "train")  # doctest: +SKIP
    Data('CBF', n=30, d=128, k=3, float32)
    """
    if not isinstance(name, str) or name not in UCR:
        raise ValueError(f"name={name!r}, expected one of {tuple(UCR)}")
    parts, dtype = _parts(split), float_type(dtype)
    tables = {part: np.loadtxt(fetch(UCR[name][part]), ndmin=2) for part in UCR[name]}
    known = np.unique(np.concatenate([table[:, 0] for table in tables.values()]))
    table = np.concatenate([tables[part] for part in parts])
    return Data(
        x=table[:, 1:].astype(dtype),
        y=np.searchsorted(known, table[:, 0]).astype(np.int64),
        name=name,
        classes=tuple(f"{label:g}" for label in known),
        source="Dau et al. 2019, The UCR Time Series Archive, arXiv 1810.07758; for research",
    )


def _tsv_files(name: str, **checksums: str) -> dict[str, Remote]:
    """List the files of the two parts of a set."""
    mirror = (
        "https://raw.githubusercontent.com/iwuqing/Time-Series-Classification-based-on-KNN/"
        f"6f961db51e2633ba46524913177c518bd03bb843/data/{name}/"
    )
    return {
        part: Remote(f"ucr/{name}/{file}", (mirror + file,), checksum)
        for part, checksum in checksums.items()
        for file in [f"{name}_{part.upper()}.tsv"]
    }


UCR = {
    "CBF": _tsv_files(
        "CBF",
        train="eb25c656d86a28328bca2a3c4bd0dcd54f27546b6a83f84a635cf581a55cead4",
        test="9485e783f961cbc6343f7da504fd8f6f9502e9000fd379bc60c688ff5d637965",
    ),
    "ECG200": _tsv_files(
        "ECG200",
        train="bd08b37147ebf205231ad43e02c42dd5c14bc348f4ccc7614f85634c8916bf21",
        test="c8ac02caf98be23c47c044fde026219301ceaf0b2f97bc107bd0cd96330b867c",
    ),
    "GunPoint": _tsv_files(
        "GunPoint",
        train="4d14e4f44a6230087cb4b4ed7844c8b0feb76f07a76108cc367d689e0de8f609",
        test="5537eb2f3050e1514f3221b5f4c9799b350fb229ea15eed9e78bbae855505ccf",
    ),
    "SyntheticControl": _tsv_files(
        "SyntheticControl",
        train="58af636cbd5592bdda45ba638629e40f17c08354aa545a61fd41b92582bdd176",
        test="cd44464b200820913f928a952af78d512ee3924f6243053d28a6d45c0aacdb76",
    ),
}
