"""Settings of a training, which decide its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from models.devices import DEVICES, require_known
from models.workload import InputError

AUTO = "auto"  # a GPU where there is one


class Recipe(Protocol):
    """What an epoch depends on besides network and data."""

    @property
    def seed(self) -> int: ...

    @property
    def batch_utterances(self) -> int: ...


@dataclass(frozen=True)
class TrainSettings:
    """Settings of a training: network, corpus and recipe. Raises InputError on invalid numbers or an unknown device."""

    model: str
    preset: str = "edge"
    corpus: str = "synthetic"
    corpus_path: str | None = None
    skip_bad: bool = False
    epochs: int = 14
    seed: int = 1
    batch_utterances: int = 16
    learning_rate: float = 2e-3
    dropout: float = 0.15
    device: str = AUTO
    threads: int = 1  # more are seldom faster on sizes for the edge, and far slower on a machine with other work

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_utterances", "learning_rate", "threads"):
            if getattr(self, name) <= 0:
                raise InputError(f"{name.replace('_', '-')} must be positive, not {getattr(self, name)}")
        require_known(self.device, (AUTO, *DEVICES))
        if self.seed < 0:
            raise InputError(f"seed must be 0 or more, not {self.seed}")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout must be in [0, 1), not {self.dropout}")
