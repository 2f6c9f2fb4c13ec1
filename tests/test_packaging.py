"""What is declared, and what a wheel holds."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

from setuptools import find_packages

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
INSTALLED = importlib.metadata.packages_distributions()  # distributions of each top-level module
OWN = {"dse", "models", "platforms"}
OPTIONAL = {"distributed", "pyarrow"}  # of extras; the extra for exports is imported by name


def imported(folder):
    """Top-level modules that the files below a folder import anywhere."""
    found = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - OWN


def declared(requirements):
    """Top-level modules of the distributions that requirements name."""
    names = {normalised(re.split(r"[\[<>=!~; ]", requirement)[0]) for requirement in requirements}
    return {module for module, owners in INSTALLED.items() if names & set(map(normalised, owners))}, names


def normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_what_is_imported_is_declared_and_what_is_declared_is_imported():
    used = set().union(*map(imported, OWN))
    modules, names = declared(PROJECT["project"]["dependencies"])
    assert used - modules <= OPTIONAL
    for name in names:
        assert used & declared([name])[0], f"{name} is declared and no module imports it"


def constrained(which):
    lines = (ROOT / f"tests/constraints/{which}.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def test_constraints_are_of_what_is_declared_from_its_lower_bounds_on():
    extras = PROJECT["project"]["optional-dependencies"]
    declared = [*PROJECT["project"]["dependencies"], *extras["test"], *extras["postgresql"]]
    bounds = {re.split(r"[\[<>=]", each)[0]: re.search(r"[>=]=([\d.]+)", each)[1] for each in declared}
    assert constrained("oldest") == bounds
    newest = constrained("newest")
    assert newest.keys() == bounds.keys()
    for name, version in newest.items():
        assert [int(part) for part in bounds[name].split(".")] <= [int(part) for part in version.split(".")[:3]], name


def test_every_folder_with_sources_is_in_the_wheel():
    include = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    found = set(find_packages(str(ROOT), include=include))
    with_sources = {path.parent for package in OWN for path in (ROOT / package).rglob("*.py")}
    assert found == {".".join(folder.relative_to(ROOT).parts) for folder in with_sources}
    for package in OWN:
        assert (ROOT / package / "py.typed").exists()
        assert "py.typed" in PROJECT["tool"]["setuptools"]["package-data"][package]
