"""What is exported."""

from __future__ import annotations

from dataclasses import dataclass

from dse.design.evaluation import Evaluation
from dse.study.result import Study


@dataclass(frozen=True, eq=False)
class Chosen:
    """A point to export: which of which study, and what it scored. `test` is its PER on the test split, if asked."""

    study: Study
    number: int
    point: Evaluation
    test_error_percent: float | None = None
