"""Where a chosen point's size, operations and energy are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dse.design.evaluation import Evaluation
from dse.design.objective import error_name
from dse.phones.kinds import short_name
from dse.reports.labels import label
from dse.reports.pictures.style import BLUE, COLOURS, FAINT, name_of, styled
from dse.study.prices import platforms_of
from dse.study.result import Study
from dse.study.ties import near_best
from models.workload import InputError

if TYPE_CHECKING:
    import plotly.graph_objects as go

BITS_PER_KIB = 8 * 1024
PJ_PER_NJ = 1000
ROW_PX, TITLE_PX = 26, 13
TOP_PX, BOTTOM_PX, LEGEND_PX = 130, 100, 40  # above and below the bars; from them down to the legend


def matvecs_near_best(study: Study) -> go.Figure | None:
    """The same of the smallest point that is surely near the best; None where there is none, or no workload."""
    point = near_best(study)
    return None if point is None or study.workload is None else matvecs_of(study, point)


def matvecs_of(study: Study, point: Evaluation) -> go.Figure:
    """Size, operations a frame and each platform's energy of every matvec of a point.

    Operations are split into those computed and those eliminated. Raises InputError where the study holds no workload.
    """
    from plotly.subplots import make_subplots

    workload = study.workload
    if workload is None:
        raise InputError(f"study '{study.name}' holds no workload; run its search command once more")
    priced = {
        name: platform.estimate(workload, point.configuration, point.computed)
        for name, platform in platforms_of(study).items()
    }
    names = [f"{matvec.name} {label(point.configuration[matvec.name])}" for matvec in workload]
    energies_on = [f"energy on {name}<br>(nJ a frame)" for name in priced]
    titles = ["weights<br>(KiB)", "operations<br>(kMAC a frame)", *energies_on]
    figure = make_subplots(1, len(titles), shared_yaxes=True, horizontal_spacing=0.04, subplot_titles=titles)
    sizes = [m.weights * point.configuration[m.name].operand_bits[0] / BITS_PER_KIB for m in workload]
    computed = [m.macs_per_frame * point.computed[m.name] / 1000 for m in workload]
    left = [m.macs_per_frame / 1000 - done for m, done in zip(workload, computed, strict=True)]
    bars = [(1, "weights", sizes, BLUE), (2, "computed", computed, COLOURS[2]), (2, "eliminated", left, FAINT)]
    for column, (name, estimate) in enumerate(priced.items(), start=3):
        energies = [e for m in workload if (e := estimate.per_matvec[m.name].energy_pj) is not None]
        if len(energies) == len(names):
            bars.append((column, name, [energy / PJ_PER_NJ for energy in energies], COLOURS[1]))
    for column, name, lengths, colour in bars:
        figure.add_bar(
            x=lengths, y=names, orientation="h", name=name, marker={"color": colour},
            showlegend=column == 2, row=1, col=column,
        )  # fmt: skip
    figure.update_yaxes(autorange="reversed")
    figure.update_annotations(font_size=TITLE_PX)
    number = f"point {study.front.number(point)}: " if point in study.front else ""
    error = f"{point.metrics['error_percent']:.2f} % {short_name(error_name(study.identity))}"
    subtitle = f"{number}{error}, {point.metrics['size_mib']:.3f} MiB, "
    subtitle += f"{point.metrics['eliminated_percent']:.1f} % of operations eliminated"
    return styled(
        figure,
        f"{name_of(study)}: a point by matvec",
        subtitle,
        barmode="stack",
        height=TOP_PX + BOTTOM_PX + ROW_PX * len(names),
        margin={"l": 160, "r": 30, "t": TOP_PX, "b": BOTTOM_PX},
        legend_px=LEGEND_PX,
    )
