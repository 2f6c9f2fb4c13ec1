"""Format of a study's record, which has a version: trials and attributes of an Optuna study.

Parameters are readable values (bits, thresholds), trial values are the objectives as people read them, everything else
is in the trial's user attributes. An ok evaluation is COMPLETE; an infeasible one is COMPLETE with a broken constraint
if it was measured, PRUNED if no inference was spent; a failed one is FAIL, and stays beside the success of a later try.
So `best_trials` and optuna-dashboard agree with our front.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from functools import cache
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from dse.design.evaluation import RECORD_FIELDS, Evaluation
from dse.design.objective import (
    MAX4,
    OBJECTIVES,
    PLATFORM_OBJECTIVES,
    Objective,
    eliminated_percent,
    size_metrics,
    values,
)
from dse.design.space import Choice, SearchSpace
from dse.design.utterance_errors import QUARTERS
from models.workload import PATHS, InputError, MatVec, StoredScales, Workload

# 1: the identity stood under "settings"; candidates could be screened; the error could be that of the worst quarter.
# 2: identity, the task that makes it again, errors of every utterance, the worst quarter as a metric.
FORMAT = 2
WITHOUT_INFERENCE = ("size_mib", "compression")
MEASURED = (*WITHOUT_INFERENCE, "error_percent", "eliminated_percent")
EDITS, PHONES = ("substitutions", "deletions", "insertions"), "reference_phones"
METRICS = {*EDITS, PHONES, *(objective.metric for objective in OBJECTIVES.values())}
PLATFORM_METRICS = {objective.metric for objective in PLATFORM_OBJECTIVES.values()}
# What every identity holds; other fields only make it differ from another.
IDENTITY = {"model": str, "preset": str, "corpus": str, "content": dict, "objectives": list, "limits": list}


ASKED = "dse:asked"  # system attribute: how many genomes the searcher had asked before


def to_trial(
    evaluation: Evaluation, space: SearchSpace, objectives: Sequence[Objective], asked: int | None = None
) -> FrozenTrial:
    state = TrialState.COMPLETE
    if evaluation.status == "failed":
        state = TrialState.FAIL
    elif not evaluation.measured:
        state = TrialState.PRUNED
    record = evaluation.to_json()
    metrics = record.pop("metrics")
    distributions: dict[str, BaseDistribution] = {gene.name: _distribution(gene.choices) for gene in space.genes}
    constraints = {} if evaluation.status == "failed" else {"constraints": [evaluation.violation]}
    return create_trial(
        state=state,
        params=space.values(evaluation.genome),
        distributions=distributions,
        values=list(values(objectives, evaluation.metrics)) if state == TrialState.COMPLETE else None,
        user_attrs=record | metrics,
        system_attrs=constraints | ({} if asked is None else {ASKED: asked}),
    )


@cache
def _distribution(choices: tuple[Choice, ...]) -> CategoricalDistribution:
    """Distribution over a gene's choices, one for all trials: Optuna keeps every trial in memory."""
    return CategoricalDistribution(choices)


def from_trial(trial: FrozenTrial, worst_quarter: bool = False) -> Evaluation:
    """Read a trial, see `from_record`. Numbers beside the record's own fields are metrics."""
    attributes = trial.user_attrs
    for name, value in attributes.items():
        known = name in METRICS or name.startswith("error_quarter_") or name.rpartition(".")[2] in PLATFORM_METRICS
        if known and type(value) not in (int, float):
            raise InputError(f"an evaluation's {name} is {value!r}, not a number")
    metrics = {n: value for n, value in attributes.items() if n not in RECORD_FIELDS and type(value) in (int, float)}
    record = {name: value for name, value in attributes.items() if name not in metrics}
    return from_record({**record, "metrics": metrics}, worst_quarter)


def from_record(record: Mapping[str, Any], worst_quarter: bool = False) -> Evaluation:
    """An evaluation as any format wrote it. Raises InputError naming what cannot be read.

    `worst_quarter`: the study is of format 1, and what it calls the error is that of the worst quarter.
    """
    if not isinstance(record, Mapping):
        raise InputError(f"an evaluation's record is {record!r}, not fields by name")
    screened = record.get("status") == "screened"
    evaluation = Evaluation.from_json({**record, "status": "infeasible"} if screened else record)
    if screened:  # it was run on a sample of the split, which says nothing of the whole
        known = {name: value for name, value in evaluation.metrics.items() if name in WITHOUT_INFERENCE}
        evaluation = replace(evaluation, computed={}, metrics=known)
    metrics = evaluation.metrics
    quarters = [metrics[name] for q in range(QUARTERS) if (name := f"error_quarter_{q}_percent") in metrics]
    if quarters and MAX4.metric not in metrics:
        metrics[MAX4.metric] = max(quarters)
        if worst_quarter:
            metrics["error_percent"] = _whole_error_percent(metrics)
    _require_sound(evaluation)
    return evaluation


def _whole_error_percent(metrics: Mapping[str, float]) -> float:
    missing = [name for name in (*EDITS, PHONES) if name not in metrics]
    if missing or not metrics[PHONES]:
        raise InputError(f"an evaluation's metrics lack {', '.join(missing or [PHONES])}")
    return 100.0 * sum(metrics[name] for name in EDITS) / metrics[PHONES]


def _require_sound(evaluation: Evaluation) -> None:
    """Raises InputError on values that no evaluation has, or that contradict one another."""
    status, metrics, computed = evaluation.status, evaluation.metrics, evaluation.computed
    if (eliminated := metrics.get("eliminated_percent", 0.0)) > 100:
        raise InputError(f"an evaluation's eliminated_percent is {eliminated}, not from 0 to 100")
    if (status == "ok") != (evaluation.measured and not evaluation.violation and not evaluation.reasons):
        raise InputError(
            f"an evaluation is {status} with violation {evaluation.violation:g}, {len(evaluation.reasons)} reasons and "
            f"{len(computed)} computed fractions"
        )
    if evaluation.measured and (missing := [name for name in MEASURED if name not in metrics]):
        raise InputError(f"an evaluation lacks its {', '.join(missing)}")
    errors = evaluation.errors
    if errors is not None and not sum(errors.reference_phones):
        raise InputError("an evaluation's errors per utterance cannot be read: there is no reference phone")
    if errors is not None and not math.isclose(errors.percent, metrics.get("error_percent", math.nan), rel_tol=1e-9):
        raise InputError(
            f"an evaluation's error_percent is {metrics.get('error_percent')}, of utterances {errors.percent}"
        )


def read_identity(attributes: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """A study's identity as the present format has it, and whether its error is that of the worst quarter.

    Raises InputError where a later version wrote it, KeyError where there is none.
    """
    version = attributes.get("format", 1)
    if type(version) is not int or not 1 <= version <= FORMAT:
        raise InputError(f"its record has format {version}, this version reads up to {FORMAT}; install a newer one")
    identity = attributes["identity"] if "identity" in attributes else attributes["settings"]
    if not isinstance(identity, dict):
        raise InputError(f"its identity cannot be read: it is {identity!r}")
    for name, kind in IDENTITY.items():
        if not isinstance(identity.get(name), kind):
            raise InputError(f"its identity cannot be read: {name} is {identity.get(name)!r}")
    for name in ("objectives", "limits"):
        if not all(isinstance(text, str) for text in identity[name]):
            raise InputError(f"its identity cannot be read: {name} is {identity[name]!r}")
    if not isinstance(identity.get("platforms", {}), dict):
        raise InputError(f"its identity cannot be read: platforms is {identity['platforms']!r}")
    identity = dict(identity)
    worst_quarter = identity.pop("error", "whole") == MAX4.name
    identity.pop("screening", None)
    if worst_quarter:
        identity["objectives"] = [MAX4.name if name == "error" else name for name in identity["objectives"]]
        limits = (limit.partition("=") for limit in identity["limits"])
        identity["limits"] = ["".join((MAX4.name if name == "error" else name, *rest)) for name, *rest in limits]
    return identity, worst_quarter


def require_metrics(baseline: Evaluation, objectives: Sequence[Objective]) -> None:
    """Raises InputError where the baseline lacks what every table shows, or an objective."""
    for objective in (*OBJECTIVES.values(), *objectives):
        if objective.metric not in baseline.metrics:
            raise InputError(f"its baseline cannot be read: it has no {objective.metric}")


def require_of_study(evaluation: Evaluation, genes: Any, workload: Workload | None) -> None:
    """Raises InputError where an evaluation is none of the study's: a gene's choice or a matvec that is not there."""
    if isinstance(genes, dict):
        most = [len(choices) for choices in genes.values()]
        if len(evaluation.genome) != len(most) or any(c >= m for c, m in zip(evaluation.genome, most, strict=True)):
            raise InputError(f"an evaluation's genome {list(evaluation.genome)} is none of its {len(most)} genes")
    matvecs = tuple(name for name, _ in evaluation.configuration)
    if workload is None:
        return
    if matvecs != workload.names:
        raise InputError(f"an evaluation's configuration is of {', '.join(matvecs)}, not {', '.join(workload.names)}")
    told = size_metrics(workload, evaluation.configuration)
    if evaluation.measured:
        told["eliminated_percent"] = eliminated_percent(workload, evaluation.computed)
    for name, expected in told.items():
        value = evaluation.metrics.get(name, expected)
        if not math.isclose(value, expected, rel_tol=1e-6, abs_tol=1e-9):
            raise InputError(f"an evaluation's {name} is {value:g}, of its configuration {expected:g}")


def _known(kind: type, data: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that this version knows."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in data.items() if name in names}


def read_workload(data: Any) -> Workload:
    """Read a workload's record. Raises InputError where it is none, or counts what cannot be."""
    try:
        matvecs = tuple(MatVec(**_known(MatVec, matvec)) for matvec in data["matvecs"])
        stored = StoredScales(**_known(StoredScales, data.get("stored", {})))
        workload = Workload(**_known(Workload, data) | {"matvecs": matvecs, "stored": stored})
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise InputError(f"its workload cannot be read: {error}") from error
    for name, value, least in _counts(workload):
        if type(value) is not int or value < least:
            raise InputError(f"its workload cannot be read: {name} is {value!r}")
    names = [matvec.name for matvec in matvecs]
    if not names or len({*names}) < len(names) or not all(isinstance(name, str) for name in (workload.model, *names)):
        raise InputError(f"its workload cannot be read: matvecs are {names!r}")
    for matvec in matvecs:
        if matvec.path not in PATHS:
            raise InputError(f"its workload cannot be read: the path of {matvec.name} is {matvec.path!r}")
    return workload


def _counts(workload: Workload) -> Iterator[tuple[str, Any, int]]:
    """Whole numbers of a workload: name, value, least value."""
    for matvec in workload.matvecs:
        for name in ("rows", "cols", "passes"):
            yield f"{name} of {matvec.name}", getattr(matvec, name), 1
    for name in ("vector_weights", "elementwise_ops_per_frame"):
        yield name, getattr(workload, name), 0
    for field in fields(StoredScales):
        yield field.name, getattr(workload.stored, field.name), 0
