"""Retraining of what a task evaluates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path

from dse.evaluator.measurement import Task
from dse.evaluator.task import NetworkTask
from dse.retraining.settings import RetrainSettings
from models.workload import Configuration, InputError


@dataclass(frozen=True)
class Retrained:
    """What a retraining took, in all processes that worked on it, and the validation PER before and after it."""

    seconds: float
    before_percent: float
    after_percent: float


@singledispatch
def retrain_task(
    task: Task, configuration: Configuration, out: Path, settings: RetrainSettings, tell: Callable[[str], None]
) -> Retrained:
    """Retrain a task's network at a configuration and write it as `out`, from which `task.at` evaluates.

    `tell` is given a line an epoch. Other kinds of tasks than networks register how they do it. Raises InputError where
    there is none.
    """
    raise InputError("only networks are retrained")


@retrain_task.register
def _(
    task: NetworkTask, configuration: Configuration, out: Path, settings: RetrainSettings, tell: Callable[[str], None]
) -> Retrained:
    from dse.retraining.retrain import retrain

    corpus, scheme = task.open_corpus(), task.scheme
    card = retrain(task.checkpoint_path, configuration, corpus, out, scheme=scheme, settings=settings, tell=tell)
    before, after = (card["retrained"][when]["validation_error_percent"] for when in ("before", "after"))
    return Retrained(card["seconds"], before, after)
