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
            if not name.endswith("_loss"):
                assert row[word] == getattr(declared, name)


@pytest.mark.parametrize(
    ("survey", "of_network", "of_clusters"),
    [
        ("Min et al. 2018", "reconstruction", "locality preserving, group sparsity"),
        ("Aljalbout et al. 2018", "reconstruction", "locality preserving, group sparsity"),
        ("Rodríguez Miret 2021", "reconstruction, locality preserving", "group sparsity"),
    ],
)
def test_a_loss_stands_where_the_survey_counts_it(survey, of_network, of_clusters):
    words = taxonomy.SURVEYS[survey]
    (row,) = taxonomy.table([algorithms.DEN], survey)
    assert (row[words["network_loss"]], row[words["clustering_loss"]]) == (of_network, of_clusters)


@pytest.mark.parametrize("survey", taxonomy.SURVEYS)
def test_no_loss_is_lost_or_counted_twice(survey):
    words = taxonomy.SURVEYS[survey]
    for cls, row in zip(
        CLASSES, (taxonomy.table([cls], survey)[0] for cls in CLASSES), strict=True
    ):
        declared = f"{cls.taxonomy.network_loss}, {cls.taxonomy.clustering_loss}".split(", ")
        found = f"{row[words['network_loss']]}, {row[words['clustering_loss']]}".split(", ")
        assert sorted(set(found) - {"none"}) == sorted(set(declared) - {"none"})
        assert len(found) == len(set(found))


def test_surveys_ask_only_for_what_can_be_declared():
    asked = {name for survey in taxonomy.SURVEYS.values() for name in survey}
    assert asked <= {field.name for field in fields(Taxonomy)}


def test_an_unknown_survey_is_refused():
    with pytest.raises(ValueError, match=r"survey='Nobody 1999', expected one of Min et al. 2018"):
        taxonomy.table(CLASSES, "Nobody 1999")
