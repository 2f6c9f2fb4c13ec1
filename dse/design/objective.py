"""The objectives by name. This is the one file that knows which way is better.

To add an objective:
1. Work its metric out in `dse.evaluator.evaluate`, or in `size_metrics` below if the configuration alone tells it. A
   platform's metric is a field of `platforms.base.Estimate` or one of its `metrics`.
2. A line in OBJECTIVES, or in PLATFORM_OBJECTIVES, with the metric's name, unit, direction and flags. Commands, limits,
   tables and pictures know it then.
3. `tests/search/test_objective_conformance.py` holds it to what every objective must keep.

Those of a platform are named after it: "silago.speedup" is the metric "silago.speedup".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from models.workload import BASELINE_BITS, Configuration, InputError, Workload, computed_fraction, size_mib

Direction = Literal["minimize", "maximize"]
PHONE_ERROR = "phone error rate"


@dataclass(frozen=True)
class Objective:
    """A metric of an evaluation under its short name, with its unit and the better direction.

    `relative_limits`: a limit on it may be given as points over the 16-bit baseline's value.
    `gains_from_delta`: eliminated operations better it wherever it is measured. `most`: no value is above it.
    """

    name: str
    metric: str
    unit: str
    direction: Direction
    description: str = field(compare=False)
    relative_limits: bool = False
    gains_from_delta: bool = False
    most: float | None = None

    @property
    def label(self) -> str:
        return f"{self.description} ({self.unit})"

    def minimised(self, value: float) -> float:
        """The value with its sign such that smaller is better; its own inverse."""
        return value if self.direction == "minimize" else -value


# Source: Rezk et al., MOHAQ, who take the largest error of four subsets.
MAX4 = Objective(
    "max4", "error_max4_percent", "%", "minimize", f"{PHONE_ERROR} of the worst quarter", relative_limits=True
)
OBJECTIVES = {
    objective.name: objective
    for objective in (
        Objective("error", "error_percent", "%", "minimize", PHONE_ERROR, relative_limits=True),
        Objective("size", "size_mib", "MiB", "minimize", "size of all weights"),
        Objective(
            "ops", "eliminated_percent", "%", "maximize", "eliminated operations", gains_from_delta=True, most=100.0
        ),
        Objective("compression", "compression", "×", "maximize", "compression over 16 bit"),
        MAX4,
    )
}


# What `platforms.Estimate` gives: the metrics of a platform, without its name in front.
PLATFORM_OBJECTIVES = {
    objective.name: objective
    for objective in (
        Objective("speedup", "speedup", "×", "maximize", "speedup over 16 bit"),
        Objective("energy", "energy_pj_per_frame", "pJ/frame", "minimize", "energy"),
        Objective("energy_saving", "energy_saving", "×", "maximize", "energy saving over 16 bit"),
        Objective("cycles", "cycles_per_frame", "cycles/frame", "minimize", "cycles"),
        Objective("latency", "latency_seconds", "s/frame", "minimize", "latency"),
        Objective("area", "area_mm2", "mm²", "minimize", "chip area"),
        Objective("speedup_mac_mean", "speedup_mac_mean", "×", "maximize", "mean speedup of the matvecs"),
    )
}


def valid_objectives(platforms: Iterable[str] = ()) -> dict[str, Objective]:
    """The objectives by every name they go by, given the names of the platforms that price.

    Those of a platform are "<platform>.<name>"; where there is one platform the name alone will do.
    """
    chosen = tuple(platforms)
    valid = {**OBJECTIVES}
    for platform in chosen:
        mine = {name: _of_platform(platform, objective) for name, objective in PLATFORM_OBJECTIVES.items()}
        valid |= mine if len(chosen) == 1 else {}
        valid |= {objective.name: objective for objective in mine.values()}
    return valid


# Told by the final report alone; no objective, so that no search can look at the test split.
TEST_ERROR = Objective("test error", "test_error_percent", "%", "minimize", f"{PHONE_ERROR} on the test split")


def objectives_named(names: Iterable[str], platforms: Iterable[str] = ()) -> tuple[Objective, ...]:
    """Objectives of these names. Raises InputError on an unknown name, a repeated one, or none at all."""
    given, chosen = tuple(names), tuple(platforms)
    valid = valid_objectives(chosen)
    for name in given:
        if name not in valid:
            needs = "" if chosen or name.rpartition(".")[2] not in PLATFORM_OBJECTIVES else "; it needs --platform"
            raise InputError(f"objective '{name}' is none of {', '.join(valid)}{needs}")
    objectives = tuple(valid[name] for name in given)
    for name, objective in zip(given, objectives, strict=True):
        if objectives.count(objective) > 1:
            raise InputError(f"objective '{name}' is named more than once")
    if not objectives:
        raise InputError(f"no objective given; there are {', '.join(valid)}")
    return objectives


def full_objective(name: str) -> Objective:
    """An objective by its full name, which names its platform."""
    platform, _, short = name.rpartition(".")
    return _of_platform(platform, PLATFORM_OBJECTIVES[short]) if platform else OBJECTIVES[name]


def _of_platform(platform: str, objective: Objective) -> Objective:
    return replace(
        objective,
        name=f"{platform}.{objective.name}",
        metric=f"{platform}.{objective.metric}",
        description=f"{objective.description} on {platform}",
    )


def error_name(identity: Mapping[str, Any]) -> str:
    """What errors are called in a study of this identity: 'phone error rate', or as the network's decoder has it."""
    return str(identity.get("content", {}).get("error", PHONE_ERROR))


def worded(objectives: Iterable[Objective], identity: Mapping[str, Any]) -> tuple[Objective, ...]:
    """The same objectives with descriptions in the words of a study's errors, see `error_name`."""
    name = error_name(identity)
    return tuple(replace(each, description=each.description.replace(PHONE_ERROR, name)) for each in objectives)


def values(objectives: Sequence[Objective], metrics: Mapping[str, float]) -> tuple[float, ...]:
    """Objective values as people read them. Raises InputError if the metrics lack one."""
    for objective in objectives:
        if objective.metric not in metrics:
            raise InputError(f"objective '{objective.name}': these evaluations have no {objective.metric}")
    return tuple(metrics[objective.metric] for objective in objectives)


def minimised(objectives: Sequence[Objective], metrics: Mapping[str, float]) -> tuple[float, ...]:
    """Objective values as searchers and dominance want them: smaller is better."""
    raw = values(objectives, metrics)
    return tuple(objective.minimised(value) for objective, value in zip(objectives, raw, strict=True))


def size_metrics(workload: Workload, configuration: Configuration) -> dict[str, float]:
    """Metrics that need no inference: size_mib and compression (× over the baseline)."""
    size = size_mib(workload, configuration)
    baseline = size_mib(workload, Configuration.uniform(workload, BASELINE_BITS))
    return {"size_mib": size, "compression": baseline / size}


def eliminated_percent(workload: Workload, computed: Mapping[str, float]) -> float:
    return 100.0 * (1.0 - computed_fraction(workload, computed))
