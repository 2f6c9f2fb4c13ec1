"""A point that was picked: its place on the front, and what one more bit would buy."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace

from tabulate import tabulate

from dse.design.evaluation import Evaluation
from dse.evaluator.measurement import Task
from dse.evaluator.pricing import broken_rules
from dse.exploration.aside import measure_aside
from dse.reports.labels import group_of, label
from dse.reports.table import rows_of
from dse.study.prices import options_of, platforms_of
from dse.study.result import Study
from dse.study.storage import DEFAULT_STORAGE, hide_password
from models.workload import Configuration, Setting

NEIGHBOURS = 2  # on each side
METRICS = ("error_percent", "size_mib", "eliminated_percent")


def place(study: Study, number: int) -> str:
    """The point between its neighbours on the front, in the order of the first objective; errors compared with its."""
    first, last = max(1, number - NEIGHBOURS), min(len(study.front), number + NEIGHBOURS)
    points = [(f"> {each}" if each == number else str(each), study.front[each - 1]) for each in range(first, last + 1)]
    return rows_of(study, points, (str(number), study.front[number - 1]))


def widened(study: Study, point: Evaluation) -> Iterator[tuple[str, Configuration]]:
    """Configurations with the next width that the study has, of weights or activations, in one group of matvecs.

    Both move together where the study has no pair with one of them alone, as on chips that tie them. Each comes with
    its label, as in 'l1.input W4A8 → W8A8'. What the study's platforms cannot run is left out.
    """
    runs = _rules(study)
    runnable = (e.configuration for e in study.evaluations if runs(e.configuration))
    pairs = {setting.operand_bits for configuration in runnable for _, setting in configuration}
    weights, activations = (sorted({pair[side] for pair in pairs}) for side in range(2))
    groups: dict[tuple[str, Setting], list[str]] = {}
    for name, setting in point.configuration:
        if not setting.skip:
            groups.setdefault((group_of(name), setting), []).append(name)
    for (group, setting), names in groups.items():
        more_weights = next((bits for bits in weights if bits > setting.weight_bits), setting.weight_bits)
        more_acts = next((bits for bits in activations if bits > setting.act_bits), setting.act_bits)
        one = [(more_weights, setting.act_bits), (setting.weight_bits, more_acts)]
        alone = [pair for pair in one if pair in pairs and pair != setting.operand_bits]
        for pair in alone or [(more_weights, more_acts)]:
            if pair in pairs and pair != setting.operand_bits:
                wider = replace(setting, weight_bits=pair[0], act_bits=pair[1])
                configuration = point.configuration
                for name in names:
                    configuration = configuration.with_setting(name, **asdict(wider))
                if runs(configuration):
                    yield f"{group} {label(setting)} → {label(wider)}", configuration


def one_more_bit(study: Study, point: Evaluation, task: Task) -> str:
    """Table of what each of `widened` changes, best error first. Runs and keeps what the study lacks.

    By the weights that scored the point.
    """
    wider = dict(widened(study, point))
    measured = measure_aside(study, wider.values(), task, what="one more bit", beacon=point.beacon)
    rows = []
    for name, configuration in wider.items():
        metrics = measured[configuration].metrics
        moved = [metrics.get(metric, float("nan")) - point.metrics[metric] for metric in METRICS]
        rows.append((moved[0], [name, f"{moved[0]:+.2f}", f"{moved[1]:+.4f}", f"{moved[2]:+.2f}"]))
    headers = ("one more bit", "Δ error\npoints", "Δ size\nMiB", "Δ eliminated\npoints")
    align = ("left", "right", "right", "right")
    ordered = [row for _, row in sorted(rows, key=lambda each: each[0])]
    return str(tabulate(ordered, headers, tablefmt="simple", disable_numparse=True, colalign=align))


def _rules(study: Study) -> Callable[[Configuration], bool]:
    """Whether the study's platforms, opened once, can run a configuration."""
    platforms, workload = platforms_of(study), study.workload
    return lambda configuration: workload is None or not broken_rules(platforms, workload, configuration)


def export_command(study: Study, number: int, moved: Mapping[str, str] | None = None) -> str:
    """The command that exports a point. A password of the storage is not told.

    `moved` are options that say where checkpoint and corpus are now.
    """
    given = ["--study", study.name, "--number", str(number)]
    if study.storage not in (None, DEFAULT_STORAGE):
        given += ["--storage", hide_password(str(study.storage))]
    for spec in options_of(study, study.repriced):
        given += ["--platform", spec]
    names = [objective.name for objective in study.objectives]
    if names != study.identity["objectives"]:
        given += ["--objectives", ",".join(names)]
    for name, value in (moved or {}).items():
        given += [f"--{name.replace('_', '-')}", value]
    return f"python -m dse.export {shlex.join([*given, '--to', f'exports/{study.name}-{number}'])}"
