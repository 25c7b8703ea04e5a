"""pyproject.toml, constraints.txt, environment.yml and CITATION.cff say the same."""

import re
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import dclib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())
EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = [
    Requirement(line) for lines in (PROJECT["dependencies"], *EXTRAS.values()) for line in lines
]
PINS = {
    canonicalize_name(name): version
    for name, version in re.findall(
        r"^([\w.-]+)==([\w.]+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE
    )
}


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_the_pin_lies_in_the_range(requirement):
    assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)])


def test_every_line_of_the_constraints_is_a_pin():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert len(PINS) == len([line for line in lines if line and not line.startswith("#")])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems need a few other packages")
def test_the_pins_are_what_the_environment_needs():
    needed = closure([Requirement(f"dclib[{','.join(EXTRAS)}]")])
    del needed["dclib"]
    assert needed == PINS


def closure(requirements):
    """Name and version of all that these installed distributions need, themselves included."""
    found, todo, seen = {}, list(requirements), set()
    while todo:
        requirement = todo.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        installed = distribution(requirement.name)
        found[canonicalize_name(requirement.name)] = installed.version.split("+")[0]
        for line in installed.requires or []:
            needed = Requirement(line)
            if not needed.marker or any(
                needed.marker.evaluate({"extra": extra}) for extra in requirement.extras or {""}
            ):
                todo.append(needed)
    return found


def test_conda_users_get_the_same():
    *conda, pip = ENVIRONMENT["dependencies"]
    assert pip["pip"] == ["-c constraints.txt", "-e .[book,test]"]
    assert f'"{pip["pip"][1][3:]}"' in (ROOT / "Makefile").read_text()
    python = next(line for line in conda if line.startswith("python=")).split("=")[1]
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(python)
    assert f"Programming Language :: Python :: {python}" in PROJECT["classifiers"]


def test_the_citation_names_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"] == dclib.__version__
    assert citation["authors"] == PROJECT["authors"]
    assert citation["title"] == yaml.safe_load((ROOT / "_config.yml").read_text())["title"]
