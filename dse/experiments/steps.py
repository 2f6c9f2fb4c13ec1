"""One search of everything against the papers' two steps: bits first, then thresholds at the bits of chosen points.

Keys of [steps]: `first` and `second`, what these searches have beside the joint one's options, and which freeze rules
hold the second ones at their points; `points`, whose errors choose points of the first front as the smallest within;
`seeds`, how many. The second searches and the first together make as many evaluations as the joint search does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from dse.design.objective import OBJECTIVES
from dse.experiments.bounds import Bound, read_bounds
from dse.experiments.description import Experiment, own_of
from dse.experiments.findings import Findings
from dse.experiments.searches import SettingsOf, search, settings_of_all, with_uniform
from dse.exploration.plan import make_plan
from dse.exploration.settings import SearchSettings
from dse.reports.pictures.style import COLOURS, styled
from dse.study.choose import best
from dse.study.result import Study
from models.workload import InputError

if TYPE_CHECKING:
    import plotly.graph_objects as go

DEFAULTS: dict[str, Any] = {
    "first": {"objectives": ["error", "size"], "delta": [0], "evaluations": 150},
    "second": {"objectives": ["error", "ops"], "freeze": ["bits"]},
    "points": ["+0.5", "+1", "+3"],
    "seeds": 5,
}
CONFIDENCE = 0.95
JOINT, STEPS = "joint", "two steps"


def steps(experiment: Experiment, settings_of: SettingsOf) -> Findings:
    """Run both ways with every seed. Raises InputError on keys that are none, and a search without any result."""
    own = own_of(experiment, DEFAULTS)
    points = read_bounds(own["points"], experiment.source)
    if own["seeds"] < 1 or not points:
        raise InputError(f"{experiment.source} [steps]: it takes a seed and a point or more")
    for variation, _ in settings_of_all(experiment, settings_of):
        make_plan(settings_of({**variation.options, **own["first"]}))
        settings_of({**variation.options, **own["second"]})  # whose point is not known yet
    rows, curves = [], []
    for variation in experiment.variations:
        for seed in range(1, own["seeds"] + 1):
            options = {**variation.options, "seed": seed}
            joint = search(settings_of(options), f"{variation} joint, seed {seed}")
            stepped = _stepped(own, points, options, joint, settings_of, f"{variation} in steps, seed {seed}")
            for way, study in ((JOINT, joint), (STEPS, stepped)):
                volumes = study.convergence
                values = {"evaluations": len(volumes), "hypervolume": volumes[-1]}
                rows.append({**variation.values, "seed": seed, "way": way, **values})
                curves += [
                    {**variation.values, "seed": seed, "way": way, "evaluations": n, "hypervolume": volume}
                    for n, volume in enumerate(volumes, start=1)
                ]
    table, axes = pd.DataFrame(rows), list(experiment.vary)
    gains = gains_of(table, axes)
    figure = _figure(experiment.title, pd.DataFrame(curves), axes)
    answer = "hypervolume of joint over two steps: " + "; ".join(
        f"{values} {gain:+.1f} % ({low:+.1f} to {high:+.1f})".strip()
        for values, gain, low, high in gains.itertuples(index=False)
    )
    interval = f"mean over seeds and its interval of {100 * CONFIDENCE:.0f} %"
    shown = {
        "gains": f"More hypervolume of joint than of two steps, {interval}",
        "hypervolumes": f"Hypervolume of the front, {' × '.join(each.label for each in joint.objectives)}",
    }
    return Findings(answer, {"gains": gains, "hypervolumes": table}, {"convergence": figure}, shown)


def _stepped(
    own: Mapping[str, Any],
    points: Sequence[Bound],
    options: Mapping[str, Any],
    joint: Study,
    settings_of: SettingsOf,
    name: str,
) -> Study:
    """The joint search's study with the evaluations of the two steps in place of its own."""
    settings = _alone(settings_of({**options, **own["first"]}))
    first = with_uniform(search(settings, f"{name}, bits"), settings)
    chosen = dict.fromkeys(_smallest(first, within) for within in points)
    left = len(joint.evaluations) - len(first.evaluations)
    evaluations = list(first.evaluations)
    for k, number in enumerate(chosen):
        share = left * (k + 1) // len(chosen) - left * k // len(chosen)
        second = {**options, **own["second"], "from": f"{first.name}:{number}", "evaluations": share}
        evaluations += search(settings_of(second), f"{name}, thresholds at point {number}").evaluations
    return replace(joint, evaluations=tuple(evaluations))


def _alone(settings: SearchSettings) -> SearchSettings:
    """The search in a study that none with more evaluations goes on with: points are taken from its front by number."""
    plan = make_plan(settings)
    return replace(settings, study=f"{plan.study}-first-{plan.evaluations}")


def _smallest(study: Study, within: Bound) -> int:
    """Number of the smallest point of the front within an error; of its least error where none is."""
    kept = within.keeps(study)
    return study.front.number(best(kept, OBJECTIVES["size"]) if kept else study.front[0])


def gains_of(table: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """By variation, how much more hypervolume the joint search has in percent, the mean over seeds and its interval.

    Student's interval of the paired differences; of one seed there is none, and it is NaN.
    """
    rows = []
    for values, mine in table.groupby(list(axes), sort=False) if axes else [((), table)]:
        ways = mine.pivot(index="seed", columns="way", values="hypervolume")
        gains = 100 * (ways[JOINT] / ways[STEPS] - 1).to_numpy()
        n, mean = len(gains), float(gains.mean())
        error = float(np.std(gains, ddof=1)) / math.sqrt(n) if n > 1 else math.nan
        reach = float(student.ppf((1 + CONFIDENCE) / 2, n - 1)) * error if n > 1 else math.nan
        rows.append(
            {
                "of": ", ".join(map(str, values)),
                "gain_percent": mean,
                "low_percent": mean - reach,
                "high_percent": mean + reach,
            }
        )
    return pd.DataFrame(rows)


def _figure(title: str, curves: pd.DataFrame, axes: Sequence[str]) -> go.Figure:
    """Hypervolume by evaluation: means over seeds, and every seed thinly. A panel for each variation."""
    from plotly.subplots import make_subplots

    groups = list(curves.groupby(list(axes), sort=False)) if axes else [((), curves)]
    names = [", ".join(map(str, values)) for values, _ in groups]
    figure = make_subplots(1, len(groups), subplot_titles=names if any(names) else None, horizontal_spacing=0.1)
    for column, (_, mine) in enumerate(groups, start=1):
        for k, (way, every) in enumerate(mine.groupby("way", sort=False)):
            wide = every.pivot(index="evaluations", columns="seed", values="hypervolume")
            for seed in wide.columns:
                figure.add_scatter(
                    x=wide.index, y=wide[seed], mode="lines", line={"color": COLOURS[k], "width": 0.7}, opacity=0.5,
                    showlegend=False, hoverinfo="skip", row=1, col=column,
                )  # fmt: skip
            figure.add_scatter(
                x=wide.index, y=wide.mean(axis=1), mode="lines", line={"color": COLOURS[k], "width": 3},
                name=str(way), showlegend=column == 1, row=1, col=column,
            )  # fmt: skip
        figure.update_xaxes(title="evaluations", row=1, col=column)
    figure.update_yaxes(title="hypervolume", col=1)
    return styled(figure, title, "hypervolume of the front by evaluation: means over seeds, and each seed thinly")
