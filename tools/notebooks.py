"""Run notebooks anew and store their outputs, so that a run without a change changes no byte.

    python tools/notebooks.py           all of them
    python tools/notebooks.py a.ipynb   these
"""

import base64
import hashlib
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
COVER = ROOT / "book" / "assets" / "stages.png"
WIDGET = "application/vnd.jupyter.widget-view+json"


def run(path):
    """Execute one notebook and write it back; return a line on how it went."""
    start, before = time.monotonic(), path.read_text(encoding="utf-8")
    notebook = nbformat.reads(before, as_version=4)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=300,
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],  # else each kernel warns that it talks unencrypted
        resources={"metadata": {"path": path.parent}},
    )
    try:
        client.execute()
    except Exception as error:  # whatever it was, the other notebooks go on
        return f"FAILED  {path.name}\n{error}"
    after = nbformat.writes(normalise(notebook)) + "\n"
    if after != before:
        path.write_text(after, encoding="utf-8")
    keep_cover(notebook)
    seconds = time.monotonic() - start
    return f"{seconds:4.0f} s  {'changed' if after != before else 'same   '}  {path.name}"


def keep_cover(notebook):
    """Write the figure of the cell tagged `cover` to where the preface and the README show it."""
    for cell in notebook.cells:
        if "cover" in cell.metadata.get("tags", []):
            pictures = [output.data["image/png"] for output in cell.outputs if "data" in output]
            COVER.write_bytes(base64.b64decode(pictures[0]))


def normalise(notebook):
    """Take out of a notebook what differs between two runs of the same cells."""
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata.pop("widgets", None)
    notebook.metadata.kernelspec = {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }
    notebook.metadata.language_info = {"name": "python", "pygments_lexer": "ipython3"}
    seen = set()
    for cell in notebook.cells:
        cell.id = next(name for name in names(cell.source) if name not in seen)
        seen.add(cell.id)
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)  # it names an object of a kernel that is gone
    return notebook


def names(text):
    """Ids made of the cell's text: they stay when the file is written by another tool."""
    for number in count():
        yield hashlib.sha256(f"{number} {text}".encode()).hexdigest()[:8]


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    found = sorted(ROOT.glob("notebooks/**/*.ipynb"))
    paths = [Path(name).resolve() for name in sys.argv[1:]] or [
        path for path in found if ".ipynb_checkpoints" not in path.parts
    ]
    with ProcessPoolExecutor(2) as pool:
        lines = []
        for line in pool.map(run, paths):
            print(line, flush=True)
            lines.append(line)
    sys.exit(any(line.startswith("FAILED") for line in lines))
