"""Settings of a retraining, which with network, configuration and corpus decide its result."""

from __future__ import annotations

from dataclasses import dataclass

from dse.training.settings import require_recipe


@dataclass(frozen=True)
class RetrainSettings:
    """Recipe of a retraining. Raises InputError on invalid numbers."""

    epochs: int = 4
    seed: int = 1
    batch_utterances: int = 16
    learning_rate: float = 1e-3
    threads: int = 1

    def __post_init__(self) -> None:
        require_recipe(self)
