"""A search worked out before anything runs: genes, objectives, limits, platforms, identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from dse.design.genes import DEFAULT_DELTA, search_space
from dse.design.limits import Limit, parse_limits, violations, with_default
from dse.design.objective import Objective, full_objective, objectives_named, size_metrics
from dse.design.space import SearchSpace
from dse.evaluator.measurement import Task
from dse.evaluator.pricing import common_bits, open_platforms, price, require
from dse.evaluator.pricing import identity as platform_identity
from dse.exploration.settings import SearchSettings
from dse.searchers import searcher_named
from models.devices import require_gpu
from models.workload import InputError, Workload, size_bits
from platforms import Platform


@dataclass(frozen=True)
class Plan:
    """A search worked out without running anything: no inference, no torch."""

    settings: SearchSettings
    workload: Workload
    space: SearchSpace
    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...]
    platforms: dict[str, Platform]
    identity: dict[str, Any]

    @property
    def study(self) -> str:
        """Name of the study: the given one, or one that the identity settles."""
        digest = hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()
        return self.settings.study or f"{self.task.model}-{self.task.preset}-{digest[:8]}"

    @property
    def task(self) -> Task:
        return self.settings.task


def make_plan(settings: SearchSettings) -> Plan:
    """Work a search out. Raises InputError on whatever is wrong with the settings, the checkpoint or the corpus."""
    task = settings.task
    if settings.cluster is None:  # else it is the cluster's workers that need the device
        require_gpu(task.device)
    platforms = open_platforms(settings.platforms)
    opened = platforms.values()
    task = task.within(all(p.row_scales for p in opened), all(p.zero_points for p in opened))
    settings = replace(settings, task=task)
    objectives = objectives_named(settings.objectives, platforms)
    limits = parse_limits(with_default(settings.limits), platforms)
    searcher_named(settings.searcher)
    workload = task.workload
    delta = settings.delta
    if delta is None:
        wanted = [*objectives, *(full_objective(limit.objective) for limit in limits)]
        delta = DEFAULT_DELTA if _gain_from_delta(wanted, platforms) else (0,)
    space = search_space(
        workload,
        settings.weight_bits,
        settings.activation_bits,
        delta,
        settings.skip,
        pairs=common_bits(platforms),
    )
    _require_reachable(limits, workload, space)
    limited = [full_objective(limit.objective) for limit in limits]
    require([*objectives, *limited], price(platforms, workload, space.base))
    identity = {
        "model": task.model,
        "preset": task.preset,
        "corpus": task.corpus,
        "content": task.fingerprint,
        "objectives": [objective.name for objective in objectives],
        "limits": [str(limit) for limit in limits],
        "searcher": settings.searcher,
        "seed": settings.seed,
        "population": settings.population,
        "genes": {gene.name: list(gene.choices) for gene in space.genes},
        "always skipped": [name for name, setting in space.base if setting.skip],
    }
    if platforms:
        identity["platforms"] = platform_identity(settings.platforms)
    return Plan(settings, workload, space, objectives, limits, platforms, identity)


def _require_reachable(limits: Iterable[Limit], workload: Workload, space: SearchSpace) -> None:
    """Raises InputError on limits of size that not even the space's smallest design point keeps."""
    smallest = space.base
    for name in workload.names:
        settings = {replace(setting, delta=0) for setting in space.settings_of(name)}
        fitted = [smallest.with_setting(name, **asdict(setting)) for setting in settings]
        smallest = min(fitted, key=lambda configuration: size_bits(workload, configuration))
    known = [limit for limit in limits if not limit.relative]
    if broken := violations(known, size_metrics(workload, smallest)):
        reasons = "; ".join(violation.reason for violation in broken)
        raise InputError(f"no design point keeps the limits: the smallest has {reasons}")


def _gain_from_delta(objectives: Iterable[Objective], platforms: Mapping[str, Platform]) -> bool:
    """Whether one of them can gain from eliminated operations; if none does, thresholds only add error."""
    exploiting = {name for name, platform in platforms.items() if platform.exploits_computed}
    return any(o.gains_from_delta or o.name.rpartition(".")[0] in exploiting for o in objectives)
