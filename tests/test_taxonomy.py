"""The tables of the book say what the algorithms declare."""

from dataclasses import fields

import pytest

from dclib import algorithms, taxonomy
from dclib.core import Taxonomy

CLASSES = [getattr(algorithms, name) for name in algorithms.__all__]


@pytest.mark.parametrize("survey", taxonomy.SURVEYS)
def test_every_algorithm_has_a_line_in_every_survey(survey):
    rows = taxonomy.table(CLASSES, survey)
    assert {row["algorithm"] for row in rows} == set(algorithms.__all__)
    assert [row["year"] for row in rows] == sorted(row["year"] for row in rows)
    for row in rows:
        declared = getattr(algorithms, row["algorithm"]).taxonomy
        for name, word in taxonomy.SURVEYS[survey].items():
            assert row[word] == getattr(declared, name)


def test_surveys_ask_only_for_what_can_be_declared():
    asked = {name for survey in taxonomy.SURVEYS.values() for name in survey}
    assert asked <= {field.name for field in fields(Taxonomy)}


def test_an_unknown_survey_is_refused():
    with pytest.raises(ValueError, match=r"survey='Nobody 1999', expected one of Min et al. 2018"):
        taxonomy.table(CLASSES, "Nobody 1999")
