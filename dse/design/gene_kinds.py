"""The kinds of genes: what a choice sets of the matvecs that it is about, and which choice a configuration has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from dse.design.space import DELTA_BITS, Choice
from models.workload import BASELINE_BITS, INTEGER_BITS, Configuration

GENE_BITS = (*INTEGER_BITS, BASELINE_BITS)  # widths that genes may choose


@dataclass(frozen=True)
class WidthGene:
    """One width for some matvecs: of weights, of activations, or of both where they are tied."""

    name: str
    choices: tuple[int, ...]  # bits
    matvecs: tuple[str, ...]
    sets: tuple[str, ...]  # "weight_bits", "act_bits"

    def fields(self, index: int, position: int) -> dict[str, int]:
        return dict.fromkeys(self.sets, self.choices[index])

    def choice_in(self, configuration: Configuration) -> int:
        return int(getattr(configuration[self.matvecs[0]], self.sets[0]))


@dataclass(frozen=True)
class PairGene:
    """Both widths of some matvecs at once, where only some combinations run."""

    name: str
    pairs: tuple[tuple[int, int], ...]  # weight bits, activation bits
    matvecs: tuple[str, ...]

    @property
    def choices(self) -> tuple[Choice, ...]:
        return tuple(f"{weight}x{act}" for weight, act in self.pairs)

    def fields(self, index: int, position: int) -> dict[str, int]:
        return dict(zip(("weight_bits", "act_bits"), self.pairs[index], strict=True))

    def choice_in(self, configuration: Configuration) -> str:
        setting = configuration[self.matvecs[0]]
        return f"{setting.weight_bits}x{setting.act_bits}"


@dataclass(frozen=True)
class DeltaGene:
    """One threshold for the delta gates of some matvecs, in steps of an 8-bit activation."""

    name: str
    choices: tuple[int, ...]
    matvecs: tuple[str, ...]

    def fields(self, index: int, position: int) -> dict[str, int]:
        return {"delta": self.choices[index]}

    def choice_in(self, configuration: Configuration) -> int:
        """The least threshold with these steps, told by the finest activations."""
        finest = max((configuration[name] for name in self.matvecs), key=lambda setting: setting.operand_bits[1])
        return math.ceil(finest.delta * Fraction(2) ** (DELTA_BITS - finest.operand_bits[1]))


@dataclass(frozen=True)
class SkipGene:
    """How many of some paths, from the first, stay at 16 bit; a path is a matvec, or that of each direction."""

    name: str
    choices: tuple[int, ...]
    paths: tuple[tuple[str, ...], ...]

    @property
    def matvecs(self) -> tuple[str, ...]:
        return tuple(name for path in self.paths for name in path)

    def fields(self, index: int, position: int) -> dict[str, int]:
        return {"skip": position < sum(map(len, self.paths[: self.choices[index]]))}

    def choice_in(self, configuration: Configuration) -> int:
        return sum(all(configuration[name].skip for name in path) for path in self.paths)
