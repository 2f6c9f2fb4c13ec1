"""Train a model on a corpus: `python -m dse.train --model sru`. Seeded, resumable, minutes on two cores."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dse.corpora import CORPORA, open_corpus
from dse.data import Split, load_split
from dse.errors import one_line_errors
from models.registry import MODELS, preset

if TYPE_CHECKING:
    import torch

    from dse.decode import Decoder

HALVE_BELOW = 0.01  # the rate is halved when validation PER improves by less than this share between epochs


@dataclass(frozen=True)
class TrainSettings:
    """What decides a training's result."""

    model: str
    preset: str = "edge"
    corpus: str = "synthetic"
    corpus_path: str | None = None
    epochs: int = 14
    seed: int = 1
    batch_utterances: int = 16
    learning_rate: float = 2e-3
    dropout: float = 0.15

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_utterances", "learning_rate"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name.replace('_', '-')} must be positive, not {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), not {self.dropout}")


def train(settings: TrainSettings, out: Path) -> dict[str, Any]:
    """Train, keep the epoch of least validation PER, tune the decoder, write `out`; returns its card.

    Progress is saved beside `out` after every epoch; the same settings go on from there.
    """
    import torch

    from dse.decode import estimate_decoder, tune
    from dse.phones import frame_targets
    from models.checkpoint import Checkpoint, save

    started = time.perf_counter()
    spec = preset(settings.model, settings.preset)
    corpus = open_corpus(settings.corpus, settings.corpus_path)
    data, validation = load_split(corpus, "train"), load_split(corpus, "validation")
    targets = frame_targets(data.phones, data.states)
    decoder = estimate_decoder(data.segment_phones, data.segment_counts, targets)
    torch.manual_seed(settings.seed)
    network = spec.network()
    network.dropout = settings.dropout
    network.input_mean.copy_(torch.from_numpy(data.features.mean(axis=0)))
    network.input_std.copy_(torch.from_numpy(data.features.std(axis=0)))
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    state = TrainState(out.with_suffix(".state.safetensors"), settings)
    history = state.resume(network, optimizer)
    for epoch in range(len(history), settings.epochs):
        loss = run_epoch(network, optimizer, data, targets, settings, epoch)
        percent = float_error(network, decoder, validation)
        rate = optimizer.param_groups[0]["lr"]
        best = min((h["validation_error_percent"] for h in history), default=np.inf)
        history.append({"loss": loss, "validation_error_percent": percent, "learning_rate": rate})
        print(f"epoch {epoch + 1}/{settings.epochs}  loss {loss:.3f}  validation PER {percent:.2f} %  rate {rate:.2g}")
        if percent > best * (1.0 - HALVE_BELOW):
            optimizer.param_groups[0]["lr"] = rate / 2
        state.save(network, optimizer, history, is_best=percent < best)
    network.load_state_dict(state.best())
    decoder = tune(decoder, run_float(network, validation), *_references(validation))
    card = {
        "command": "python -m dse.train " + _arguments(settings),
        "date": date.today().isoformat(),
        "corpus": {"name": corpus.name} | {s: corpus.fingerprint(s) for s in ("train", "validation", "test")},
        "float_error_percent": {
            split: float_error(network, decoder, load_split(corpus, split)) for split in ("validation", "test")
        },
        "minutes": round((time.perf_counter() - started) / 60, 1),
        "settings": asdict(settings),
        "history": history,
    }
    save(out, Checkpoint(spec, network.arrays(), decoder.to_arrays(), card))
    state.path.unlink()
    return card


def run_epoch(
    network: Any,
    optimizer: torch.optim.Optimizer,
    data: Split,
    targets: np.ndarray,
    settings: TrainSettings,
    epoch: int,
) -> float:
    """One pass in an order, and with masks, that only seed and epoch decide; returns the mean loss per frame."""
    import torch
    from tqdm import tqdm

    torch.manual_seed(1000 * settings.seed + epoch)
    order = np.random.default_rng((settings.seed, epoch)).permutation(len(data.lengths))
    batches = [order[i : i + settings.batch_utterances] for i in range(0, len(order), settings.batch_utterances)]
    network.train()
    total = 0.0
    for batch in (bar := tqdm(batches, desc=f"epoch {epoch + 1}", unit="batch", disable=None, leave=False)):
        frames = np.concatenate([np.arange(data.offsets[u], data.offsets[u + 1]) for u in batch])
        offsets = torch.from_numpy(np.concatenate([[0], data.lengths[batch].cumsum()]))
        logits = network(torch.from_numpy(data.features[frames]), offsets)
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(targets[frames].astype(np.int64)))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        total += float(loss.detach()) * len(frames)
        bar.set_postfix(loss=f"{float(loss.detach()):.3f}")
    return total / len(data.features)


def run_float(network: Any, split: Split) -> np.ndarray:
    """Logits float32 [N, outputs] of the float network."""
    import torch

    network.eval()
    with torch.no_grad():
        logits: np.ndarray = network(torch.tensor(split.features), torch.tensor(split.offsets)).numpy()
    return logits


def float_error(network: Any, decoder: Decoder, split: Split) -> float:
    """PER in percent of the float network."""
    return decoder.error(run_float(network, split), *_references(split)).percent


def _references(split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return split.lengths, split.segment_phones, split.segment_counts


class TrainState:
    """What a killed training goes on from: one safetensors file, replaced as a whole after every epoch."""

    def __init__(self, path: Path, settings: TrainSettings) -> None:
        self.path, self.settings = path, settings

    def resume(self, network: Any, optimizer: torch.optim.Optimizer) -> list[dict[str, float]]:
        """Load network and optimizer; returns the epochs done. Raises ValueError if made with other settings."""
        if not self.path.exists():
            return []
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, "pt") as file:
                stored = json.loads(file.metadata()["state"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"training state {self.path} is damaged; delete it to start anew") from error
        now = asdict(self.settings)
        changed = [f"{k}: stored {v}, now {now.get(k)}" for k, v in stored["settings"].items() if v != now.get(k)]
        changed = [c for c in changed if not c.startswith("epochs")]
        if changed:
            raise ValueError(
                f"training state {self.path} has other settings ({'; '.join(changed)}); delete it or use --out"
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
        history: list[dict[str, float]] = stored["history"]
        return history

    def save(
        self, network: Any, optimizer: torch.optim.Optimizer, history: list[dict[str, float]], is_best: bool
    ) -> None:
        from safetensors.torch import load_file, save_file

        weights = {name: value.clone() for name, value in network.state_dict().items()}
        best = weights if is_best else {n[5:]: t for n, t in load_file(self.path).items() if n.startswith("best.")}
        moments = optimizer.state_dict()["state"]
        tensors = {f"network.{n}": t for n, t in weights.items()} | {f"best.{n}": t.clone() for n, t in best.items()}
        tensors |= {f"adam.{i}.{k}": torch_tensor(v) for i, m in moments.items() for k, v in m.items()}
        state = {
            "settings": asdict(self.settings),
            "history": history,
            "next_learning_rate": optimizer.param_groups[0]["lr"],
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".tmp")
        save_file(tensors, temporary, metadata={"state": json.dumps(state)})
        temporary.replace(self.path)

    def best(self) -> dict[str, torch.Tensor]:
        """Parameters of the epoch of least validation PER."""
        from safetensors.torch import load_file

        return {n.removeprefix("best."): t for n, t in load_file(self.path).items() if n.startswith("best.")}


def torch_tensor(value: Any) -> torch.Tensor:
    import torch

    return torch.as_tensor(value).clone()


def _arguments(settings: TrainSettings) -> str:
    """The command line that gives these settings, defaults left out."""
    defaults = {name: field.default for name, field in TrainSettings.__dataclass_fields__.items()}
    given = {k: v for k, v in asdict(settings).items() if v != defaults[k]}
    return " ".join(f"--{k.replace('_', '-')} {v}" for k, v in given.items())


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="python -m dse.train", description=__doc__)
    result.add_argument("--model", required=True, help=f"one of {', '.join(MODELS)}")
    result.add_argument("--preset", default="edge", help="sizes: edge (default) or paper")
    result.add_argument("--corpus", default="synthetic", help=f"one of {', '.join(CORPORA)}")
    result.add_argument("--corpus-path", help="folder of a corpus that is not generated")
    result.add_argument("--epochs", type=int, default=TrainSettings.epochs)
    result.add_argument("--seed", type=int, default=TrainSettings.seed)
    result.add_argument("--batch-utterances", type=int, default=TrainSettings.batch_utterances)
    result.add_argument("--learning-rate", type=float, default=TrainSettings.learning_rate)
    result.add_argument("--dropout", type=float, default=TrainSettings.dropout)
    result.add_argument("--out", type=Path, help="checkpoint to write (default: studies/<model>-<preset>.safetensors)")
    return result


@one_line_errors
def main(arguments: Sequence[str] | None = None) -> int:
    options = vars(parser().parse_args(arguments))
    out = options.pop("out") or Path("studies") / f"{options['model']}-{options['preset']}.safetensors"
    card = train(TrainSettings(**options), out)
    validation, test = card["float_error_percent"]["validation"], card["float_error_percent"]["test"]
    print(f"{out}: float PER validation {validation:.2f} %, test {test:.2f} %; {card['minutes']} minutes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
