"""How platforms that choose between ways run the matvecs of a configuration, in words."""

from __future__ import annotations

import html

from tabulate import tabulate

from dse.design.evaluation import Evaluation
from dse.reports.labels import label, short_number
from dse.study.prices import platforms_of
from dse.study.result import Study
from dse.study.ties import near_best
from models.workload import Workload
from platforms import Platform


def mappings(study: Study) -> str:
    """HTML of how each platform runs the baseline and one point of the front; empty where no platform chooses.

    The point is the smallest that is surely near the best, or the front's last. Empty, too, without workload or front.
    """
    workload = study.workload
    if workload is None or not len(study.front):
        return ""
    point = near_best(study) or study.front[-1]
    shown = {"16 bit": study.baseline, f"point {study.front.number(point)}": point}
    parts = []
    for name, platform in platforms_of(study).items():
        rows = {title: _rows(platform, workload, evaluation) for title, evaluation in shown.items()}
        if not any(row[-1] for found in rows.values() for row in found):
            continue
        for title, found in rows.items():
            table = tabulate(found, ("matvec", "bits", "cycles", "runs as"), tablefmt="html", disable_numparse=True)
            told = platform.remarks(workload, shown[title].configuration)
            parts += [f"<h3>{html.escape(name)}, {title}</h3>", *(f"<p>{html.escape(t)}</p>" for t in told), table]
    return "\n".join(parts)


def _rows(platform: Platform, workload: Workload, evaluation: Evaluation) -> list[tuple[str, ...]]:
    costs = platform.estimate(workload, evaluation.configuration, evaluation.computed).per_matvec
    return [
        (name, label(evaluation.configuration[name]), short_number(cost.cycles), cost.mapping)
        for name, cost in costs.items()
    ]
