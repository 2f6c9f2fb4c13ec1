"""Pictures of a study: functions that return a plotly Figure, for notebooks, the HTML report and PNG alike.

To add a picture of a study: a function of the study in a file here, and a line in PICTURES. The report shows it below
its title, unless the function returns None, which says that the study has nothing to draw.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from dse.study.result import Study

# name: (module, function, title)
PICTURES = {
    "front": ("front", "front", "The front"),
    "front-3d": ("front_3d", "front_3d", "The front in three dimensions"),
    "final": ("final", "validation_against_test", "Validation against test"),
    "bits": ("genes", "bits_along_front", "Bits along the front"),
    "matvecs": ("matvecs", "matvecs_near_best", "The smallest point near the best, by matvec"),
    "parallel": ("parallel", "parallel", "Objectives and genes: drag along an axis to choose"),
    "delta": ("genes", "delta_against_eliminated", "Delta thresholds"),
    "sensitivity": ("sensitivity", "sensitivity", "Sensitivity: one gene at a time"),
    "hypervolume": ("progress", "hypervolume_by_evaluation", "Progress of the search"),
}


def pictures_of(study: Study) -> Iterator[tuple[str, str, go.Figure]]:
    """Name, title and figure of every picture that the study has something for."""
    for name, (module, function, title) in PICTURES.items():
        figure = getattr(import_module(f"{__name__}.{module}"), function)(study)
        if figure is not None:
            yield name, title, figure
