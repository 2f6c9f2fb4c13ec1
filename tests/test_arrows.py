"""Which package may import which, read from the source; and what must not be loaded by looking."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("dse", "models", "platforms")
HEAVY = ("torch", "numba", "optuna", "pymoo", "plotly", "matplotlib")


def imports(path, top_level_only=False):
    """Modules that a file imports; below `if TYPE_CHECKING` nothing is loaded."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            skipped |= {id(child) for child in ast.walk(node)}
        if top_level_only and isinstance(node, ast.FunctionDef):
            skipped |= {id(child) for child in ast.walk(node)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def files(package):
    return sorted((ROOT / package).rglob("*.py"))


def starts(modules, *prefixes):
    return {module for module in modules if any(module == p or module.startswith(f"{p}.") for p in prefixes)}


def names(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


def test_there_is_something_to_read():
    assert all(len(files(package)) > 2 for package in ROOMS)


@pytest.mark.parametrize("path", files("models"), ids=names(files("models")))
def test_models_import_neither_dse_nor_platforms(path):
    assert not starts(imports(path), "dse", "platforms")


@pytest.mark.parametrize("path", files("platforms"), ids=names(files("platforms")))
def test_platforms_import_only_the_workload_and_no_torch(path):
    found = imports(path)
    assert not starts(found, "dse", "torch", "numba")
    assert not starts(found, "models") - starts(found, "models.workload") - {"models"}


def test_the_vocabulary_needs_the_standard_library_only():
    tops = {module.partition(".")[0] for module in imports(ROOT / "models/workload.py")}
    assert tops <= set(sys.stdlib_module_names) | {"__future__"}


@pytest.mark.parametrize("path", [p for package in ROOMS for p in files(package)])
def test_nothing_imports_notebooks_studies_or_tests(path):
    assert not starts(imports(path), "notebooks", "studies", "tests")


@pytest.mark.parametrize(
    "arguments", [["-m", "dse.search", "--help"], ["-m", "dse.front", "--help"], ["-m", "dse", "--help"]]
)
def test_help_loads_nothing_heavy(arguments):
    """-X importtime lists every module that is loaded."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "dse" in loaded or "argparse" in loaded
    assert not starts(loaded, *HEAVY)
    assert "usage" in done.stdout


@pytest.mark.parametrize("platform", [[], ["--platform", "silago,bitfusion"]])
def test_a_dry_run_loads_no_torch(platform, tmp_path):
    code = f"import sys; from dse.search_command import main; status = main({['--dry-run', *platform]}); "
    code += "sys.exit(status or 'torch' in sys.modules or 'numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "genomes" in done.stdout


@pytest.mark.parametrize("module", ["models.workload", "platforms", "platforms.silago", "models.sru", "dse.measure"])
def test_looking_at_a_package_loads_no_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules or 'numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
