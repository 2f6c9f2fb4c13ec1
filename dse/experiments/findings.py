"""What an experiment found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


@dataclass(frozen=True)
class Findings:
    """The answer in one line, tables and pictures by the names of their files.

    The page shows the tables of `shown`, each under a heading of its own.
    """

    answer: str
    tables: Mapping[str, pd.DataFrame]
    figures: Mapping[str, go.Figure]
    shown: Mapping[str, str] = field(default_factory=dict)
