"""Retraining of a network at one configuration: start, epochs, the best of them as a checkpoint."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dse.corpora import training_record
from dse.corpora.base import Corpus
from dse.corpora.load import load_split
from dse.corpora.split import Split
from dse.design.objective import eliminated_percent
from dse.evaluator.calibrate import quantizer_of
from dse.evaluator.fit import decoder_in, fitted
from dse.evaluator.measure import NetworkMeasurer
from dse.phones.kinds import CTC, SHORT_NAMES
from dse.retraining.settings import RetrainSettings
from dse.retraining.start import folded, within_codes
from dse.training.float_network import float_error, frame_targets_of
from dse.training.loop import PATIENCE, SUFFIX, run_epoch
from dse.training.state import TrainState
from models.checkpoint import Checkpoint, content_hash, load, save
from models.quantization.scheme import Scheme
from models.workload import Configuration, InputError, is_float

if TYPE_CHECKING:
    from dse.retraining.network import StraightThrough

SCHEME, SETTINGS = Scheme(), RetrainSettings()
ERROR, ELIMINATED = "validation_error_percent", "eliminated_percent"  # of an epoch, in a card
Tell = Callable[[str], None]


def retrain(
    checkpoint: Path,
    configuration: Configuration,
    corpus: Corpus,
    out: Path,
    *,
    scheme: Scheme = SCHEME,
    settings: RetrainSettings = SETTINGS,
    told: Mapping[str, Any] | None = None,
    force: bool = False,
    tell: Tell = print,
) -> dict[str, Any]:
    """Retrain a checkpoint's network at a configuration on the corpus' training split; returns the card of `out`.

    It starts as the network that the configuration is evaluated with, and the epoch of least validation PER, the start
    among them, is written as the checkpoint `out`: the same bytes for the same arguments. Its card also holds what is
    `told`. Progress is saved beside `out` after every epoch, and a call with the same arguments resumes from there;
    `tell` takes a line for each.
    Raises InputError where `out` is no checkpoint's name or is there, unless by `force`, where a saved state is of
    another retraining, where the corpus cannot be read or is not the network's, for a float configuration, and where
    the training diverges.
    """
    import torch

    from dse.retraining.network import StraightThrough

    require_free(out, force)
    if out.resolve() == checkpoint.resolve():
        raise InputError(f"--out {out} is the network that retraining starts from; give another name")
    if is_float(configuration):
        raise InputError("a float configuration has nothing to retrain: it is not quantized")
    base = load(checkpoint)
    decoder = decoder_in(base, checkpoint)
    if decoder.kind == CTC:
        raise InputError(
            f"checkpoint {checkpoint} was trained by CTC (decoder {CTC}): networks are retrained on targets of frames"
        )
    came_from = {"checkpoint": content_hash(checkpoint), "quantization": str(scheme)}
    digest = hashlib.sha256(json.dumps(configuration.to_json()).encode()).hexdigest()[:16]
    speech = {split: corpus.fingerprint(split) for split in ("train", "validation")}
    state = TrainState(
        out.with_suffix(f".state{SUFFIX}"), {**asdict(settings), **came_from, "configuration": digest, **speech}
    )
    data, validation = load_split(corpus, "train"), load_split(corpus, "validation")
    fitted(f"checkpoint {checkpoint}", base.spec, corpus, data, decoder)
    validation = fitted(f"checkpoint {checkpoint}", base.spec, corpus, validation, decoder)
    start = quantizer_of(base, corpus, scheme)
    torch.set_num_threads(settings.threads)
    spec, weights = folded(base.spec, base.weights)
    model = StraightThrough(spec, within_codes(spec, weights, start.network(configuration)), start, configuration)

    def measured() -> dict[str, float]:
        """What the network would score on the validation split if it were deployed now."""
        measurer = NetworkMeasurer(base, model.quantizer(), corpus, validation)
        found = measurer.measure(configuration)
        return {ERROR: found.error_percent, ELIMINATED: eliminated_percent(measurer.workload, found.computed)}

    targets, _ = frame_targets_of(corpus, data)
    history = _train(model, state, settings, data, targets, measured, tell, SHORT_NAMES[decoder.kind])
    model.load_state_dict(state.best())
    made = Checkpoint(spec, model.network.arrays(), base.decoder, {}, model.learned())
    best = min(history, key=lambda done: done[ERROR])
    card = {
        "corpus": training_record(corpus),
        "float_error_percent": {"validation": float_error(made.network(), decoder, corpus, validation)},
        "settings": asdict(settings),
        "history": history,
        "retrained": {
            **came_from,
            "configuration": configuration.to_json(),
            "before": {name: history[0][name] for name in (ERROR, ELIMINATED)},
            "after": {name: best[name] for name in (ERROR, ELIMINATED)},
        },
        **({"decoder": base.card["decoder"]} if isinstance(base.card.get("decoder"), Mapping) else {}),
        **(told or {}),
    }
    save(out, replace(made, card=card))
    state.path.unlink()
    return card


def require_free(out: Path, force: bool) -> None:
    """Check that `out` can become a new checkpoint. Raises InputError where it cannot."""
    if out.suffix != SUFFIX:
        raise InputError(f"--out {out}: a checkpoint's name ends in {SUFFIX}")
    if out.exists() and not force:
        raise InputError(f"{out} exists; --force writes over it")


def _train(
    model: StraightThrough,
    state: TrainState,
    settings: RetrainSettings,
    data: Split,
    targets: np.ndarray,
    measured: Callable[[], dict[str, float]],
    tell: Tell,
    error_name: str,
) -> list[dict[str, float]]:
    """Train, or go on with it, until the last epoch or PATIENCE of them brought nothing; returns the history.

    Its first entry is the start. The rate falls by a cosine to 0.
    """
    import torch

    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    history = state.resume(model, optimizer)

    def done(what: str, **entry: float) -> None:
        history.append({**entry, **measured()})
        *before, now = (each[ERROR] for each in history)
        state.save(model, optimizer, history, is_best=now < min(before, default=math.inf))
        tell(f"{what}  validation {error_name} {now:.2f} %, {history[-1][ELIMINATED]:.1f} % eliminated")

    if history:
        tell(f"goes on after {len(history) - 1} of {settings.epochs} epochs")
    else:
        done("start")
    for epoch in range(len(history) - 1, settings.epochs):
        if len(history) - 1 - int(np.argmin([each[ERROR] for each in history])) >= PATIENCE:
            break

        def rate(part: float, epoch: int = epoch) -> float:
            return settings.learning_rate * (1 + math.cos(math.pi * (epoch + part) / settings.epochs)) / 2

        loss = run_epoch(model, optimizer, data, targets, settings, epoch, rate)
        done(f"epoch {epoch + 1}/{settings.epochs}  loss {loss:.3f}", loss=loss)
    return history
