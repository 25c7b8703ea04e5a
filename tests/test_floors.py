"""A module imports only from lower floors; no algorithm sees another, or a score."""

import ast
from pathlib import Path

import pytest

import dclib

ROOT = Path(dclib.__file__).parent
FLOORS = {
    **dict.fromkeys(["check", "runtime", "schedules"], 0),
    **dict.fromkeys(["loop", "store", "losses", "assign", "metrics"], 1),
    **dict.fromkeys(["networks", "data", "augment", "features", "core"], 2),
    **dict.fromkeys(["algorithms", "taxonomy", "show"], 3),
}
NEIGHBOURS_MAY_SHARE = {"losses", "assign", "metrics", "networks", "data"}
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
)


def imports(source):
    """Every dclib module that a source imports, wherever in the file: "losses.assignment"."""
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = "dclib" if node.level else node.module  # relative: the package itself
            names = [f"{start}.{alias.name}" for alias in node.names]
        yield from (name.removeprefix("dclib.") for name in names if name.startswith("dclib."))


def offences(module, source):
    """What is wrong with the imports of a module, in words."""
    package, _, name = module.partition(".")
    if package == "__init__":
        return [f"dclib/__init__.py imports {found}" for found in imports(source)]
    if package not in FLOORS:
        return [f"{module} is on no floor: add it to FLOORS in {Path(__file__).name}"]
    return [
        f"{module} (floor {FLOORS[package]}) imports {found}"
        for found in imports(source)
        if not allowed(package, name, found.partition(".")[0])
    ]


def allowed(package, name, other):
    """Whether a file `name` ("" for the door) of a package may import from another package."""
    if package == other:
        return package in NEIGHBOURS_MAY_SHARE or not name
    lower = FLOORS.get(other, 9) < FLOORS[package]
    closed = other == "metrics" or (other == "networks" and package != "algorithms")
    return lower and not closed


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_from_below(module):
    path = ROOT.joinpath(*module.split("."))
    source = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    assert offences(module, source.read_text()) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("losses.made_up", "from dclib.networks import mlp"),
        ("losses.made_up", "from dclib.assign import sharpen"),  # the same floor
        ("loop", "import dclib.core"),
        ("loop", "from dclib import losses"),
        ("check", "def late():\n    from dclib.runtime import seed"),
        ("core", "from dclib.networks import mlp"),
        ("show", "from dclib.networks import mlp"),
        ("show", "from dclib.algorithms import DEC"),
        ("show", "from dclib.metrics import contingency"),
        ("core", "import numpy, dclib.metrics.external"),
        ("algorithms.made_up", "from dclib import check, metrics"),
        ("algorithms.made_up", "from dclib.algorithms import DEC"),
        ("algorithms.made_up", "from dclib.algorithms.dec import DEC"),
        ("algorithms.made_up", "from .dec import DEC"),
        ("algorithms.made_up", "from . import dec"),
        ("check", "from dclib.unheard_of import thing"),
        ("__init__", "from dclib.core import Clusterer"),
    ],
)
def test_an_offender_is_caught(module, source):
    assert len(offences(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("losses.made_up", "from dclib import check\nfrom dclib.losses.assignment import _log"),
        ("networks.made_up", "from dclib.networks.mlp import mlp\nfrom dclib.loop import descend"),
        ("algorithms.made_up", "import torch\nfrom dclib.networks import mlp, Centers"),
        ("algorithms", "from dclib.algorithms.dec import DEC"),  # the package's own door
        ("metrics", "from sklearn import metrics\nfrom dclib.metrics.external import contingency"),
    ],
)
def test_the_innocent_are_not(module, source):
    assert offences(module, source) == []


def test_a_new_module_has_to_be_given_a_floor():
    (complaint,) = offences("ceiling", "import torch")
    assert complaint == "ceiling is on no floor: add it to FLOORS in test_floors.py"
