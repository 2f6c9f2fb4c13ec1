"""Platforms of a study: their rules and prices for a configuration, and the bitwidths that all of them run.

Metrics of a platform carry its name in front: "silago.speedup", "silago.energy_pj_per_frame".
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dse.design.limits import Violation
from dse.design.objective import PLATFORM_OBJECTIVES, Objective
from models.workload import Configuration, InputError, Workload, size_mib
from platforms import Platform, open_platform
from platforms.custom import read_chip

CHIP_FILE = ".toml"
CONTENT = "sha256:"  # of a chip's file, which an identity knows by its content alone
DIGEST_LENGTH = 16


@dataclass(frozen=True)
class ChipFile:
    """The file of a chip of one's own, as a study keeps it: where it was, and what it said."""

    path: str
    text: str

    def open(self) -> Platform:
        return read_chip(self.text, Path(self.path))


def split_specs(texts: Iterable[str]) -> tuple[str, ...]:
    """Split texts, each of one or more platform specs separated by commas, into specs.

    'silago,bitfusion:level=ideal,batch=16' holds two: name=value belongs to the spec before it.
    """
    specs: list[str] = []
    for text in texts:
        for position, part in enumerate(piece.strip() for piece in text.split(",")):
            if position and specs and ":" in specs[-1] and "=" in part and ":" not in part:
                specs[-1] += f",{part}"
            elif part:
                specs.append(part)
    return tuple(specs)


def name_of(platform: Platform) -> str:
    """Name of a platform in its metrics: its name without parameters; of a chip's file the one that it gives itself."""
    return platform.name.partition(":")[0]


def open_platforms(specs: Sequence[str]) -> dict[str, Platform]:
    """Open the platforms, by name. Raises InputError on a bad spec, or on a name given twice."""
    found: dict[str, Platform] = {}
    for spec in specs:
        platform = open_platform(spec)
        if (name := name_of(platform)) in found:
            raise InputError(
                f"platform '{name}' is given more than once; its metrics would share a name. Search for one variant, "
                "then price the study for another with dse.front"
            )
        found[name] = platform
    return found


def identity(specs: Sequence[str]) -> dict[str, str]:
    """Identity of a study's platforms, by name: the spec, or the content's hash of a chip's file."""
    return {
        name: _content_hash(Path(spec)) if spec.endswith(CHIP_FILE) else spec
        for name, spec in zip(open_platforms(specs), specs, strict=True)
    }


def chip_files(specs: Iterable[str]) -> dict[str, ChipFile]:
    """The chips' files among the specs, by what an identity has in their place."""
    paths = (Path(spec) for spec in specs if spec.endswith(CHIP_FILE))
    return {_content_hash(path): ChipFile(str(path.absolute()), path.read_text(encoding="utf-8-sig")) for path in paths}


def common_bits(platforms: Mapping[str, Platform]) -> Collection[tuple[int, int]] | None:
    """Pairs (weight bits, activation bits) that every platform runs; None, for any pair, without platforms."""
    supported = [set(platform.supported_bits) for platform in platforms.values()]
    return set.intersection(*supported) if supported else None


def broken_rules(
    platforms: Mapping[str, Platform], workload: Workload, configuration: Configuration
) -> tuple[Violation, ...]:
    """Violations of the platforms' rules, with their reasons.

    The gaps of one platform sum to the share of the matvecs whose widths it lacks plus the size beyond its memory limit
    as a share of that limit; to 1 where it breaks only rules of its own.
    """
    found = []
    for name, platform in platforms.items():
        if reasons := platform.check(workload, configuration):
            unsupported = [s for _, s in configuration if s.operand_bits not in platform.supported_bits]
            gap = len(unsupported) / len(workload.matvecs)
            if platform.memory_limit_mib is not None:
                gap += max(0.0, size_mib(workload, configuration) / platform.memory_limit_mib - 1.0)
            found += [Violation(f"{name}: {reason}", (gap or 1.0) / len(reasons)) for reason in reasons]
    return tuple(found)


def price(
    platforms: Mapping[str, Platform],
    workload: Workload,
    configuration: Configuration,
    computed: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Metrics of all platforms for a configuration; without `computed` every computed fraction is 1.

    Raises InputError on a price that no float holds, which numbers of a chip's description can lead to.
    """
    metrics: dict[str, float] = {}
    for name, platform in platforms.items():
        try:
            estimate = platform.estimate(workload, configuration, computed)
        except OverflowError as error:
            raise InputError(f"platform {name}: its numbers are out of range: {error}") from error
        numbers = {**vars(estimate), **estimate.metrics}
        for metric, value in numbers.items():
            if isinstance(value, int | float):
                if not 0 <= value <= sys.float_info.max:
                    raise InputError(f"platform {name}: its {metric} would be {value}; its numbers are out of range")
                metrics[f"{name}.{metric}"] = value
    return metrics


def without_inference(platforms: Mapping[str, Platform]) -> dict[str, Platform]:
    """Platforms whose price does not depend on computed fractions, and so on no inference."""
    return {name: platform for name, platform in platforms.items() if not platform.exploits_computed}


def require(objectives: Iterable[Objective], known: Mapping[str, float]) -> None:
    """Check that the platforms give the objectives, by their `known` metrics.

    Raises InputError on an objective that its platform does not give, listing what it gives.
    """
    for objective in objectives:
        platform, _, short = objective.name.rpartition(".")
        if platform and objective.metric not in known:
            given = [name for name, o in PLATFORM_OBJECTIVES.items() if f"{platform}.{o.metric}" in known]
            raise InputError(f"objective '{objective.name}': {platform} gives no {short}; it gives {', '.join(given)}")


def _content_hash(path: Path) -> str:
    return f"{CONTENT}{hashlib.sha256(path.read_bytes()).hexdigest()[:DIGEST_LENGTH]}"
