"""Faults put into the source one at a time: how many of them the tests notice.

Run by hand: python tests/mutants.py [modules...] [--sample N] [--seed N]
Needs `pip install cosmic-ray`, whose operators make the mutants: another number, operator, comparison or exception, a
condition negated, a loop never entered, a decorator taken off. Annotations are left as they are, since nothing runs
them. Of each file N mutants, drawn by a seed, meet the tests that concern it, in a copy of the repository. Prints
survivors as they are found, then a table: killed is noticed by a test, or hanging. Compiled functions are compiled anew
with each mutant of their own file, so that few of them are drawn. `tests/MUTANTS.md` says which survivors may live.
"""

import argparse
import ast
import difflib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis  # noqa: F401  imported once here, so that no mutant's process needs to
import numpy  # noqa: F401
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names


def files(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}{name}.py" for name in names)


ROOT = Path(__file__).parents[1]
COPIED = ("dse", "models", "platforms", "tests", "pyproject.toml")
NUMBERS, CHIPS, SEARCH = "tests/numbers/test_", "tests/chips/test_platform_", "tests/search/test_"
QUANTIZER = ("clipping", "quantizer", "scales", "rounding")
ALL_CHIPS = ("constants", "custom", "schemes", "rules", "conformance")
BITFUSION = ("bitfusion_parts", "constants", "bitfusion", "widths")
SMALL_CHIPS = ("constants", "rules", "widths")
# Of each module: its files, and the arguments of pytest that run what concerns them.
MODULES: dict[str, dict[str, tuple[str, ...]]] = {
    "quantizer": {
        "models/quantization/quantizer.py": files(NUMBERS, *QUANTIZER),
        "models/quantization/rounding.py": files(NUMBERS, *QUANTIZER[2:]),
        "models/quantization/fixed_point.py": files(NUMBERS, "quantizer", "scales"),
        "models/quantization/calibration.py": files(NUMBERS, "calibration"),
    },
    "delta_gate": {
        "models/kernels/matvecs.py": files(NUMBERS, "matvecs"),
        "models/gpu/matvecs.py": files(NUMBERS, "torch_engine"),
    },
    "fronts": {
        "dse/design/pareto.py": files(SEARCH, "pareto"),
        "dse/design/limits.py": (*files(SEARCH, "limits"), "-k", "not a_search"),
        "dse/study/choose.py": files(SEARCH, "choose"),
    },
    "platforms": {
        **{f"platforms/{name}.py": files(CHIPS, *ALL_CHIPS) for name in ("__init__", "base", "custom", "refusals")},
        **{f"platforms/{name}.py": files(CHIPS, *BITFUSION) for name in ("bitfusion", "bitfusion_parts")},
        "platforms/bitfusion_tiled.py": files(CHIPS, *BITFUSION),
        **{
            f"platforms/{name}.py": files(CHIPS, *SMALL_CHIPS)
            for name in ("bitserial", "cortexm", "deltarnn", "silago", "systolic")
        },
        **{
            f"platforms/{name}.py": files(CHIPS, "constants", "manycore", "epiphany")
            for name in ("epiphany", "manycore")
        },
    },
}
SLOW = {"models/kernels/matvecs.py": 12}  # mutants drawn of it at most
MARGIN, LEAST_SECONDS = 4, 20  # a mutant hangs that takes longer than this much of the time without one


@dataclass(frozen=True)
class Mutant:
    path: str
    operator: str
    occurrence: int
    line: int

    def code(self, source: str) -> str:
        return mutate_code(source, get_operator(self.operator)(), self.occurrence) or source


def annotations(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Places of all annotations, from (line, column) to (line, column)."""
    found: list[ast.expr | None] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            found.append(node.returns)
        elif isinstance(node, ast.arg | ast.AnnAssign):
            found.append(node.annotation)
    return [((n.lineno, n.col_offset), (n.end_lineno or 0, n.end_col_offset or 0)) for n in found if n]


def mutants(path: str) -> Iterator[Mutant]:
    """All mutants of a file."""
    source = (ROOT / path).read_text(encoding="utf-8")
    left_out = annotations(source)
    nodes = list(ast_nodes(get_ast(source)))
    for name in operator_names():
        kind = get_operator(name)
        if kind.arguments() or name.endswith(("_Is", "_IsNot")):  # as good as == where a literal is compared
            continue
        places = [place for node in nodes for place in kind().mutation_positions(node)]
        for occurrence, (start, _) in enumerate(places):
            if not any(first <= start < last for first, last in left_out):
                yield Mutant(path, name, occurrence, start[0])


def drawn(path: str, sample: int, seed: int) -> list[Mutant]:
    """The mutants of a file that are tried; a smaller sample is part of a larger one."""
    every = list(mutants(path))
    random.Random(f"{seed} {path}").shuffle(every)
    count = min(sample or len(every), SLOW.get(path, len(every)))
    return sorted(every[:count], key=lambda mutant: (mutant.line, mutant.operator, mutant.occurrence))


def passes(folder: Path, tests: tuple[str, ...], seconds: float) -> bool:
    """Run tests in the copy, in a process of its own; False where one fails or time is up."""
    child = os.fork()
    if not child:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        status = pytest.main(["-x", "-p", "no:cacheprovider", "--hypothesis-profile=ci", *tests])
        os._exit(0 if status == pytest.ExitCode.OK else 1)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def difference(before: str, after: str) -> str:
    """Lines that differ, as `- before` and `+ after`."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return "\n".join(f"    {line[0]} {line[1:].strip()}" for line in list(lines)[2:] if line[0] in "+-")


def survivors(folder: Path, path: str, chosen: list[Mutant], tests: tuple[str, ...]) -> int:
    """Number of mutants of a file that its tests do not notice; each is printed."""
    passes(folder, tests, 3600)  # which fills the caches
    start = time.monotonic()
    if not passes(folder, tests, 3600):
        raise SystemExit(f"{' '.join(tests)} fail without a mutant")
    seconds = MARGIN * (time.monotonic() - start) + LEAST_SECONDS
    target, found = folder / path, 0
    source = target.read_text(encoding="utf-8")
    for mutant in chosen:
        code = mutant.code(source)
        target.write_text(code, encoding="utf-8")
        if passes(folder, tests, seconds):
            found += 1
            print(f"{path}:{mutant.line}\n{difference(source, code)}", flush=True)
    shutil.copy2(ROOT / path, target)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", choices=(*MODULES, []), help=f"any of {', '.join(MODULES)}; default all")
    parser.add_argument("--sample", type=int, default=30, metavar="N", help="mutants of a file, 0 for all; default 30")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the sample; default 0")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, folder / name)
        # Compiled code is kept by what its own file holds; a file's old code is no mutant's.
        os.environ |= {"NUMBA_CACHE_DIR": str(folder / "numba"), "PYTHONPATH": str(folder)}
        sys.dont_write_bytecode = True  # which is kept by second and size, and would be another mutant's
        for name in arguments.modules or MODULES:
            count, lived = 0, 0
            for path, tests in MODULES[name].items():
                chosen = drawn(path, arguments.sample, arguments.seed)
                count += len(chosen)
                lived += survivors(folder, path, chosen, tests)
            rows.append(f"| {name} | {count} | {count - lived} | {lived} |")
    print("| module | mutants | killed | survived |\n|---|---|---|---|", *rows, sep="\n")


if __name__ == "__main__":
    main()
