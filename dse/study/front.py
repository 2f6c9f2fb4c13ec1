"""The front of a study as a sequence of numbered points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, overload

from dse.design.evaluation import Evaluation
from dse.study.frame import evaluations_frame
from models.workload import InputError

if TYPE_CHECKING:
    import pandas as pd


class Front(Sequence[Evaluation]):
    """Points that no other one beats in all objectives, best first objective first; numbered from 1."""

    def __init__(self, points: Sequence[Evaluation], columns: Sequence[str]) -> None:
        self._points, self._columns = tuple(points), tuple(columns)
        self._numbers = {point.genome: number for number, point in enumerate(self._points, start=1)}

    def __len__(self) -> int:
        return len(self._points)

    @overload
    def __getitem__(self, index: int) -> Evaluation: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Evaluation, ...]: ...
    def __getitem__(self, index: int | slice) -> Evaluation | tuple[Evaluation, ...]:
        return self._points[index]

    def __iter__(self) -> Iterator[Evaluation]:
        return iter(self._points)

    def __contains__(self, point: object) -> bool:
        number = self._numbers.get(point.genome) if isinstance(point, Evaluation) else None
        return number is not None and self._points[number - 1] == point

    def number(self, point: Evaluation) -> int:
        """Number of a point in tables and files. Raises InputError where it is not on the front."""
        if point.genome not in self._numbers:
            raise InputError("this point is not on the front")
        return self._numbers[point.genome]

    def frame(self) -> pd.DataFrame:
        """A row for each point: metrics, then each matvec's setting; see `frame.evaluations_frame`."""
        import pandas as pd

        table = evaluations_frame(self._points, self._columns)
        table.index = pd.RangeIndex(1, len(self) + 1, name="number")
        return table

    def __repr__(self) -> str:
        return f"front of {len(self)} points"

    def _repr_html_(self) -> str:
        return str(self.frame().to_html())
