"""Sums of floats are the same on every Python."""

import ast
from pathlib import Path

from models.workload import total

ROOT = Path(__file__).parents[2]
OF_FLOATS = ("cycles", "energies", "energy_pj", "gap_fraction", "computed", "speedup")  # names that floats have here


def test_a_total_rounds_after_each_addition():
    assert total([0.1] * 10) == 0.9999999999999999  # 1.0 where rounding is compensated
    assert total([]) == 0.0


def test_no_sum_of_floats_is_left_to_the_python_that_runs_it():
    for package in ("dse", "models", "platforms"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "sum":
                    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
                    names |= {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
                    assert not names & set(OF_FLOATS), f"{path}:{node.lineno}"
