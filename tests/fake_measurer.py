"""Stands in for `dse.measure`: an analytic, deterministic error over a small network; no torch, no corpus."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from models.workload import Configuration, MatVec, Workload

WORKLOAD = Workload(
    "fake",
    (
        MatVec("l0.input", 96, 23, "input"),
        MatVec("l1.projection", 32, 64, "projection"),
        MatVec("l1.input", 96, 32, "input"),
        MatVec("output", 48, 64, "output"),
    ),
    vector_weights=128,
    elementwise_ops_per_frame=500,
)


@dataclass(frozen=True)
class Task:
    model: str = "sru"
    preset: str = "edge"
    checkpoint: str | None = None
    corpus: str = "synthetic"
    corpus_path: str | None = None
    skip_bad: bool = False
    error: str = "whole"
    device: str = "cpu"
    cache_mib: int = 0


@dataclass(frozen=True)
class Measurement:
    error_percent: float
    quarter_errors_percent: tuple[float, ...]
    substitutions: int
    deletions: int
    insertions: int
    reference_phones: int
    computed: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class Sample:
    fraction: float
    utterance_errors: list[int]
    reference_phones: int
    computed: dict[str, float]
    seconds: float


class Measurer:
    workload = WORKLOAD
    calls = 0

    def __init__(self, task: Task | None = None) -> None:
        self.error = "whole" if task is None else task.error

    stages = 2

    def sample(self, configuration: Configuration, before: Sample | None = None) -> Sample:
        """20, then 100 of 400 utterances of ten phones, whose errors scatter with no bearing on the configuration."""
        utterances = 20 if before is None else 100
        error, computed = _answer(configuration)
        errors = [round(error / 10 + (utterance * 37 % 100 - 49.5) / 50) for utterance in range(utterances)]
        return Sample(utterances / 400, errors, 10 * utterances, computed, 0.0025)

    def measure(self, configuration: Configuration, sample: Sample | None = None) -> Measurement:
        type(self).calls += 1
        time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
        _misbehave(configuration)
        error, computed = _answer(configuration)
        errors = round(error * 10)
        quarters = tuple(error + difference for difference in (-1.5, -0.5, 0.5, 1.5))
        chosen = max(quarters) if self.error == "max4" else error
        return Measurement(chosen, quarters, errors - 2, 1, 1, 1000, computed, 0.01)


def _answer(configuration: Configuration) -> tuple[float, dict[str, float]]:
    """Error in percent and computed fractions."""
    error, computed = 15.0, {}
    for position, (name, setting) in enumerate(configuration):
        weight_bits, act_bits = setting.operand_bits
        step = setting.delta * 2.0 ** (1 - act_bits)
        error += (7 + position) * 2.0**-weight_bits + 5 * 2.0**-act_bits + 6 * step * (1 + position % 2)
        computed[name] = 1.0 / (1.0 + 16 * step + 2.0**-act_bits)
    return error, computed


def _misbehave(configuration: Configuration) -> None:
    """FAKE_RAISE_ON and FAKE_DIE_ON hold the bits of the first weights that raise, or kill the process."""
    bits = str(configuration["l0.input"].weight_bits)
    if bits == os.environ.get("FAKE_RAISE_ON"):
        raise RuntimeError("the fake broke")
    if bits == os.environ.get("FAKE_DIE_ON"):
        os.kill(os.getpid(), 9)


def task_workload(task: Task) -> Workload:
    if task.checkpoint is not None:
        raise FileNotFoundError(f"no checkpoint at {task.checkpoint}")
    return WORKLOAD


def task_fingerprint(task: Task) -> dict[str, str]:
    return {"checkpoint": "fake-weights", "corpus": f"fake-{task.corpus}"}


def open_measurer(task: Task | None, split: str = "validation") -> Measurer:
    if task is not None and task.corpus == "missing":
        raise FileNotFoundError("no corpus in /nowhere; it is expected there")
    return Measurer(task)


def counting(stop_at: int | None = None) -> tuple[Any, SimpleNamespace]:
    """This module with a count of its inferences, and Ctrl-C at one of them."""
    calls = SimpleNamespace(count=0)

    class Counting(Measurer):
        def measure(self, configuration: Configuration, sample: Sample | None = None) -> Measurement:
            if calls.count == stop_at:
                raise KeyboardInterrupt
            calls.count += 1
            return super().measure(configuration, sample)

    return SimpleNamespace(**{**globals(), "open_measurer": lambda task: Counting()}), calls
