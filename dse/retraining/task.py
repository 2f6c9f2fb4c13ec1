"""Retraining of what a task evaluates."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from pathlib import Path

from dse.evaluator.measurement import Task
from dse.evaluator.task import NetworkTask
from dse.retraining.settings import RetrainSettings
from models.workload import Configuration, InputError


@singledispatch
def retrain_task(
    task: Task, configuration: Configuration, out: Path, settings: RetrainSettings, tell: Callable[[str], None]
) -> None:
    """Retrain a task's network at a configuration and write it as `out`, from which `task.at` evaluates.

    It goes on where it was killed. `tell` is given a line an epoch. Other kinds of tasks than networks register how
    they do it. Raises InputError where there is none.
    """
    raise InputError("only networks are retrained")


@retrain_task.register
def _(
    task: NetworkTask, configuration: Configuration, out: Path, settings: RetrainSettings, tell: Callable[[str], None]
) -> None:
    from dse.retraining.retrain import retrain

    corpus, scheme = task.open_corpus(), task.scheme
    retrain(task.checkpoint_path, configuration, corpus, out, scheme=scheme, settings=settings, tell=tell)
