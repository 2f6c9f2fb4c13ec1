"""The objectives by name. This is the one file that knows which way is better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from models.workload import BASELINE_BITS, Configuration, Workload, computed_fraction, size_mib

Direction = Literal["minimize", "maximize"]


@dataclass(frozen=True)
class Objective:
    """A metric of an evaluation under its short name, with its unit and the better direction."""

    name: str
    metric: str
    unit: str
    direction: Direction
    description: str

    @property
    def label(self) -> str:
        return f"{self.description} ({self.unit})"

    def minimised(self, value: float) -> float:
        """The value with its sign such that smaller is better; its own inverse."""
        return value if self.direction == "minimize" else -value


OBJECTIVES = {
    objective.name: objective
    for objective in (
        Objective("error", "error_percent", "%", "minimize", "phone error rate"),
        Objective("size", "size_mib", "MiB", "minimize", "size of all weights"),
        Objective("ops", "eliminated_percent", "%", "maximize", "eliminated operations"),
        Objective("compression", "compression", "×", "maximize", "compression over 16 bit"),
    )
}


def objectives_named(names: Iterable[str]) -> tuple[Objective, ...]:
    """Raises ValueError on an unknown name, a repeated one, or none at all."""
    chosen = tuple(names)
    for name in chosen:
        if name not in OBJECTIVES:
            raise ValueError(f"objective '{name}' is none of {', '.join(OBJECTIVES)}")
        if chosen.count(name) > 1:
            raise ValueError(f"objective '{name}' is named more than once")
    if not chosen:
        raise ValueError(f"no objective given; there are {', '.join(OBJECTIVES)}")
    return tuple(OBJECTIVES[name] for name in chosen)


def values(objectives: Sequence[Objective], metrics: Mapping[str, float]) -> tuple[float, ...]:
    """Objective values as people read them. Raises ValueError if the metrics lack one."""
    for objective in objectives:
        if objective.metric not in metrics:
            raise ValueError(f"objective '{objective.name}': these evaluations have no {objective.metric}")
    return tuple(metrics[objective.metric] for objective in objectives)


def minimised(objectives: Sequence[Objective], metrics: Mapping[str, float]) -> tuple[float, ...]:
    """Objective values as searchers and dominance want them: smaller is better."""
    raw = values(objectives, metrics)
    return tuple(objective.minimised(value) for objective, value in zip(objectives, raw, strict=True))


def size_metrics(workload: Workload, configuration: Configuration) -> dict[str, float]:
    """What a configuration alone tells, no inference needed: size_mib and compression (× over the baseline)."""
    size = size_mib(workload, configuration)
    baseline = size_mib(workload, Configuration.uniform(workload, BASELINE_BITS))
    return {"size_mib": size, "compression": baseline / size}


def eliminated_percent(workload: Workload, computed: Mapping[str, float]) -> float:
    return 100.0 * (1.0 - computed_fraction(workload, computed))
