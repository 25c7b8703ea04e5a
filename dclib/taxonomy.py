"""The tables of the book, made from what each algorithm declares about itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dclib.core import Clusterer, Taxonomy

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

# Losses that an algorithm declares as its network's and that a survey counts as clustering losses.
AS_CLUSTERING = {
    "Min et al. 2018": ("locality preserving", "group sparsity", "self-expression"),
    "Aljalbout et al. 2018": ("locality preserving", "group sparsity"),
    "Rodríguez Miret 2021": ("group sparsity",),
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
        | {word: getattr(placed, name) for name, word in SURVEYS[survey].items()}
        for algorithm in algorithms
        for placed in [_as_counted(algorithm.taxonomy, AS_CLUSTERING[survey])]
    ]
    return sorted(rows, key=lambda row: (row["year"], row["algorithm"]))


def _as_counted(declared: Taxonomy, as_clustering: tuple[str, ...]) -> Taxonomy:
    """Move the losses that a survey counts as clustering losses to where it has them."""
    of_network = declared.network_loss.split(", ")
    of_clusters = [] if declared.clustering_loss == "none" else [declared.clustering_loss]
    of_clusters += [loss for loss in of_network if loss in as_clustering]
    kept = [loss for loss in of_network if loss not in as_clustering]
    return replace(
        declared,
        network_loss=", ".join(kept) or "none",
        clustering_loss=", ".join(of_clusters) or "none",
    )
