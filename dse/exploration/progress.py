"""The live line of a running search, and remarks above it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from tqdm import tqdm

from dse.design.evaluation import Evaluation
from dse.design.objective import Objective
from dse.study.convergence import GrowingFront

BAR = "{desc}: {percentage:3.0f}% {bar} {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_per_minute}/min{postfix}]"


def tell(lines: Iterable[str]) -> None:
    """Print remarks on a search where its progress is shown, so that they mix with no result."""
    for line in lines:
        tqdm.write(line, file=sys.stderr)


class Progress(tqdm):
    """Evaluations done, rate, time left, size of the front, its best first objective and hypervolume.

    Quiet off a terminal. `reach` is called once before evaluations are counted.
    """

    def __init__(self, total: int, objectives: Sequence[Objective]) -> None:
        self._objectives = objectives
        super().__init__(total=total, desc="search", bar_format=BAR, disable=None, smoothing=0)

    @property
    def format_dict(self) -> dict[str, Any]:
        numbers = super().format_dict
        made = numbers["n"] - numbers["initial"]
        rate = f"{60 * made / numbers['elapsed']:.1f}" if made and numbers["elapsed"] else "?"
        return {**numbers, "rate_per_minute": rate}

    def reach(self, reference: Sequence[float]) -> None:
        """Tell the objective values up to which the hypervolume reaches, once the baseline is measured."""
        self._front = GrowingFront(self._objectives, reference)

    def count(self, evaluation: Evaluation, stored: bool = False) -> None:
        """Count one more evaluation. Stored ones cost no time and stay out of the rate."""
        if self.disable:
            return
        volume = self._front.add(evaluation)
        if stored:
            self.initial += 1
        if self._front:
            first = self._objectives[0]
            text = f"front {len(self._front)}, best {first.name} {self._front.best:.4g} {first.unit}"
            self.set_postfix_str(f"{text}, hypervolume {volume:.4g}", refresh=False)
        self.update()
