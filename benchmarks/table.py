"""Print our results beside the published ones, as a Markdown table.

    python -m benchmarks.table

One line for each algorithm, data set, dtype, device and set of settings: mean ± sample standard
deviation over the seeds, the k-means start that was refined, and what the paper reports.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.run import HERE, read_rows
from dclib.show import spread, table


def main() -> None:
    """Print the table of everything in `results/`."""
    print(table(lines(sorted((HERE / "results").glob("*.jsonl")), HERE / "published.csv")))


def lines(results: list[Path], published: Path) -> list[dict[str, str]]:
    """Gather the runs that differ in nothing but the seed."""
    with published.open() as file:
        papers = {(row["algorithm"], row["data"]): row for row in csv.DictReader(file)}
    groups: dict[tuple, list[dict]] = defaultdict(list)
    for row in (row for path in results for row in read_rows(path) if "scores" in row):
        settings = json.dumps(row["settings"], sort_keys=True)
        key = (row["data"], row["algorithm"], row["dtype"], row["device"], settings)
        groups[key].append(row)
    return [line(rows, papers.get((key[1], key[0]))) for key, rows in sorted(groups.items())]


def line(rows: list[dict], paper: dict | None) -> dict[str, str]:
    """Make one line of the table from the seeds of one setting."""
    first = rows[0]
    starts = [row["start"]["acc"] for row in rows if row["start"]]
    return {
        "data": first["data"],
        "algorithm": first["algorithm"],
        "seeds": str(len(rows)),
        "ACC": mean([row["scores"]["acc"] for row in rows]),
        "NMI": mean([row["scores"]["nmi"] for row in rows]),
        "ARI": mean([row["scores"]["ari"] for row in rows]),
        "its start, ACC": mean(starts) if starts else "",
        "paper, ACC": paper["acc"] if paper else "",
        "paper": paper["source"] if paper else "",
        "minutes a seed": f"{np.mean([row['seconds']['total'] for row in rows]) / 60:.1f}",
        "dtype": first["dtype"],
        "device": first["device"],
    }


def mean(values: list[float]) -> str:
    """Mean and spread, or the one value with a warning that it is one."""
    return spread(values) if len(values) > 1 else f"{values[0]:.3f} (one seed)"


if __name__ == "__main__":
    main()
