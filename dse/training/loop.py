"""Training loop: epochs, learning rate, early stop, curves. Seeded and resumable.

Frame targets come from the corpus' alignments, 3 states per phone, or are its senones or labels. Adam, variational
dropout; the rate is halved when validation PER improves by less than 1 %, training stops after 6 epochs without
improvement, and the best epoch is kept. Products are of bfloat16 on a GPU, where there is one. A killed training goes
on with the same command. Curves are drawn beside the checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dse.corpora import introduction, open_corpus, training_record
from dse.corpora.base import splits_of
from dse.corpora.features import standardisation
from dse.corpora.load import load_split
from dse.corpora.split import Split
from dse.phones.kinds import ERROR_NAMES, SHORT_NAMES, VITERBI
from dse.training.float_network import first_decoder, float_error, frame_targets_of, references, run_float
from dse.training.settings import Recipe, TrainSettings
from dse.training.state import TrainState
from models.checkpoint import read_card
from models.devices import CPU, GPU, require_gpu
from models.registry import build_network, preset, spec_from_json
from models.whole_file import whole_file
from models.workload import InputError

if TYPE_CHECKING:
    import torch

SUFFIX = ".safetensors"
PATIENCE = 6  # epochs without a better validation PER after which training stops
HALVE_BELOW = 0.01  # the rate is halved when validation PER improves by less than this share between epochs


def train(settings: TrainSettings, out: Path, force: bool = False) -> dict[str, Any]:
    """Train, keep the epoch of least validation PER, tune the decoder, write the checkpoint `out`; returns its card.

    Progress is saved beside `out` after every epoch; a later call with the same settings resumes from there, and one
    after the end trains nothing, unless `force` writes over what is there. Raises InputError where `out` is no name of
    a checkpoint or holds another one, for other settings than those of the saved progress, or where the corpus cannot
    be read.
    """
    import torch

    from dse.evaluator.fit import fitted
    from dse.phones.decode import Decoder, tune
    from models.checkpoint import Checkpoint, save

    if out.suffix != SUFFIX:
        raise InputError(f"--out {out}: a checkpoint's name ends in {SUFFIX}; its curves lie beside it as .png")
    state = TrainState(out.with_suffix(f".state{SUFFIX}"), asdict(settings), may_change=("epochs",))
    spec = preset(settings.model, settings.preset)
    corpus = open_corpus(settings.corpus, settings.corpus_path, settings.skip_bad)
    for line in introduction(corpus):
        print(line)
    trained_on = training_record(corpus)
    if out.exists() and not state.path.exists() and not force:
        card = _finished(out, settings, trained_on)
        print(f"{out} is trained already, on this corpus with these settings; --force trains it anew")
        return card
    torch.set_num_threads(settings.threads)
    data, validation = load_split(corpus, "train"), load_split(corpus, "validation")
    targets, outputs = frame_targets_of(corpus, data)
    spec = spec_from_json(spec.name, spec.to_json() | {"features": data.features.shape[1], "outputs": outputs})
    decoder = first_decoder(data, corpus)
    validation = fitted("the network", spec, corpus, validation, decoder)
    error_name = SHORT_NAMES[decoder.kind]
    torch.manual_seed(settings.seed)
    network = build_network(spec).to(device_of(settings))
    network.dropout = settings.dropout
    mean, deviation = standardisation(data.features)
    network.input_mean.copy_(torch.from_numpy(mean))
    network.input_std.copy_(torch.from_numpy(deviation))
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    history = state.resume(network, optimizer)
    for epoch in range(len(history), settings.epochs):
        errors = [h["validation_error_percent"] for h in history]
        if errors and len(errors) - 1 - int(np.argmin(errors)) >= PATIENCE:
            break
        loss = run_epoch(network, optimizer, data, targets, settings, epoch)
        percent = float_error(network, decoder, corpus, validation)
        rate = optimizer.param_groups[0]["lr"]
        best = min((h["validation_error_percent"] for h in history), default=np.inf)
        history.append({"loss": loss, "validation_error_percent": percent, "learning_rate": rate})
        done = f"epoch {epoch + 1}/{settings.epochs}  loss {loss:.3f}"
        print(f"{done}  validation {error_name} {percent:.2f} %  rate {rate:.2g}")
        if percent > best * (1.0 - HALVE_BELOW):
            optimizer.param_groups[0]["lr"] = rate / 2
        state.save(network, optimizer, history, is_best=percent < best)
    network.load_state_dict(state.best())
    if isinstance(decoder, Decoder):
        decoder = tune(decoder, run_float(network, corpus, validation), *references(validation))
    scored = {split: load_split(corpus, split) for split in ("validation", "test") if split in splits_of(corpus)}
    card = {
        "command": "python -m dse.train " + _arguments(settings),
        "date": date.today().isoformat(),
        "corpus": trained_on,
        "float_error_percent": {
            name: float_error(network, decoder, corpus, fitted("the network", spec, corpus, split, decoder))
            for name, split in scored.items()
        },
        **({} if decoder.kind == VITERBI else {"decoder": decoder.to_json()}),
        "minutes": round(state.seconds / 60, 1),
        "settings": asdict(settings),
        "history": history,
    }
    save(out, Checkpoint(spec, network.arrays(), decoder.to_arrays(), card))
    draw_curves(history, out.with_suffix(".png"), decoder.kind)
    state.path.unlink()
    return card


def _finished(out: Path, settings: TrainSettings, trained_on: Mapping[str, Any]) -> dict[str, Any]:
    """Card of a checkpoint that this training would make again. Raises InputError where it is another one."""
    _, card = read_card(out)
    if not isinstance(card.get("settings"), dict):
        raise InputError(f"{out} is a checkpoint that was not trained by this command; --force writes over it")
    stored = {**card["settings"], "corpus": card.get("corpus")}
    now = json.loads(json.dumps({**asdict(settings), "corpus": trained_on}))
    if different := [name for name in now if name in stored and stored[name] != now[name]]:
        raise InputError(f"{out} was trained with another {', '.join(different)}; --force writes over it")
    return card


def run_epoch(
    network: Any,
    optimizer: torch.optim.Optimizer,
    data: Split,
    targets: np.ndarray,
    settings: Recipe,
    epoch: int,
    rate: Callable[[float], float] | None = None,
) -> float:
    """Train for one epoch, in an order and with masks that only seed and epoch decide; returns the mean loss per frame.

    targets int [N] of the frames of `data`. `rate` gives the learning rate of a batch by the part of the epoch before
    it; without it the optimizer's stays.
    """
    import torch
    from tqdm import tqdm

    torch.manual_seed(1000 * settings.seed + epoch)
    order = np.random.default_rng((settings.seed, epoch)).permutation(len(data.lengths))
    batches = [order[i : i + settings.batch_utterances] for i in range(0, len(order), settings.batch_utterances)]
    network.train()
    device = next(network.parameters()).device
    total = 0.0
    for number, batch in enumerate(
        bar := tqdm(batches, desc=f"epoch {epoch + 1}", unit="batch", disable=None, leave=False)
    ):
        if rate is not None:
            optimizer.param_groups[0]["lr"] = rate(number / len(batches))
        frames = np.concatenate([np.arange(data.offsets[u], data.offsets[u + 1]) for u in batch])
        offsets = torch.from_numpy(np.concatenate([[0], data.lengths[batch].cumsum()])).to(device)
        wanted = torch.from_numpy(targets[frames].astype(np.int64)).to(device)
        with mixed_precision(device):
            logits = network(torch.from_numpy(data.features[frames]).to(device), offsets)
        loss = torch.nn.functional.cross_entropy(logits.float(), wanted)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        total += float(loss.detach()) * len(frames)
        bar.set_postfix(loss=f"{float(loss.detach()):.3f}")
    return total / len(data.features)


def device_of(settings: TrainSettings) -> torch.device:
    """Device of a training. Raises InputError where a GPU is asked for and there is none."""
    import torch

    require_gpu(settings.device)
    return torch.device(GPU if settings.device != CPU and torch.cuda.is_available() else CPU)


def mixed_precision(device: torch.device) -> torch.autocast:
    """Make the context of bfloat16 products on a GPU; float32 throughout on the CPU.

    bfloat16 has float32's range, so that no loss scaling is needed.
    """
    import torch

    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def draw_curves(history: list[dict[str, float]], path: Path, kind: str = VITERBI) -> None:
    """Draw loss and validation error, by a decoder of that kind, over the epochs as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    epochs = range(1, len(history) + 1)
    axes.plot(
        epochs,
        [h["validation_error_percent"] for h in history],
        "o-",
        color="tab:red",
        label=f"validation {SHORT_NAMES[kind]}",
    )
    untuned = ", decoder not tuned" if kind == VITERBI else ""
    axes.set(xlabel="epoch", ylabel=f"validation {ERROR_NAMES[kind]}{untuned} (%)")
    axes.grid(alpha=0.3)
    loss = axes.twinx()
    loss.plot(epochs, [h["loss"] for h in history], "o-", color="tab:blue", label="training loss")
    loss.set_ylabel("training loss (nats a frame)")
    figure.legend(loc="upper right", bbox_to_anchor=(0.9, 0.95))
    with whole_file(path) as beside:
        figure.savefig(beside, dpi=120)


def _arguments(settings: TrainSettings) -> str:
    """Options of the command line that give these settings, defaults left out."""
    defaults = {name: field.default for name, field in TrainSettings.__dataclass_fields__.items()}
    given = {k: v for k, v in asdict(settings).items() if v != defaults[k]}
    return " ".join(f"--{k.replace('_', '-')}" + ("" if v is True else f" {v}") for k, v in given.items())
