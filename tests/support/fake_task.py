"""Stands in for a network on a corpus: an analytic, deterministic error over a small workload; no torch, no speech."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from dse.design.utterance_errors import UtteranceErrors
from dse.evaluator.measurement import Measurement
from dse.evaluator.task import NetworkTask
from dse.retraining.settings import RetrainSettings
from dse.retraining.task import retrain_task
from models.whole_file import whole_file
from models.workload import Configuration, InputError, MatVec, MissingError, Workload

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
UTTERANCES, PHONES = 8, 10**8  # many phones an utterance, so that errors tell configurations apart
QUARTER_POINTS = (-1.5, -0.5, 0.5, 1.5)  # the quarters' errors, over the whole split's


class FakeMeasurer:
    """Counts its measurements over all instances."""

    workload = WORKLOAD
    calls = 0

    def __init__(self, beacon: Configuration | None = None) -> None:
        self.beacon = beacon

    def measure(self, configuration: Configuration) -> Measurement:
        FakeMeasurer.calls += 1
        time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
        _misbehave(configuration)
        error, computed = answer(configuration, self.beacon)
        _log(key_of(configuration) if self.beacon is None else f"{key_of(configuration)} by {key_of(self.beacon)}")
        wrong = [round(PHONES * (error + QUARTER_POINTS[u % 4]) / 100) for u in range(UTTERANCES)]
        ones = (1,) * UTTERANCES
        errors = UtteranceErrors(tuple(count - 2 for count in wrong), ones, ones, (PHONES,) * UTTERANCES)
        return Measurement(errors, computed, 0.01)


@dataclass(frozen=True)
class FakeTask(NetworkTask):
    """Named as the network it stands in for; a corpus called "missing" cannot be opened."""

    cache_mib: int = 0

    @property
    def workload(self) -> Workload:
        if self.checkpoint is not None and not Path(self.checkpoint).exists():
            raise MissingError(f"no checkpoint at {self.checkpoint}")
        return WORKLOAD

    @property
    def fingerprint(self) -> dict[str, str]:
        return {"checkpoint": "fake-weights", "corpus": f"fake-{self.corpus}", "quantization": str(self.scheme)}

    @property
    def remarks(self) -> tuple[str, ...]:
        return ()

    @property
    def recorded_error_percent(self) -> float | None:
        return None

    def speakers(self) -> tuple[str, ...]:
        return tuple("ab"[u // 4] for u in range(UTTERANCES))

    def open(self, split: str = "validation") -> FakeMeasurer:
        if self.corpus == "missing":
            raise InputError("no corpus in /nowhere; it is expected there")
        return FakeMeasurer(self.beacon)

    @property
    def beacon(self) -> Configuration | None:
        """What its checkpoint was retrained at."""
        path = None if self.checkpoint is None else Path(self.checkpoint)
        known = path is not None and path.exists() and path.read_text().startswith("{")
        return Configuration.from_json(json.loads(path.read_text())) if known else None


@retrain_task.register
def _(
    task: FakeTask, configuration: Configuration, out: Path, settings: RetrainSettings, tell: Callable[[str], None]
) -> None:
    """Keeps what it is retrained at. Epochs take FAKE_EPOCH_SECONDS, and are logged and gone on from."""
    state = out.with_suffix(".state.json")
    done = int(state.read_text()) if state.exists() else 0
    tell(f"goes on after {done} of {settings.epochs} epochs" if done else "start")
    for epoch in range(done, settings.epochs):
        time.sleep(float(os.environ.get("FAKE_EPOCH_SECONDS", "0")))
        tell(f"epoch {epoch + 1}/{settings.epochs}")
        state.write_text(str(epoch + 1))
        _log(f"epoch {epoch} of {key_of(configuration)}")
    with whole_file(out) as beside:
        beside.write_text(key_of(configuration))
    state.unlink()


def answer(configuration: Configuration, beacon: Configuration | None = None) -> tuple[float, dict[str, float]]:
    """Error in percent and computed fractions; a beacon's weights are better at its own widths, and worse far away."""
    error, computed = 15.0, {}
    share = 1.0
    if beacon is not None:
        other = sum(mine.operand_bits[0] != beacon[name].operand_bits[0] for name, mine in configuration)
        share = 0.3 + 0.25 * other
    for position, (name, setting) in enumerate(configuration):
        weight_bits, act_bits = setting.operand_bits
        step = setting.delta * 2.0 ** (1 - act_bits)
        error += share * (7 + position) * 2.0**-weight_bits + 5 * 2.0**-act_bits + 6 * step * (1 + position % 2)
        computed[name] = 1.0 / (1.0 + 16 * step + 2.0**-act_bits)
    return error, computed


def _misbehave(configuration: Configuration) -> None:
    """FAKE_RAISE_ON, FAKE_DIE_ON: bits of the first weights that raise, or end the process by FAKE_SIGNAL."""
    bits = str(configuration["l0.input"].weight_bits)
    if bits == os.environ.get("FAKE_RAISE_ON"):
        raise RuntimeError("the fake broke")
    if bits == os.environ.get("FAKE_DIE_ON"):
        os.kill(os.getpid(), int(os.environ["FAKE_SIGNAL"]))


def _log(line: str) -> None:
    """FAKE_LOG names a file that gets a line for each measurement and epoch, of any process."""
    if name := os.environ.get("FAKE_LOG"):
        with Path(name).open("a") as log:
            log.write(line + "\n")


def key_of(configuration: Configuration) -> str:
    return json.dumps(configuration.to_json(), sort_keys=True)


def counting(stop_at: int | None = None) -> tuple[FakeTask, SimpleNamespace]:
    """A task with a count of its inferences, and Ctrl-C at one of them."""
    calls = SimpleNamespace(count=0)

    class Counting(FakeMeasurer):
        def measure(self, configuration: Configuration) -> Measurement:
            if calls.count == stop_at:
                raise KeyboardInterrupt
            calls.count += 1
            return super().measure(configuration)

    class CountingTask(FakeTask):
        def open(self, split: str = "validation") -> Counting:
            return Counting(self.beacon)

    return CountingTask(), calls
