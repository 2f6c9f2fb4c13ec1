"""The task that measured a study, made again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dse.evaluator.measurement import Task
from dse.evaluator.task import NetworkTask, recorded_task
from dse.study.differences import differences
from dse.study.result import Study
from models.workload import InputError, MissingError

OPTIONS = "with --checkpoint or --corpus-path"
NOTHING_SKIPPED = str({"train": 0, "validation": 0, "test": 0})


def task_of(study: Study, kind: Callable[..., Task] = NetworkTask, **changes: Any) -> Task:
    """Task that measured the study, with what is given in `changes` in place of what was recorded.

    Studies of format 1 recorded no paths. Raises InputError where that is not what the study was searched on.
    """
    identity = study.identity
    skip_bad = identity["content"].get("skipped", "") not in ("", NOTHING_SKIPPED)
    names = {name: identity[name] for name in ("model", "preset", "corpus")} | {"skip_bad": skip_bad}
    given = {**names, **(study.task or {}), **changes}
    task = recorded_task(given, kind)
    try:
        fingerprint = task.fingerprint
    except MissingError as error:
        raise MissingError(f"{error}; the study was searched there: say where it is now, {OPTIONS}") from error
    if different := differences(identity["content"], fingerprint):
        checkpoint = given.get("checkpoint") or "the shipped one"
        corpus = given.get("corpus_path") or given["corpus"]
        raise InputError(
            f"study '{study.name}' was searched on another checkpoint or corpus than {checkpoint} and {corpus} "
            f"({'; '.join(different)}); give its own, {OPTIONS}"
        )
    return task
