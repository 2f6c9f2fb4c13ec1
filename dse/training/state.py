"""Saved state of a training, from which it resumes after it was killed."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.whole_file import whole_file
from models.workload import InputError

if TYPE_CHECKING:
    import torch


class TrainState:
    """Saved state of a training: one safetensors file, replaced atomically after every epoch.

    The object is made when the training starts or resumes: its clock runs from then.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], may_change: Collection[str] = ()) -> None:
        """`settings`, JSON-ready, decide what is trained; those that `may_change` may differ from the saved ones."""
        self.path, self.settings, self.may_change = path, settings, may_change
        self._started_seconds = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds spent on the training so far, in this process and those before it."""
        return time.perf_counter() - self._started_seconds

    def resume(self, network: Any, optimizer: torch.optim.Optimizer) -> list[dict[str, float]]:
        """Load network and optimizer; returns the history of the epochs done, empty without a file.

        Raises InputError if the file is damaged or its settings, other than those that may change, differ.
        """
        if not self.path.exists():
            return []
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, "pt") as file:
                stored = json.loads(file.metadata()["state"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"training state {self.path} is damaged; delete it to start anew") from error
        now = json.loads(json.dumps(self.settings))
        compared = {k: v for k, v in stored["settings"].items() if k not in self.may_change}
        changed = [f"{k}: stored {v}, now {now.get(k)}" for k, v in compared.items() if v != now.get(k)]
        if changed:
            raise InputError(
                f"training state {self.path} has other settings ({'; '.join(changed)}); delete it or give another --out"
            )
        network.load_state_dict({n.removeprefix("network."): t for n, t in tensors.items() if n.startswith("network.")})
        moments: dict[int, dict[str, Any]] = {}
        for name, tensor in tensors.items():
            if name.startswith("adam."):
                _, index, key = name.split(".")
                moments.setdefault(int(index), {})[key] = tensor
        groups = optimizer.state_dict()["param_groups"]
        groups[0]["lr"] = stored["next_learning_rate"]
        optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self._started_seconds -= stored.get("seconds", 0.0)
        history: list[dict[str, float]] = stored["history"]
        return history

    def save(
        self, network: Any, optimizer: torch.optim.Optimizer, history: list[dict[str, float]], is_best: bool
    ) -> None:
        """Write network, optimizer and history; `is_best` marks the epoch of least validation PER so far."""
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load_file, save_file

        weights = {name: value.clone() for name, value in network.state_dict().items()}
        best = weights if is_best else {n[5:]: t for n, t in load_file(self.path).items() if n.startswith("best.")}
        moments = optimizer.state_dict()["state"]
        tensors = {f"network.{n}": t for n, t in weights.items()} | {f"best.{n}": t.clone() for n, t in best.items()}
        tensors |= {f"adam.{i}.{k}": torch.as_tensor(v).clone() for i, m in moments.items() for k, v in m.items()}
        state = {
            "settings": dict(self.settings),
            "history": history,
            "seconds": self.seconds,
            "next_learning_rate": optimizer.param_groups[0]["lr"],
        }
        try:
            with whole_file(self.path) as beside:
                save_file(tensors, beside, metadata={"state": json.dumps(state)})
        except SafetensorError as error:
            raise InputError(f"cannot write the training state {self.path}: {error}") from error

    def best(self) -> dict[str, torch.Tensor]:
        """Parameters of the epoch of least validation PER."""
        from safetensors.torch import load_file

        return {n.removeprefix("best."): t for n, t in load_file(self.path).items() if n.startswith("best.")}
