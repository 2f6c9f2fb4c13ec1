"""A search worked out before anything runs: settings, genes, objectives, limits, platforms, identity."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dse.evaluate import ERRORS, WHOLE, Measurer
from dse.genes import DEFAULT_BITS, DEFAULT_DELTA, SKIP_FIRST, search_space
from dse.limits import Limit, parse_limits
from dse.objective import Objective, full_objective, objectives_named
from dse.part import CACHE_MIB
from dse.pricing import common_bits, open_platforms, price, require
from dse.pricing import identity as platform_identity
from dse.searchers import searcher_named
from dse.space import SearchSpace
from models.devices import CPU, require_gpu, require_known
from models.workload import Workload
from platforms import Platform

DEFAULT_STORAGE = "sqlite:///studies/dse.db"
# Without it most of a front is networks that nobody would ship. Source: Rezk et al., MOHAQ, stop at 24 % of about 16 %.
DEFAULT_LIMITS = ("error=+10",)
SMALLEST_POPULATION = 4


@dataclass(frozen=True)
class SearchSettings:
    """What to search. What follows `skip`, and the number of evaluations, is not part of the study's identity.

    `limits` and `platforms` are texts as on the command line: "error=+3", "bitfusion:level=ideal". Raises ValueError
    on numbers out of range and an unknown `error`.
    """

    model: str = "sru"
    preset: str = "edge"
    checkpoint: str | None = None
    corpus: str = "synthetic"
    corpus_path: str | None = None
    skip_bad: bool = False
    error: str = WHOLE
    objectives: tuple[str, ...] = ("error", "size")
    limits: tuple[str, ...] = DEFAULT_LIMITS
    platforms: tuple[str, ...] = ()
    evaluations: int = 300
    seed: int = 1
    population: int = 40
    searcher: str = "surrogate"
    screening: bool = False
    weight_bits: tuple[int, ...] = DEFAULT_BITS
    activation_bits: tuple[int, ...] = DEFAULT_BITS
    delta: tuple[int, ...] | None = None  # None: DEFAULT_DELTA where something gains from eliminated operations
    skip: tuple[str, ...] = (SKIP_FIRST,)
    device: str = CPU
    cache_mib: int = CACHE_MIB  # what a process keeps of layers that candidates share
    workers: int | None = None  # None: one a core, one alone on a GPU
    cluster: str | None = None  # the address of a dask scheduler, whose workers take the place of processes here
    storage: str = DEFAULT_STORAGE
    study: str | None = None

    def __post_init__(self) -> None:
        at_least = {"evaluations": 1, "seed": 0, "population": SMALLEST_POPULATION, "cache_mib": 0, "workers": 1}
        for name, least in at_least.items():
            if (value := getattr(self, name)) is not None and value < least:
                raise ValueError(f"{name} {value} is too small; it is at least {least}")
        if self.error not in ERRORS:
            raise ValueError(f"error '{self.error}' is none of {', '.join(ERRORS)}")
        require_known(self.device)
        if self.screening and self.error != WHOLE:
            raise ValueError(f"screening estimates the error of the whole split; it cannot be with error {self.error}")

    @property
    def processes(self) -> int:
        """How many evaluate at once."""
        alone = self.device != CPU  # more of them share one GPU's memory, so only where asked for
        return self.workers or (1 if alone else os.cpu_count() or 1)


class MeasureModule(Protocol):
    """What the search needs of `dse.measure`; anything with these four can stand in for it."""

    Task: Callable[..., Any]
    task_workload: Callable[[Any], Workload]
    task_fingerprint: Callable[[Any], dict[str, str]]
    open_measurer: Callable[[Any], Measurer]


@dataclass(frozen=True)
class Plan:
    """A search worked out without running anything: no inference, no torch."""

    settings: SearchSettings
    measure: MeasureModule
    task: Any
    workload: Workload
    space: SearchSpace
    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...]
    platforms: dict[str, Platform]
    identity: dict[str, Any]

    @property
    def study(self) -> str:
        """The given name, or one that the identity settles."""
        digest = hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()
        return self.settings.study or f"{self.settings.model}-{self.settings.preset}-{digest[:8]}"


def make_plan(settings: SearchSettings, measure: MeasureModule | None = None) -> Plan:
    """Raises ValueError or FileNotFoundError on whatever is wrong with the settings, the checkpoint or the corpus."""
    chosen: Any = measure
    if chosen is None:
        import dse.measure as chosen
    if settings.cluster is None:  # else it is the cluster's workers that need the device
        require_gpu(settings.device)
    platforms = open_platforms(settings.platforms)
    objectives = objectives_named(settings.objectives, platforms)
    limits = parse_limits(settings.limits, platforms)
    searcher_named(settings.searcher)
    task = chosen.Task(
        model=settings.model,
        preset=settings.preset,
        checkpoint=settings.checkpoint,
        corpus=settings.corpus,
        corpus_path=settings.corpus_path,
        skip_bad=settings.skip_bad,
        error=settings.error,
        device=settings.device,
        cache_mib=settings.cache_mib,
    )
    workload = chosen.task_workload(task)
    delta = settings.delta
    if delta is None:
        wanted = [objective.name for objective in objectives] + [limit.objective for limit in limits]
        delta = DEFAULT_DELTA if _gains_from_delta(wanted, platforms) else (0,)
    space = search_space(
        workload,
        settings.weight_bits,
        settings.activation_bits,
        delta,
        settings.skip,
        pairs=common_bits(platforms),
    )
    limited = [full_objective(limit.objective) for limit in limits]
    require([*objectives, *limited], price(platforms, workload, space.base))
    identity = {
        "model": settings.model,
        "preset": settings.preset,
        "corpus": settings.corpus,
        "content": chosen.task_fingerprint(task),
        "objectives": [objective.name for objective in objectives],
        "limits": [str(limit) for limit in limits],
        "searcher": settings.searcher,
        "seed": settings.seed,
        "population": settings.population,
        "genes": {gene.name: list(gene.choices) for gene in space.genes},
        "always skipped": [name for name, setting in space.base if setting.skip],
    }
    if settings.error != WHOLE:
        identity["error"] = settings.error
    if settings.screening:
        identity["screening"] = "on"
    if platforms:
        identity["platforms"] = platform_identity(settings.platforms)
    return Plan(settings, chosen, task, workload, space, objectives, limits, platforms, identity)


def _gains_from_delta(names: Sequence[str], platforms: Mapping[str, Platform]) -> bool:
    """Whether an objective or limit can gain from eliminated operations; if none does, thresholds only add error."""
    exploiting = tuple(f"{name}." for name, platform in platforms.items() if platform.exploits_computed)
    return any(name == "ops" or name.startswith(exploiting) for name in names)
