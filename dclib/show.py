"""What the notebooks show: figures in one style, the library's source, kernel-free sliders."""

from __future__ import annotations

import ast
import base64
import difflib
import hashlib
import html
import inspect
import io
import json
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from sklearn.decomposition import PCA

# ---- text


class Markdown:
    """Text that a notebook renders as Markdown and a terminal prints as it is."""

    def __init__(self, text: str):
        self.text = text

    def _repr_markdown_(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text


def source(*things: Callable | type) -> Markdown:
    """Show the library's own code of functions, methods or classes, without their docstrings.

    >>> from dclib.schedules import schedule
    >>> print(source(schedule))
    ```python
    def schedule(value: float | Schedule) -> Schedule:
        return value if callable(value) else Constant(value)
    ```
    """
    return Markdown("```python\n" + "\n\n".join(_code(thing) for thing in things) + "\n```")


def _code(thing: Callable | type) -> str:
    lines = textwrap.dedent(inspect.getsource(thing)).splitlines()
    tree = ast.parse("\n".join(lines))
    for node in reversed(list(ast.walk(tree))):
        documented = isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node)
        if documented:
            text = node.body[0]
            del lines[text.lineno - 1 : text.end_lineno]
    return "\n".join(lines).rstrip()


def diff(old: type, new: type) -> Markdown:
    """Show how the class of one algorithm differs from another's, line by line."""
    before, after = _code(old).splitlines(), _code(new).splitlines()
    lines = difflib.unified_diff(before, after, old.__name__, new.__name__, n=0, lineterm="")
    return Markdown("```diff\n" + "\n".join(lines) + "\n```")


def table(rows: Iterable[dict[str, Any]], digits: int = 3) -> Markdown:
    """Show dicts as the rows of a table; numbers are rounded to `digits`.

    >>> print(table([{"method": "k-means", "ACC": 0.79251}]))
    | method | ACC |
    |:---|---:|
    | k-means | 0.793 |
    """
    rows = list(rows)
    if not rows:
        raise ValueError("rows is empty, expected at least one dict")
    number = {name: isinstance(value, float | int) for name, value in rows[0].items()}
    text = [[_cell(row[name], digits) for name in number] for row in rows]
    edge = ["---:" if number[name] else ":---" for name in number]
    lines = ["| " + " | ".join(cells) + " |" for cells in [list(number), *text]]
    return Markdown("\n".join([lines[0], "|" + "|".join(edge) + "|", *lines[1:]]))


def _cell(value: Any, digits: int) -> str:
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def spread(values: ArrayLike, digits: int = 3) -> str:
    """Write the mean and the sample standard deviation of several seeds.

    >>> spread([0.7, 0.8, 0.9])
    '0.800 ± 0.100'
    """
    values = np.asarray(values, dtype=float)
    return f"{values.mean():.{digits}f} ± {values.std(ddof=1):.{digits}f}"


# ---- figures


def style() -> None:
    """Set the look of all figures: white, legible, in colours that the colour-blind can tell."""
    plt.style.use("petroff10")  # ten colours, chosen for colour-vision deficiencies
    plt.rcParams.update(
        {
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "figure.figsize": (7.2, 3.2),
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": "medium",
            "image.cmap": "gray_r",
            "legend.frameon": False,
        }
    )


def images(
    stack: ArrayLike, titles: Sequence[str] = (), columns: int = 10, size: float = 0.72
) -> Figure:
    """Draw images (n, h, w) in a grid, all on one grey scale."""
    stack = np.asarray(stack)
    rows = -(-len(stack) // columns)
    height = size * (1.25 if titles else 1.0)
    figure, axes = plt.subplots(
        rows, columns, figsize=(size * columns, height * rows), squeeze=False
    )
    for ax in axes.flat:
        ax.axis("off")
    limits = {"vmin": min(0.0, stack.min()), "vmax": stack.max()}
    for ax, picture in zip(axes.flat, stack, strict=False):
        ax.imshow(picture, **limits)
    for ax, title in zip(axes.flat, titles, strict=False):
        ax.set_title(title, fontsize="small")
    return figure


def plane(z: ArrayLike) -> np.ndarray:
    """Project codes (n, m) on their first two principal axes, to be drawn: (n, 2).

    >>> plane(np.eye(3)).shape
    (3, 2)
    """
    z = np.asarray(z)
    return z if z.shape[1] == 2 else PCA(2, svd_solver="full").fit_transform(z)


def scatter(
    ax: Axes, z: ArrayLike, labels: ArrayLike, title: str = "", centers: ArrayLike | None = None
) -> None:
    """Draw points (n, 2), coloured by label, with the centers (k, 2) as crosses."""
    z, labels = np.asarray(z), np.asarray(labels)
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    ax.scatter(*z.T, s=7, alpha=0.7, linewidths=0, c=[colors[label % 10] for label in labels])
    if centers is not None:
        ax.scatter(*np.asarray(centers).T, marker="X", s=70, c="black", edgecolors="white")
    ax.set(title=title, xticks=[], yticks=[])
    ax.spines[:].set_visible(False)  # the axes have no unit


def curves(ax: Axes, history: Sequence[dict], phase: str, *losses: str) -> None:
    """Draw logged losses of one phase of `history_`, one line a loss."""
    records = [record for record in history if record["phase"] == phase]
    for loss in losses:
        epochs = [record["epoch"] for record in records]
        ax.plot(epochs, [record[loss] for record in records], label=loss)
    ax.set(xlabel="epoch", title=phase)
    ax.legend()


# ---- figures that move


class Slider:
    """A figure with a slider that needs no kernel: every frame is drawn beforehand."""

    def __init__(self, frames: Sequence[bytes], values: Sequence[str], label: str, alt: str):
        self.frames, self.values, self.label, self.alt = frames, values, label, alt

    def __repr__(self) -> str:
        return f"Slider({self.label}: {', '.join(self.values)})"

    def _repr_html_(self) -> str:
        pictures = [f"data:image/png;base64,{base64.b64encode(f).decode()}" for f in self.frames]
        name = "dc-" + hashlib.sha256("".join([*pictures, *self.values]).encode()).hexdigest()[:12]
        return _SLIDER.format(
            name=name,
            first=pictures[0],
            alt=html.escape(self.alt, quote=True),
            label=html.escape(self.label),
            value=html.escape(self.values[0]),
            last=len(self.values) - 1,
            pictures=json.dumps(pictures),
            values=json.dumps(list(self.values)),
        )


_SLIDER = """\
<div class="dc-slider" id="{name}">
<img src="{first}" alt="{alt}">
<div><button type="button" aria-label="play or pause">&#9654;</button>
<label>{label} = <output>{value}</output>
<input type="range" min="0" max="{last}" value="0" aria-label="{label}"></label></div>
<script>
(function () {{
  const box = document.getElementById("{name}"), range = box.querySelector("input");
  const pictures = {pictures}, values = {values};
  let timer = null;
  function show() {{
    box.querySelector("img").src = pictures[range.value];
    box.querySelector("output").textContent = values[range.value];
  }}
  range.addEventListener("input", show);
  box.querySelector("button").addEventListener("click", function () {{
    if (timer) {{ clearInterval(timer); timer = null; return; }}
    timer = setInterval(function () {{
      range.value = (Number(range.value) + 1) % pictures.length; show();
    }}, 600);
  }});
}})();
</script>
</div>"""


def slider(
    draw: Callable[[Any], Figure], values: Sequence[Any], label: str, alt: str, digits: int = 3
) -> Slider:
    """Draw one frame a value and return a figure with a slider that works in the static page.

    `draw(value)` returns a figure, the same size for every value; `alt` says in words what is
    seen, and what changes.
    """
    if len(values) < 2:
        raise ValueError(f"values={values!r}, expected at least two")
    names = [f"{value:.{digits}g}" if isinstance(value, float) else str(value) for value in values]
    return Slider([_png(draw(value)) for value in values], names, label, alt)


class Live:
    """A figure with an ipywidgets slider: any value, drawn by the kernel when it is asked for."""

    def __init__(self, draw: Callable[[float], Figure], low: float, high: float, label: str):
        import ipywidgets  # only notebooks have it

        picture = ipywidgets.Image(format="png")
        control = ipywidgets.FloatSlider((low + high) / 2, min=low, max=high, description=label)
        control.step = (high - low) / 100

        def redraw(change: dict) -> None:
            picture.value = _png(draw(change["new"]))

        control.observe(redraw, "value")
        redraw({"new": control.value})
        self.label, self.control, self.picture = label, control, picture
        self._box = ipywidgets.VBox([control, picture])

    def __repr__(self) -> str:
        return f"Live({self.label}): run this cell in Jupyter"

    def _repr_mimebundle_(self, **options: Any) -> dict:
        return {**self._box._repr_mimebundle_(**options), "text/plain": repr(self)}


def live(draw: Callable[[float], Figure], low: float, high: float, label: str) -> Live:
    """Show `draw(value)` under an ipywidgets slider from `low` to `high`; needs a kernel."""
    return Live(draw, low, high, label)


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=90, metadata={"Software": None})
    plt.close(figure)
    return file.getvalue()
