"""Retraining of a network at one configuration: start, epochs, the best of them as a checkpoint."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dse.corpora import training_record
from dse.corpora.base import Corpus
from dse.corpora.load import load_split
from dse.corpora.split import Split
from dse.design.objective import eliminated_percent
from dse.evaluator.calibrate import quantizer_of
from dse.evaluator.measure import NetworkMeasurer, require_fit
from dse.retraining.settings import RetrainSettings
from dse.retraining.start import folded, of_codes, with_matrices, within_codes
from dse.training.float_network import float_error, frame_targets_of
from dse.training.loop import PATIENCE, SUFFIX, run_epoch
from dse.training.state import TrainState
from models.checkpoint import Checkpoint, content_hash, load, save
from models.quantization.scheme import Scheme
from models.workload import Configuration, InputError, is_float

if TYPE_CHECKING:
    from dse.retraining.network import StraightThrough

SCHEME, SETTINGS = Scheme(), RetrainSettings()


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
) -> dict[str, Any]:
    """Retrain a checkpoint's network at a configuration on the corpus' training split; returns the card of `out`.

    It starts as the network that the configuration is evaluated with, and the epoch of least validation PER, the start
    among them, is written as the checkpoint `out`: the same bytes for the same arguments. Its card also holds what is
    `told`. Progress is saved beside `out` after every epoch, and a call with the same arguments resumes from there.
    Raises InputError where `out` is no checkpoint's name or is there, unless by `force`, where a saved state is of
    another retraining, where the corpus cannot be read or is not the network's, and for a float configuration.
    """
    import torch

    from dse.retraining.network import StraightThrough

    require_free(out, force)
    if is_float(configuration):
        raise InputError("a float configuration has nothing to retrain: it is not quantized")
    base = load(checkpoint)
    if not base.decoder:
        raise InputError(f"checkpoint {checkpoint} holds no decoder; import it again with --corpus")
    identity = {
        **asdict(settings),
        "checkpoint": content_hash(checkpoint),
        "configuration": _digest(configuration.to_json()),
        "quantization": str(scheme),
        **{split: corpus.fingerprint(split) for split in ("train", "validation")},
    }
    state = TrainState(out.with_suffix(f".state{SUFFIX}"), identity)
    data, validation = load_split(corpus, "train"), load_split(corpus, "validation")
    require_fit(f"checkpoint {checkpoint}", base.spec, corpus, data)
    targets, _ = frame_targets_of(corpus, data)
    start = quantizer_of(base, corpus, scheme)
    torch.set_num_threads(settings.threads)
    spec, weights = folded(base.spec, base.weights)
    network = start.network(configuration)
    model = StraightThrough(spec, with_matrices(spec, weights, network, within_codes), start, configuration)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    history = state.resume(model, optimizer)
    if not history:
        history.append(_measured(model, base, corpus, validation))
        state.save(model, optimizer, history, is_best=True)
        _tell("start", history[-1])
    for epoch in range(len(history) - 1, settings.epochs):
        errors = [done["validation_error_percent"] for done in history]
        if len(errors) - 1 - int(np.argmin(errors)) >= PATIENCE:
            break

        def rate(part: float, epoch: int = epoch) -> float:
            return settings.learning_rate * (1 + math.cos(math.pi * (epoch + part) / settings.epochs)) / 2

        loss = run_epoch(model, optimizer, data, targets, settings, epoch, rate)
        history.append({"loss": loss, **_measured(model, base, corpus, validation)})
        _tell(f"epoch {epoch + 1}/{settings.epochs}  loss {loss:.3f}", history[-1])
        state.save(model, optimizer, history, is_best=history[-1]["validation_error_percent"] < min(errors))
    model.load_state_dict(state.best())
    deployed = with_matrices(spec, model.network.arrays(), model.quantizer().network(configuration), of_codes)
    made = Checkpoint(spec, deployed, base.decoder, {}, model.learned())
    percent = float_error(
        made.network(), NetworkMeasurer(made, model.quantizer(), corpus, validation).decoder, corpus, validation
    )
    best = min(history, key=lambda done: done["validation_error_percent"])
    kept = ("validation_error_percent", "eliminated_percent")
    card = {
        "corpus": training_record(corpus),
        "float_error_percent": {"validation": percent},
        "settings": asdict(settings),
        "history": history,
        "retrained": {
            "checkpoint": identity["checkpoint"],
            "configuration": configuration.to_json(),
            "quantization": str(scheme),
            "before": {name: history[0][name] for name in kept},
            "after": {name: best[name] for name in kept},
        },
        **(told or {}),
    }
    save(out, Checkpoint(spec, deployed, base.decoder, card, model.learned()))
    state.path.unlink()
    return card


def require_free(out: Path, force: bool) -> None:
    """Check that `out` can become a new checkpoint. Raises InputError where it cannot."""
    if out.suffix != SUFFIX:
        raise InputError(f"--out {out}: a checkpoint's name ends in {SUFFIX}")
    if out.exists() and not force:
        raise InputError(f"{out} exists; --force writes over it")


def _measured(model: StraightThrough, base: Checkpoint, corpus: Corpus, validation: Split) -> dict[str, float]:
    """PER and eliminated operations on the validation split of the network as it would be deployed now."""
    measurer = NetworkMeasurer(base, model.quantizer(), corpus, validation)
    found = measurer.measure(model.configuration)
    eliminated = eliminated_percent(measurer.workload, found.computed)
    return {"validation_error_percent": found.error_percent, "eliminated_percent": eliminated}


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _tell(what: str, done: Mapping[str, float]) -> None:
    percent, eliminated = done["validation_error_percent"], done["eliminated_percent"]
    print(f"{what}  validation PER {percent:.2f} %, {eliminated:.1f} % eliminated", flush=True)
