"""An error names the thing, its value and what was expected."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from dclib import check
from dclib.schedules import Linear

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (check.Count, [0, 5, np.int64(3)], [-1, 2.0, True, "3", None]),
        (check.Size, [1, np.int32(7)], [0, -1, 1.5, True, "1", None]),
        (check.Sizes, [(1,), (8, 2), [8, 2]], [(), 8, (8, 0), (8, 2.0), (True,), "82", None]),
        (check.Rate, [0.1, 1, np.float32(0.5)], [0, -1, INF, NAN, True, "0.1", None]),
        (check.Share, [0, 1, 0.5], [-0.1, 1.1, NAN, True, "1", None]),
        (check.Weight, [0, 2.5, Linear(0, 1)], [-1, INF, NAN, True, "1", None]),
    ],
    ids=["Count", "Size", "Sizes", "Rate", "Share", "Weight"],
)
def test_rule_accepts_the_good_and_refuses_the_bad(rule, good, bad):
    (rule,) = rule.__metadata__
    assert [rule.accepts(value) for value in good] == [True] * len(good)
    assert [rule.accepts(value) for value in bad] == [False] * len(bad)


@dataclass
class Settings:
    n_clusters: check.Size = 8
    lr: check.Rate = 0.1
    device: str = "auto"


def test_settings_pass_in_silence():
    assert check.settings(Settings()) is None


def test_settings_name_class_setting_value_and_rule():
    with pytest.raises(ValueError, match=r"Settings: lr=-0\.5, expected a finite number above 0"):
        check.settings(Settings(lr=-0.5))


def test_matrices():
    check.matrices(a=torch.zeros(2, 3), b=torch.zeros(0, 1))
    with pytest.raises(ValueError, match=r"z has shape \(4,\), expected two dimensions"):
        check.matrices(a=torch.zeros(2, 3), z=torch.zeros(4))


def test_same_shape():
    check.same_shape(p=torch.zeros(2, 3), q=torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"p \(2, 3\), q \(3, 2\); expected the same shape"):
        check.same_shape(p=torch.zeros(2, 3), q=torch.zeros(3, 2))


def test_same_width():
    check.same_width(z=torch.zeros(9, 3), centers=torch.zeros(2, 3))
    with pytest.raises(ValueError, match="z has 3, centers has 4; expected the same number"):
        check.same_width(z=torch.zeros(9, 3), centers=torch.zeros(2, 4))
    with pytest.raises(ValueError, match=r"z has shape \(3,\), expected two dimensions"):
        check.same_width(z=torch.zeros(3), centers=torch.zeros(2, 3))


def test_labels():
    check.labels(torch.tensor([0, 2, 2]), n=3, k=3)
    for wrong, said in (
        (torch.tensor([0, 1]), r"labels have shape \(2,\), expected \(3,\), n at least 1"),
        (torch.tensor([0.0, 1.0, 2.0]), "labels are torch.float32, expected torch.int64"),
        (torch.tensor([0, 1, 3]), "labels from 0 to 3, expected within 0 to 2"),
        (torch.tensor([-1, 1, 2]), "labels from -1 to 2, expected within 0 to 2"),
    ):
        with pytest.raises(ValueError, match=said):
            check.labels(wrong, n=3, k=3)
    with pytest.raises(ValueError, match="n at least 1"):
        check.labels(torch.zeros(0, dtype=torch.long), n=0, k=3)
