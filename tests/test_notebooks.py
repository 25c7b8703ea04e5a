"""What makes a notebook a chapter: its form. (Whether its numbers are true is nbval's business.)"""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from tools.notebooks import normalise

ROOT = Path(__file__).parents[1]
PATHS = [
    path
    for path in sorted(ROOT.glob("notebooks/**/*.ipynb"))
    if ".ipynb_checkpoints" not in path.parts
]
GRADES = {"check", "explore", "extend"}
EXEMPT = {"nbval-ignore-output", "nbval-skip", "raises-exception", "nbval-raises-exception"}


class Chapter:
    """A notebook, taken apart."""

    def __init__(self, path):
        self.raw = path.read_text(encoding="utf-8")
        self.cells = nbformat.reads(self.raw, as_version=4).cells
        self.code = [cell for cell in self.cells if cell.cell_type == "code"]
        self.text = "\n\n".join(c.source for c in self.cells if c.cell_type == "markdown")
        self.outputs = [output for cell in self.code for output in cell.outputs]

    def exercises(self):
        """The grade of each exercise: a line like `### Exercise 2 (explore)`."""
        start = re.search(r"^#+ .*Exercises", self.text, re.MULTILINE)
        assert start, "no heading `Exercises`"
        grades = r"^\W*(?:Exercise\s+)?\d+\b.*?\b(check|explore|extend)\b"
        return re.findall(grades, self.text[start.end() :], re.MULTILINE | re.IGNORECASE)


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def chapter(request):
    return Chapter(request.param)


def tags(cell):
    return set(cell.metadata.get("tags", []))


def first_line(cell):
    return cell.source.strip().split("\n")[0]


def test_every_chapter_is_in_the_contents_and_the_reverse():
    listed = re.findall(r"file: (notebooks/.*)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    assert sorted(f"{name}.ipynb" for name in listed) == [
        path.relative_to(ROOT).as_posix() for path in PATHS
    ]


def test_it_is_stored_as_make_notebooks_stores_it(chapter):
    notebook = normalise(nbformat.reads(chapter.raw, as_version=4))
    assert nbformat.writes(notebook) + "\n" == chapter.raw, "run `make notebooks`"


def test_it_was_run_once_from_top_to_bottom(chapter):
    counts = [cell.execution_count for cell in chapter.code]
    assert counts == list(range(1, len(counts) + 1)), "run `make notebooks`"


def test_it_has_the_size_of_a_lesson(chapter):
    prose = re.sub(r"<[^>]+>|\$+[^$]+\$+", " ", chapter.text)  # no tags, no equations
    words = len(re.findall(r"[^\W\d_][\w'’-]*", prose))
    assert 15 <= len(chapter.cells) <= 40
    assert 1500 <= words <= 3000
    long = [first_line(cell) for cell in chapter.code if len(cell.source.splitlines()) > 25]
    assert not long, "cells of more than 25 lines"


def test_imports_stand_on_top(chapter):
    first, *others = (imports(cell) for cell in chapter.code)
    assert 1 <= sum(node.end_lineno - node.lineno + 1 for node in first) <= 12
    later = [ast.unparse(node) for nodes in others for node in nodes]
    assert not later, "imports below the first cell"


def imports(cell):
    nodes = ast.walk(ast.parse(cell.source))
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


def test_figures_have_alt_text(chapter):
    silent = [
        first_line(cell)
        for cell in chapter.code
        if any("image/png" in output.get("data", {}) for output in cell.outputs)
        and not cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
    ]
    assert not silent, "cells with a figure but without metadata mystnb.image.alt"


def test_one_figure_can_be_steered_without_a_kernel(chapter):
    assert any("dc-slider" in o.get("data", {}).get("text/html", "") for o in chapter.outputs)


def test_outputs_hold_no_warning_and_no_path(chapter):
    assert not [o.text for o in chapter.outputs if o.get("name") == "stderr"]
    shown = "\n".join(
        str(value)
        for output in chapter.outputs
        for kind, value in [("text", output.get("text", "")), *output.get("data", {}).items()]
        if kind.startswith("text")
    )
    shown = re.sub(r"base64,[\w+/=]+", "", shown)
    assert not re.findall(r"\w*Warning\b", shown)
    assert not re.findall(r"(?<![\w./:<])/[\w.-]+/[\w.-]+|[A-Z]:\\\w+", shown)


def test_a_cell_that_is_not_compared_says_why(chapter):
    silent = [
        first_line(cell)
        for cell in chapter.code
        if tags(cell) & EXEMPT and not cell.metadata.get("reason")
    ]
    assert not silent, "cells exempt from nbval without a `reason` in their metadata"
    comments = re.findall(r"^#.*\bNBVAL_\w+", "\n".join(c.source for c in chapter.code), re.M)
    assert not comments, "use a tag and a reason, not a comment"


@pytest.mark.parametrize(
    "part", ["You will learn", "Before you start", "Time", "Exercises", "Summary", "Where next"]
)
def test_it_has_all_parts(chapter, part):
    assert re.search(rf"^\W*(?:\d+\W+)?{part}\b", chapter.text, re.MULTILINE | re.IGNORECASE)


def test_exercises_are_graded(chapter):
    grades = [grade.lower() for grade in chapter.exercises()]
    assert len(grades) >= 3
    assert set(grades) == GRADES


def test_each_exercise_has_a_hidden_solution(chapter):
    solutions = [cell for cell in chapter.code if "hide-cell" in tags(cell)]
    assert len(solutions) >= len(chapter.exercises())
    open_in_lab = [
        first_line(cell)
        for cell in solutions
        if cell.metadata.get("jupyter", {}).get("source_hidden") is not True
    ]
    assert not open_in_lab, "solutions without metadata jupyter.source_hidden"
    # The book writes "Show the solution" on whatever is hidden.
    assert not [first_line(c) for c in chapter.code if tags(c) & {"hide-input", "hide-output"}]


def test_the_quiz_answers_in_the_page(chapter):
    quiz = "\n".join(c.source for c in chapter.cells if 'class="quiz"' in c.source)
    questions = re.split(r"</p>\s*(?=<details)", quiz)[1:]
    assert 3 <= len(questions) <= 5
    assert all(question.count("<summary>") >= 2 for question in questions), "two options or more"
