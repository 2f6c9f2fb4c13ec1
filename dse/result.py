"""What a study has found so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dse.evaluate import Evaluation
from dse.limits import Limit, parse_limits, resolve
from dse.objective import Objective
from dse.pareto import front


@dataclass(frozen=True)
class SearchResult:
    """Evaluations of a study and their front under `objectives`.

    `settings` is what the study was made with, as stored. Evaluations come in the order in which the searcher asked for
    them, as far as that is known.
    """

    study: str
    settings: dict[str, Any]
    objectives: tuple[Objective, ...]
    baseline: Evaluation
    evaluations: tuple[Evaluation, ...]
    exhausted: bool = False

    @cached_property
    def front(self) -> list[Evaluation]:
        """The non-dominated feasible evaluations, sorted by the first objective, best first."""
        return front(self.evaluations, self.objectives)

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The study's limits, absolute."""
        return resolve(parse_limits(self.settings["limits"]), self.baseline.metrics)

    def count(self, status: str) -> int:
        return sum(evaluation.status == status for evaluation in self.evaluations)


def load_result(storage: str, study: str, objectives: Sequence[Objective] | None = None) -> SearchResult:
    """The stored evaluations of a study, under its own objectives or others; no inference is run.

    Raises ValueError if the storage or the study is not there, or before its baseline was stored.
    """
    from dse.store import load_study

    store = load_study(storage, study)
    if store.baseline is None:
        raise ValueError(f"study '{study}' in {storage} has no evaluation yet")
    chosen = store.objectives if objectives is None else tuple(objectives)
    return SearchResult(study, store.settings, chosen, store.baseline, tuple(store.evaluations.values()))
