"""Errors within which experiments compare fronts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dse.design.evaluation import Evaluation
from dse.study.references import uniform_references
from dse.study.result import Study
from models.workload import InputError

POINTS, PERCENT, BITS = "points", "percent", "bits"  # what a bound is given in


@dataclass(frozen=True)
class Bound:
    """An error: '+1', points over the baseline's; '14 %', the same for every study; '8 bit', that of uniform bits."""

    text: str
    value: float
    kind: str

    def percent(self, study: Study) -> float | None:
        """The error in percent in a study; None where uniform bits were not measured."""
        if self.kind == BITS:
            point = uniform_references(study).get(int(self.value))
            return None if point is None else point.metrics["error_percent"]
        return self.value + (study.baseline.metrics["error_percent"] if self.kind == POINTS else 0.0)

    def keeps(self, study: Study) -> list[Evaluation]:
        """Points of the study's front within it; none where it is not known."""
        percent = self.percent(study)
        return [point for point in study.front if percent is not None and point.metrics["error_percent"] <= percent]

    @property
    def head(self) -> str:
        """What tables call it."""
        return f"within {self.text}{' of error' * (self.kind != POINTS)}"

    def __str__(self) -> str:
        over = {POINTS: f"{self.text} points of 16 bit", PERCENT: self.text, BITS: f"the error of uniform {self.text}"}
        return f"within {over[self.kind]}"


def read_bound(text: str, source: str) -> Bound:
    """The error that a text names. Raises InputError naming its source, a file, where it names none."""
    found = re.fullmatch(r"(?P<bits>\d+) bit|(?P<percent>\d+(\.\d+)?) %|(?P<points>[+-]\d+(\.\d+)?)", str(text))
    if found:
        kind, number = next((kind, value) for kind, value in found.groupdict().items() if value is not None)
        return Bound(text, float(number), kind)
    raise InputError(f"{source}: '{text}' is no error, as in '+1' (points over 16 bit), '14 %' or '8 bit'")


def read_bounds(texts: Sequence[str], source: str) -> list[Bound]:
    """The errors that texts name. Raises InputError."""
    return [read_bound(text, source) for text in texts]
