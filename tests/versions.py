"""The tests with the oldest and newest supported versions of every dependency, on every Python that is installed.

Run by hand: python tests/versions.py [oldest] [newest] [--python 3.11 ...] [--upgrade] [--tests FOLDERS...]
Makes a virtual environment for each, after tests/constraints/oldest.txt or newest.txt, and prints a row a run; status 1
where one fails. Interpreters are those on the path and pyenv's. --upgrade takes the newest versions there are, and
prints them for newest.txt. An environment takes about 6 GiB where torch brings its GPU libraries; one at a time.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "tests/constraints"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
QUICK = ("tests/numbers", "tests/chips", "tests/search", "tests/test_packaging.py")
LEFT_OUT = ("tests/search/test_faults.py", "tests/search/test_two_searches.py")  # of the operating system, not of these


@dataclass(frozen=True)
class Run:
    python: str
    which: str
    result: str
    seconds: float
    good: bool


def interpreter(version: str) -> str | None:
    """Path of a Python of this version, or None."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    there = sorted(pyenv.glob(f"{version}.*/bin/python"))
    return str(there[-1]) if there else shutil.which(f"python{version}")


def run(version: str, which: str, tests: list[str], upgrade: bool) -> Run:
    start = time.perf_counter()

    def told(result: str, good: bool) -> Run:
        return Run(version, which, result, time.perf_counter() - start, good)

    path = interpreter(version)
    if path is None:
        return told("not installed here", True)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([path, "-m", "venv", folder], check=True)
        python = str(Path(folder, "bin/python"))
        constraint = [] if upgrade else ["-c", str(CONSTRAINTS / f"{which}.txt")]
        install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *constraint, "-e"]
        installed = subprocess.run([*install, f"{ROOT}[test,postgresql]"], capture_output=True, text=True, check=False)
        if installed.returncode:
            return told(" ".join(line.strip() for line in installed.stderr.splitlines() if line.strip()), False)
        if upgrade:
            subprocess.run([python, "-m", "pip", "freeze", "--exclude-editable"], check=True)
        left_out = [f"--ignore={name}" for name in LEFT_OUT]
        tested = subprocess.run(
            [python, "-m", "pytest", "-n", "logical", "-p", "no:cacheprovider", "-W", "ignore", *left_out, *tests],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        failures = [line for line in tested.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        return told("; ".join([last_line(tested.stdout) or last_line(tested.stderr), *failures]), not tested.returncode)


def last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip("= ") if lines else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="*", choices=("oldest", "newest", []), help="default: both")
    parser.add_argument("--python", nargs="*", default=PYTHONS, metavar="VERSION", help=f"default {' '.join(PYTHONS)}")
    parser.add_argument("--upgrade", action="store_true", help="newest takes what there is now")
    parser.add_argument("--tests", nargs="*", default=list(QUICK), help=f"default {' '.join(QUICK)}")
    arguments = parser.parse_args()
    print("| Python | versions | result | seconds |\n|---|---|---|---|", flush=True)
    runs = []
    for version in arguments.python:
        for which in arguments.which or ("oldest", "newest"):
            done = run(version, which, arguments.tests, arguments.upgrade and which == "newest")
            print(f"| {done.python} | {done.which} | {done.result} | {done.seconds:.0f} |", flush=True)
            runs.append(done)
    return 0 if all(done.good for done in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
