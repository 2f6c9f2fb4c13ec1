"""Settings of a retraining, which with network, configuration and corpus decide its result."""

from __future__ import annotations

from dataclasses import dataclass

from models.workload import InputError


@dataclass(frozen=True)
class RetrainSettings:
    """Recipe of a retraining. Raises InputError on invalid numbers."""

    epochs: int = 4
    seed: int = 1
    batch_utterances: int = 16
    learning_rate: float = 1e-3
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_utterances", "learning_rate", "threads"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name.replace('_', '-')} must be positive, not {getattr(self, name)}")
        if self.seed < 0:
            raise InputError(f"seed must be 0 or more, not {self.seed}")
