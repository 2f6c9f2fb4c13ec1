"""Settings of a training, which decide its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from models.devices import DEVICES, require_known
from models.workload import InputError

AUTO = "auto"  # a GPU where there is one
# Whole numbers of a recipe; seeds are what NumPy and torch both take, so many threads are on no machine.
BOUNDS = {"epochs": (1, 10**4), "seed": (0, 2**32 - 1), "batch_utterances": (1, 10**6), "threads": (1, 1024)}
HIGHEST_RATE = 1e3  # Adam moves every weight by about the rate in a step


class Recipe(Protocol):
    """What a training depends on besides network and data."""

    @property
    def seed(self) -> int: ...

    @property
    def batch_utterances(self) -> int: ...

    @property
    def learning_rate(self) -> float: ...


def require_recipe(recipe: Recipe) -> None:
    """Check the numbers of BOUNDS, and the learning rate. Raises InputError on one that is none or out of range."""
    for name, (least, most) in BOUNDS.items():
        value = getattr(recipe, name)
        if type(value) is not int or not least <= value <= most:
            what = f"a whole number from {least} to {most}"
            raise InputError(f"{name.replace('_', '-')} must be {what}, not {value!r}")
    rate = recipe.learning_rate
    if type(rate) not in (int, float) or not 0 < rate <= HIGHEST_RATE:  # nor is NaN
        raise InputError(f"learning-rate must be above 0 and at most {HIGHEST_RATE:g}, not {rate!r}")


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
        require_recipe(self)
        require_known(self.device, (AUTO, *DEVICES))
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout must be in [0, 1), not {self.dropout}")
