"""Print our results beside the published ones, as a Markdown table.

    python -m benchmarks.table

One line for each algorithm, data set, dtype, device and set of settings: the settings that differ
from the defaults, mean ± sample standard deviation over the seeds, the start that was refined, the
gain over it seed by seed, and what the paper reports.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.run import HERE, read_rows
from dclib import algorithms
from dclib.show import spread, table


def main() -> None:
    """Print the table of everything in `results/`."""
    print(table(lines()))


def lines(*names: str, columns: Sequence[str] = (), folder: Path = HERE) -> list[dict[str, str]]:
    """Make a line for each setting of the algorithms named, of all columns or of some."""
    with (folder / "published.csv").open() as file:
        papers = {
            (row["algorithm"], row["data"], row["network"]): row for row in csv.DictReader(file)
        }
    found = []
    for runs in groups(*names, folder=folder):
        data, algorithm = runs[0]["data"], runs[0]["algorithm"]
        network = runs[0]["settings"].get("network", "mlp")
        paper = papers.get((algorithm, data, network)) or papers.get((algorithm, data, ""))
        whole = line(runs, paper)
        found.append({name: whole[name] for name in columns or whole})
    return found


def groups(*names: str, folder: Path = HERE) -> list[list[dict]]:
    """Gather the runs that differ in nothing but the seed, of the algorithms named or of all."""
    found: dict[tuple, list[dict]] = defaultdict(list)
    for path in sorted((folder / "results").glob("*.jsonl")):
        for row in read_rows(path):
            if "scores" in row and (not names or row["algorithm"] in names):
                settings = json.dumps(row["settings"], sort_keys=True)
                key = (row["data"], row["algorithm"], row["dtype"], row["device"], settings)
                found[key].append(row)
    return [found[key] for key in sorted(found)]


def line(rows: list[dict], paper: dict | None) -> dict[str, str]:
    """Make one line of the table from the seeds of one setting."""
    first = rows[0]
    ends = np.array([row["scores"]["acc"] for row in rows])
    starts = np.array([row["start"]["acc"] for row in rows if row["start"]])
    return {
        "data": first["data"],
        "algorithm": first["algorithm"],
        "settings": changed(first),
        "seeds": str(len(rows)),
        "ACC": mean(ends),
        "NMI": mean([row["scores"]["nmi"] for row in rows]),
        "ARI": mean([row["scores"]["ari"] for row in rows]),
        "its start, ACC": mean(starts) if len(starts) else "",
        "gain": mean(ends - starts) if len(starts) else "",
        "above its start": f"{(ends > starts).sum()} of {len(ends)}" if len(starts) else "",
        "paper, ACC": paper["acc"] if paper else "",
        "paper, NMI": paper["nmi"] if paper else "",
        "paper": paper["source"] if paper else "",
        "minutes a seed": f"{np.mean([row['seconds']['total'] for row in rows]) / 60:.1f}",
        "dtype": first["dtype"],
        "device": first["device"],
    }


def changed(row: dict) -> str:
    """The settings of a run that are not the defaults of its algorithm, as `--set` takes them."""
    make = getattr(algorithms, row["algorithm"], None)
    defaults = json.loads(json.dumps(make().get_params())) if make else {}
    differ = {k: v for k, v in row["settings"].items() if k not in defaults or defaults[k] != v}
    return " ".join(f"{k}={json.dumps(v, separators=(',', ':'))}" for k, v in differ.items())


def mean(values: np.ndarray | list[float]) -> str:
    """Mean and spread, or the one value with a warning that it is one."""
    return spread(values) if len(values) > 1 else f"{values[0]:.3f} (one seed)"


if __name__ == "__main__":
    main()
