"""The tables of the book, made from what each algorithm declares about itself."""

from __future__ import annotations

from collections.abc import Iterable

from dclib.core import Clusterer

# Which declared coordinates each survey looks at, in its order and under its words.
SURVEYS = {
    "Min et al. 2018": {
        "family": "family",
        "architecture": "architecture",
        "network_loss": "network loss",
        "clustering_loss": "clustering loss",
    },
    "Aljalbout et al. 2018": {
        "architecture": "architecture",
        "features": "deep features",
        "network_loss": "non-clustering loss",
        "clustering_loss": "clustering loss",
        "schedule": "combining the losses",
    },
    "Rodríguez Miret 2021": {
        "family": "family",
        "architecture": "architecture",
        "network_loss": "non-clustering loss",
        "clustering_loss": "clustering loss",
        "schedule": "schedule",
        "features": "features",
    },
}


def table(algorithms: Iterable[type[Clusterer]], survey: str) -> list[dict[str, str | int]]:
    """Place algorithms in a survey's taxonomy: one dict a row, oldest first, for `show.table`.

    >>> from dclib.algorithms import DEC
    >>> table([DEC], "Min et al. 2018")[0]["clustering loss"]
    'cluster assignment hardening'
    """
    if survey not in SURVEYS:
        raise ValueError(f"survey={survey!r}, expected one of {', '.join(SURVEYS)}")
    rows = [
        {"algorithm": algorithm.__name__, "year": algorithm.taxonomy.year}
        | {word: getattr(algorithm.taxonomy, name) for name, word in SURVEYS[survey].items()}
        for algorithm in algorithms
    ]
    return sorted(rows, key=lambda row: (row["year"], row["algorithm"]))
