"""A chosen point of a study as a bundle."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from dse.design.evaluation import Evaluation
from dse.design.objective import TEST_ERROR
from dse.evaluator.measure import NetworkMeasurer
from dse.exploration.final import spend
from dse.exploration.progress import tell
from dse.exporters import EXPORTERS, exporter_named, weights
from dse.exporters.bundle import CARD, CONFIGURATION, DECODER, GOLDEN, WEIGHTS, write_arrays
from dse.exporters.card import card
from dse.exporters.chosen import Chosen
from dse.exporters.decoding import Decoding
from dse.exporters.golden import UTTERANCES, Golden, Speech, spread
from dse.exporters.manifest import SCHEMA, VERSION, require_free, whole_folder, write_json
from dse.phones.decoders import LabelDecoder
from dse.phones.senones import senones_of
from dse.study.beacon import checkpoint_of
from dse.study.result import Study
from dse.study.task import task_of
from models.engines.integer_network import IntegerNetwork
from models.registry import Spec
from models.workload import Configuration, InputError

PACKAGES = ("dse", "numpy", "numba", "onnx", "onnxruntime")
STUDY_FIELDS = ("content", "objectives", "limits", "searcher", "seed", "population", "platforms")


def export(
    study: Study,
    point: Evaluation,
    folder: Path,
    *,
    test: bool = False,
    utterances: int = UTTERANCES,
    force: bool = False,
    **moved: Any,
) -> None:
    """Write the bundle of a point of the study's front, with its error on the test split where that is known.

    `test` scores it there, alone, and that is recorded: the split is spent, see `exploration.final.spend`. `moved`:
    where `checkpoint` and `corpus_path` are now, if not where the search found them. Raises InputError where the folder
    is not free, the point is not on the front or does not give here what the study stored for it.
    """
    number = study.front.number(point)
    if utterances < 1:
        raise InputError(f"utterances {utterances} is too small; it is at least 1")
    require_free(folder, force)
    task = task_of(study, **moved)
    if test:
        study = spend(study, task, points=(point.configuration,))
        point = study.front[number - 1]
    tested = point.metrics.get(TEST_ERROR.metric)
    path = checkpoint_of(study.beacons, point.beacon)
    measurer = (task if path is None else task.at(path)).open()
    if not isinstance(measurer, NetworkMeasurer):
        raise TypeError("only networks are exported")
    if utterances > (there := len(measurer.split.lengths)):
        tell([f"utterances {utterances}: the validation split has {there}, and all of them become golden"])
    write_bundle(folder, Chosen(study, number, point, tested), measurer, utterances, force)


def write_bundle(
    folder: Path, chosen: Chosen, measurer: NetworkMeasurer, utterances: int = UTTERANCES, force: bool = False
) -> None:
    """Write the bundle of a point, whole or not at all; the measurer is of the validation split.

    Raises InputError where `folder` is not free, or the point does not give here what the study stored for it.
    """
    point, spec = chosen.point, measurer.engine.spec
    _require_reproduced(point, measurer)
    network = measurer.engine.quantizer.network(point.configuration)
    senones = senones_of(measurer.corpus)
    decoding = Decoding(measurer.decoder, senones)
    golden = golden_of(measurer, network, decoding, utterances)
    record = _record(chosen, spec, network, measurer.decoder)
    text = card(chosen, record, network, golden, measurer.workload)
    write_parts(folder, record, network, decoding, golden, text, force)


def write_parts(
    folder: Path,
    record: Mapping[str, Any],
    network: IntegerNetwork,
    decoding: Decoding,
    golden: Golden,
    text: str,
    force: bool = False,
) -> None:
    """Write a bundle's files and every exporter's part, whole or not at all; `record` is configuration.json."""
    with whole_folder(folder, force) as beside:
        write_json(beside / CONFIGURATION, record)
        write_arrays(beside / WEIGHTS, weights.to_arrays(network))
        write_arrays(beside / DECODER, decoding.to_arrays())
        write_arrays(beside / GOLDEN, golden.to_arrays())
        for name in EXPORTERS:
            (beside / name).mkdir()
            exporter_named(name).write(network, decoding.exported, beside / name)
        (beside / CARD).write_text(text, encoding="utf-8")


def golden_of(measurer: NetworkMeasurer, network: IntegerNetwork, decoding: Decoding, utterances: int) -> Golden:
    """Outputs of the evaluator for some utterances of the measurer's split."""
    speech = Speech.of(spread(measurer.split, utterances))
    sites, counter = measurer.engine.trace(network, speech.features, speech.offsets)
    phones = decoding.phones(sites["logits"], network.logit_bits, speech.lengths)
    sent = {name: counter.sent[name] for name in measurer.workload.names}
    return Golden(speech, np.ascontiguousarray(sites["logits"]), sent, tuple(phones))


def _require_reproduced(point: Evaluation, measurer: NetworkMeasurer) -> None:
    """Raises InputError where this machine does not measure what the study stored."""
    found = measurer.measure(point.configuration)
    stored = point.metrics["error_percent"]
    if found.error_percent != stored or dict(found.computed) != point.computed:
        raise InputError(
            f"this point has an error of {found.error_percent:.4f} % here, where its study stored {stored:.4f} %; "
            "what calibrates or runs it has changed since: search anew"
        )


def network_record(
    spec: Spec, configuration: Configuration, network: IntegerNetwork, decoder: LabelDecoder
) -> dict[str, Any]:
    """What `open_bundle` needs of configuration.json."""
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "model": spec.name,
        "sizes": spec.to_json(),
        "configuration": configuration.to_json(),
        "network": weights.to_record(network),
        "decoder": decoder.to_json(),
    }


def _record(chosen: Chosen, spec: Spec, network: IntegerNetwork, decoder: LabelDecoder) -> dict[str, Any]:
    """The content of configuration.json."""
    study, point = chosen.study, chosen.point
    metrics, baseline = (
        {name: value for name, value in each.metrics.items() if name != TEST_ERROR.metric}
        for each in (point, study.baseline)
    )
    return {
        **network_record(spec, point.configuration, network, decoder),
        "study": {
            "name": study.name,
            "number": chosen.number,
            "front": [objective.name for objective in study.objectives],
            **({} if point.beacon is None else {"beacon": study.beacons[point.beacon - 1].to_json()}),
            **{name: study.identity[name] for name in STUDY_FIELDS if name in study.identity},
            "repriced": dict(study.repriced),
        },
        "corpus": study.identity["corpus"],
        "validation": {"metrics": metrics, "computed": point.computed, "baseline": baseline},
        "test": None if chosen.test_error_percent is None else {"error_percent": chosen.test_error_percent},
        "parts": list(EXPORTERS),
        "made_with": made_with(),
    }


def made_with() -> Mapping[str, str]:
    """Versions of Python and of the packages that a bundle depends on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
