"""What a study has found so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dse.evaluate import Evaluation
from dse.limits import Limit, parse_limits, resolve
from dse.objective import TEST_ERROR, Objective, full_objective
from dse.pareto import front
from models.workload import Workload

SHOWN = ("error", "size", "compression", "ops")
SHOWN_OF_PLATFORMS = ("speedup", "energy")


@dataclass(frozen=True)
class SearchResult:
    """Evaluations of a study and their front under `objectives`.

    `settings` is what the study was made with, as stored; `repriced` are the platforms that it was priced for
    afterwards, by name; `retried` is what became of evaluations that had failed before this run. Evaluations come in
    the order in which the searcher asked for them, as far as that is known.
    """

    study: str
    settings: dict[str, Any]
    objectives: tuple[Objective, ...]
    baseline: Evaluation
    evaluations: tuple[Evaluation, ...]
    exhausted: bool = False
    workload: Workload | None = None
    repriced: Mapping[str, str] = field(default_factory=dict)
    retried: tuple[Evaluation, ...] = ()

    @cached_property
    def front(self) -> list[Evaluation]:
        """The non-dominated feasible evaluations, sorted by the first objective, best first."""
        return front(self.evaluations, self.objectives)

    @property
    def platforms(self) -> tuple[str, ...]:
        """Names of the platforms that price the evaluations."""
        return tuple({**self.settings.get("platforms", {}), **self.repriced})

    @property
    def shown(self) -> tuple[Objective, ...]:
        """What tables and pictures tell of an evaluation: the general ones, its own, each platform's main ones."""
        prices = (full_objective(f"{platform}.{name}") for platform in self.platforms for name in SHOWN_OF_PLATFORMS)
        chosen = dict.fromkeys((*map(full_objective, SHOWN), TEST_ERROR, *self.objectives, *prices))
        return tuple(objective for objective in chosen if objective.metric in self.baseline.metrics)

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The study's limits, absolute."""
        return resolve(parse_limits(self.settings["limits"], self.platforms), self.baseline.metrics)

    def count(self, status: str) -> int:
        return sum(evaluation.status == status for evaluation in self.evaluations)


def load_result(storage: str, study: str, objectives: Sequence[Objective] | None = None) -> SearchResult:
    """The stored evaluations of a study, under its own objectives or others; no inference is run.

    Raises ValueError if the storage or the study is not there, or before its baseline was stored.
    """
    from dse.store import hide_password, load_study

    store = load_study(storage, study)
    if store.baseline is None:
        raise ValueError(f"study '{study}' in {hide_password(storage)} has no evaluation yet")
    chosen = store.objectives if objectives is None else tuple(objectives)
    evaluations = tuple(store.evaluations.values())
    return SearchResult(study, store.settings, chosen, store.baseline, evaluations, workload=store.workload)
