"""What the notebooks show: text that is the library's own, figures that need no kernel."""

import inspect
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from dclib import show
from dclib.algorithms import DEC, IDEC
from dclib.assign import sharpen


@pytest.fixture(autouse=True)
def plain_style():
    plt.switch_backend("agg")
    with plt.rc_context():
        show.style()
        yield
    plt.close("all")


def test_source_is_the_code_without_its_docstring():
    text = show.source(sharpen)._repr_markdown_()
    assert text.startswith("```python\ndef sharpen(") and text.endswith("\n```")
    assert "Eq. 3" in text and "Shapes:" not in text
    assert set(text.splitlines()[1:-1]) <= set(inspect.getsource(sharpen).splitlines())


def test_source_of_a_class_loses_the_docstrings_of_its_methods_too():
    text = repr(show.source(DEC))
    assert "def refine" in text and '"""' not in text


def test_diff_holds_just_the_lines_that_differ():
    lines = repr(show.diff(DEC, IDEC)).splitlines()
    assert "-class DEC(Clusterer):" in lines and "+class IDEC(Clusterer):" in lines
    assert not any(line.startswith(" ") for line in lines)
    assert repr(show.diff(DEC, DEC)) == "```diff\n\n```"


def test_table_rounds_floats_and_leaves_the_rest():
    text = repr(show.table([{"name": "a", "n": 3, "x": 0.12345}], digits=2))
    assert text == "| name | n | x |\n|:---|---:|---:|\n| a | 3 | 0.12 |"


def test_an_empty_table_is_refused():
    with pytest.raises(ValueError, match="rows is empty"):
        show.table([])


def test_spread_is_mean_and_sample_deviation():
    values = [0.5, 0.7, 0.9]
    assert show.spread(values) == f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def test_images_fill_the_grid_row_by_row():
    stack = np.arange(12.0).reshape(3, 2, 2)
    axes = show.images(stack, titles=["a", "b", "c"], columns=2).axes
    assert len(axes) == 4
    assert [ax.get_title() for ax in axes] == ["a", "b", "c", ""]
    assert np.array_equal(axes[1].images[0].get_array(), stack[1])
    assert axes[0].images[0].get_clim() == axes[2].images[0].get_clim() == (0.0, 11.0)


def test_plane_keeps_the_two_widest_directions():
    x = np.random.default_rng(0).normal(size=(50, 4)) * [1, 9, 3, 0.1]
    flat = show.plane(x)
    assert np.allclose(np.abs(np.corrcoef(flat[:, 0], x[:, 1])[0, 1]), 1, atol=0.05)
    assert show.plane(flat) is flat


def test_scatter_colours_by_label_and_marks_the_centers():
    _, ax = plt.subplots()
    show.scatter(ax, [[0, 0], [1, 1], [2, 2]], [0, 1, 0], "title", centers=[[1, 1]])
    points, crosses = ax.collections
    colors = points.get_facecolors()
    assert np.array_equal(colors[0], colors[2]) and not np.array_equal(colors[0], colors[1])
    assert len(crosses.get_offsets()) == 1 and ax.get_title() == "title"


def test_curves_draw_one_phase():
    history = [{"phase": "pretrain", "epoch": 0, "kl": 9.0}]
    history += [{"phase": "refine", "epoch": e, "kl": 2.0 - e} for e in (0, 1)]
    _, ax = plt.subplots()
    show.curves(ax, history, "refine", "kl")
    assert list(ax.lines[0].get_ydata()) == [2.0, 1.0]


def draw(value):
    figure, ax = plt.subplots(figsize=(1, 1))
    ax.plot([0, value])
    return figure


def test_a_slider_holds_one_picture_a_value_and_asks_for_nothing_else():
    page = show.slider(draw, [0.5, 1.0, 2.0], "rate", alt='a line of "rate"')._repr_html_()
    assert len(set(re.findall(r'"(data:image/png;base64,[^"]+)"', page))) == 3
    assert 'max="2"' in page and '["0.5", "1", "2"]' in page
    assert 'alt="a line of &quot;rate&quot;"' in page
    assert "http" not in page
    assert not plt.get_fignums()


def test_a_slider_is_the_same_text_when_drawn_again():
    pages = [show.slider(draw, [1, 2], "step", "a line")._repr_html_() for _ in range(2)]
    assert pages[0] == pages[1]


def test_a_slider_needs_two_values():
    with pytest.raises(ValueError, match="expected at least two"):
        show.slider(draw, [1], "step", "a line")


def test_a_live_figure_is_drawn_again_when_its_slider_moves():
    pytest.importorskip("ipywidgets")
    live = show.live(draw, 0.0, 2.0, "rate")
    before = bytes(live.picture.value)
    live.control.value = 2.0
    assert before.startswith(b"\x89PNG") and bytes(live.picture.value) != before
    assert live._repr_mimebundle_()["text/plain"] == repr(live)
