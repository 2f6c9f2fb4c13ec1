"""The rooms and who may import whom, read from the source; and what must not be loaded by looking."""

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("dse", "models", "platforms")
# Top to bottom: a room imports only rooms below it, and files of its own.
ROOMS = [
    "dse",  # the commands, and the package's face
    "dse.experiments",
    "dse.reports",
    "dse.exporters",
    "dse.exploration",
    "dse.retraining",
    "dse.training",
    "dse.study",
    "dse.evaluator",
    "dse.corpora",
    "dse.phones",
    "dse.searchers",
    "dse.design",
    "platforms",
    "models",  # registry, checkpoint, layouts of others
    "models.gpu",
    "models.engines",
    "models.networks",
    "models.kernels",
    "models.quantization",
    "models.workload",
]
HEAVY = ("torch", "numba", "optuna", "pymoo", "plotly", "matplotlib", "pandas")


def files(package):
    return sorted((ROOT / package).rglob("*.py"))


SOURCES = [path for package in PACKAGES for path in files(package)]


def name_of(path):
    """Module of a file, 'dse.corpora' of its __init__."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in SOURCES}


def imports(path):
    """Modules that a file imports anywhere, for types too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= submodules or {node.module}
    return found


def room_of(module):
    """The most special room that the module is in."""
    return max((room for room in ROOMS if module == room or module.startswith(f"{room}.")), key=len)


def starts(modules, *prefixes):
    return {module for module in modules if any(module == p or module.startswith(f"{p}.") for p in prefixes)}


def ids(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


def test_there_is_something_to_read():
    assert all(len(files(package)) > 2 for package in PACKAGES)


@pytest.mark.parametrize("path", SOURCES, ids=ids(SOURCES))
def test_no_import_goes_up(path):
    mine = ROOMS.index(room_of(name_of(path)))
    for module in starts(imports(path), *PACKAGES):
        if module in ("dse", "models") and path.name == "__init__.py" and path.parent.parent == ROOT:
            continue  # a package's face
        assert ROOMS.index(room_of(module)) >= mine, f"{module} is above {ROOMS[mine]}"


@pytest.mark.parametrize("path", files("models"), ids=ids(files("models")))
def test_models_import_neither_dse_nor_platforms(path):
    assert not starts(imports(path), "dse", "platforms")


@pytest.mark.parametrize("path", files("platforms"), ids=ids(files("platforms")))
def test_platforms_import_only_the_workload_and_no_torch(path):
    found = imports(path)
    assert not starts(found, "dse", "torch", "numba")
    assert not starts(found, "models") - starts(found, "models.workload") - {"models"}


def test_the_vocabulary_needs_the_standard_library_only():
    tops = {module.partition(".")[0] for module in imports(ROOT / "models/workload.py")}
    assert tops <= set(sys.stdlib_module_names) | {"__future__"}


@pytest.mark.parametrize("path", SOURCES, ids=ids(SOURCES))
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
    code = f"import sys; from dse.search import main; status = main({['--dry-run', *platform]}); "
    code += "sys.exit(status or 'torch' in sys.modules or 'numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "genomes" in done.stdout


LIGHT = [
    "models.workload",
    "platforms",
    "platforms.silago",
    "models.networks.sru",
    "models.registry",
    "dse",
    "dse.evaluator.task",
    "dse.exploration.run",
    "dse.study.result",
]
LIGHT += ["models.engines.integer_network", "models.engines.network_quantizer"]


@pytest.mark.parametrize("module", LIGHT)
def test_looking_at_a_package_loads_no_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules or 'numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_every_room_is_in_the_order():
    """A folder that the list lacks would pass for its package's top."""
    folders = {name_of(path) for path in SOURCES if path.name == "__init__.py"}
    within = ("dse.corpora.", "dse.reports.", "platforms.")  # rooms of a room: its own files
    assert folders - set(ROOMS) == {folder for folder in folders if folder.startswith(within)}


def test_no_two_decisions_have_one_number():
    numbers = re.findall(r"^(\d+)\. ", (ROOT / "dse/DECISIONS.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(numbers) > 100 and len(set(numbers)) == len(numbers)


NAMED = re.compile(r"(?:dse|models|platforms)(?:\.\w+)+(?=:\w+$|$)")
UPWARDS = {
    ("dse.study.result", "dse.reports.pictures.front"),
    ("dse.study.result", "dse.exporters.write"),
}  # see DECISIONS 59


def test_no_name_in_a_string_goes_up():
    """Registries name modules in strings that are imported later: they keep to the order as imports do."""
    found = set()
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and (named := NAMED.match(node.value)):
                target = named.group()
                if target in MODULES and ROOMS.index(room_of(target)) < ROOMS.index(room_of(module)):
                    found.add((module, target))
    assert found == UPWARDS


def test_no_import_circle():
    """Not at the level of files, imports in functions and for types included."""
    graph = {module: imports(path) & MODULES.keys() - {module} for module, path in MODULES.items()}
    list(graphlib.TopologicalSorter(graph).static_order())


def test_what_lies_beside_the_rooms_are_the_commands():
    from dse.__main__ import COMMANDS

    beside = {path.stem for path in (ROOT / "dse").glob("*.py")} - {"__init__", "__main__", "console"}
    assert beside == set(COMMANDS)
    assert all(module == f"dse.{name}" for name, (module, _) in COMMANDS.items())


TESTS = files("tests")


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=ids([*SOURCES, *TESTS]))
def test_files_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 250
