"""A search worked out before anything runs: genes, objectives, limits, platforms, identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from dse.design.genes import DEFAULT_DELTA, search_space
from dse.design.limits import Limit, parse_limits, violations, with_default
from dse.design.objective import Objective, full_objective, objectives_named, size_metrics
from dse.design.rules import Rule, parse_rules
from dse.design.space import Genome, SearchSpace
from dse.design.start import genome_at, rules_at
from dse.evaluator.measurement import Task
from dse.evaluator.pricing import common_bits, open_platforms, price, require
from dse.evaluator.pricing import identity as platform_identity
from dse.exploration.settings import DEFAULT_EVALUATIONS, SearchSettings
from dse.phones.kinds import CTC, ERROR_NAMES
from dse.searchers import EXHAUSTIVE, searcher_named
from models.devices import require_gpu
from models.workload import Configuration, InputError, Workload, size_bits
from platforms import Platform

MOST_EXHAUSTIVE = 100_000  # genomes that are all evaluated without being asked for again


@dataclass(frozen=True)
class Plan:
    """A search worked out without running anything: no inference, no torch."""

    settings: SearchSettings
    workload: Workload
    space: SearchSpace
    start: tuple[Genome, ...]  # evaluated first
    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...]
    platforms: dict[str, Platform]
    identity: dict[str, Any]

    @property
    def study(self) -> str:
        """Name of the study: the given one, or one that the identity settles."""
        return self.settings.study or f"{self.task.model}-{self.task.preset}-{self.digest[:8]}"

    @property
    def digest(self) -> str:
        """Hash of the identity."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()

    @property
    def evaluations(self) -> int:
        """How many genomes are evaluated at most."""
        if self.settings.evaluations is not None:
            return self.settings.evaluations
        return self.space.size if self.settings.searcher == EXHAUSTIVE else DEFAULT_EVALUATIONS

    @property
    def task(self) -> Task:
        return self.settings.task


def make_plan(settings: SearchSettings) -> Plan:
    """Work a search out. Raises InputError on whatever is wrong with the settings, the checkpoint or the corpus."""
    task = settings.task
    if settings.cluster is None:  # else it is the cluster's workers that need the device
        require_gpu(task.device)
    elif settings.beacons:
        raise InputError(
            "beacons are retrained on this machine, where a cluster's workers find them not; leave one out"
        )
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
        settings = replace(settings, delta=delta)
    space, start = _space(settings, workload, delta, common_bits(platforms))
    if settings.searcher == EXHAUSTIVE and settings.evaluations is None and space.size > MOST_EXHAUSTIVE:
        raise InputError(
            f"an exhaustive search of {space.size:,} genomes, more than {MOST_EXHAUSTIVE:,}: freeze genes, or give "
            "--evaluations to have so many all the same"
        )
    _require_reachable(limits, workload, space)
    limited = [full_objective(limit.objective) for limit in limits]
    require([*objectives, *limited], price(platforms, workload, space.base))
    content = task.fingerprint
    identity = {
        "model": task.model,
        "preset": task.preset,
        "corpus": task.corpus,
        "content": content,
        "objectives": [objective.name for objective in objectives],
        "limits": [str(limit) for limit in limits],
        "searcher": settings.searcher,
        "seed": settings.seed,
        "population": settings.population,
        "genes": {gene.name: list(gene.choices) for gene in space.genes},
        "always skipped": [name for name, setting in space.base if setting.skip],
    }
    if settings.start is not None:
        identity |= {"from": settings.start, "start": list(start[0])}
    if settings.beacons:
        if content.get("error") == ERROR_NAMES[CTC]:
            raise InputError("beacons are retrained on targets of frames, and this checkpoint was trained by CTC")
        identity["beacons"] = {"most": settings.beacons, "epochs": settings.beacon_epochs}
    if platforms:
        identity["platforms"] = platform_identity(settings.platforms)
    return Plan(settings, workload, space, start, objectives, limits, platforms, identity)


def _space(
    settings: SearchSettings,
    workload: Workload,
    delta: tuple[int, ...],
    pairs: Collection[tuple[int, int]] | None,
) -> tuple[SearchSpace, tuple[Genome, ...]]:
    """The space that is searched, and the genomes that are evaluated first."""

    def space_of(rules: Sequence[Rule], delta: Sequence[int]) -> SearchSpace:
        widths, skip = (settings.weight_bits, settings.activation_bits), settings.skip
        return search_space(workload, *widths, delta, skip, pairs=pairs, delta_genes=settings.delta_genes, rules=rules)

    rules = parse_rules(settings.genes, settings.freeze)
    point = _start(settings, workload)
    if point is None:
        if open_rules := [rule.name for rule in rules if not rule.choices]:
            name = open_rules[0]
            raise InputError(f"freeze '{name}' names no choice, as in {name}=8; or give --from a point")
        space = space_of(rules, delta)
        return space, tuple(space.uniform())
    # Thresholds of the point stay as they are where they are no genes.
    ungated = [] if delta != (0,) else [Rule(("delta",), (), freezes=True)]
    every = space_of([rule for rule in rules if rule.choices], (0, 1) if ungated else delta).genes
    space = space_of(rules_at(point, every, [*ungated, *rules]), delta)
    return space, (genome_at(point, space),)


def _start(settings: SearchSettings, workload: Workload) -> Configuration | None:
    """The point that a search starts from. Raises InputError where there is none such, or it is another network's."""
    if settings.start is None:
        return None
    from dse.study.result import load_study

    name, _, number = settings.start.rpartition(":")
    if not name or not number.isascii() or not number.isdigit():
        raise InputError(f"start '{settings.start}' is not STUDY:NUMBER, as in my-study:18")
    front = load_study(name, settings.storage).front
    if not 1 <= int(number) <= len(front):
        raise InputError(f"start {settings.start}: the front of {name} has points 1 to {len(front)}")
    point = front[int(number) - 1].configuration
    if tuple(matvec for matvec, _ in point) != workload.names:
        raise InputError(f"start {settings.start}: its matvecs are not those of this model")
    return point


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
