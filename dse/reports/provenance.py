"""Where a study comes from, and the command that searches it again."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from dse.design.gene_groups import free_paths
from dse.design.genes import DEFAULT_BITS, DEFAULT_DELTA, DELTA_PATHS, SKIP_FIRST, SKIP_LAYERS, SKIP_NONE
from dse.design.limits import NO_LIMIT
from dse.exploration.settings import SearchSettings
from dse.reports.labels import describe, joined
from dse.reports.table import spent
from dse.study.prices import options_of
from dse.study.result import Study
from dse.study.storage import DEFAULT_STORAGE, hide_password
from models.quantization.scheme import COMPENSATED
from models.workload import Workload

SEARCH = "python -m dse.search"


def search_command(study: Study, changes: Mapping[str, Any] = MappingProxyType({})) -> str:
    """The command that searches the study, or goes on with it; options that are as by default are left out.

    `changes` are options that have other values, or with None are left out.
    """
    identity, task, default = study.identity, dict(study.task or {}), SearchSettings()
    genes: dict[str, list[Any]] = identity.get("genes", {})
    beacons: Mapping[str, int] = identity.get("beacons", {})
    widths, rules = _choice_options(genes, "from" in {**identity, **changes})
    options: dict[str, Any] = {
        "model": identity["model"],
        "preset": identity["preset"],
        "checkpoint": task.get("checkpoint"),
        "corpus": identity["corpus"],
        "corpus-path": task.get("corpus_path"),
        "objectives": joined(identity["objectives"]),
        **widths,
        "delta-genes": DELTA_PATHS if _tied(genes) else None,
        "from": identity.get("from"),
        "skip": _skip_option(genes, identity.get("always skipped", ()), study.workload),
        "rounding": task.get("rounding"),
        "scales": task.get("scales"),
        "zero-points": {True: "on", False: "off", None: None}[task.get("zero_points")],
        "evaluations": len(study.evaluations),
        "beacons": beacons.get("most"),
        "beacon-epochs": beacons.get("epochs"),
        "seed": identity.get("seed"),
        "population": identity.get("population"),
        "searcher": identity.get("searcher"),
        "storage": None if study.storage is None else hide_password(study.storage),
        "study": study.name,
        **changes,
    }
    usual = {
        "preset": "edge",
        "corpus": "synthetic",
        "skip": SKIP_FIRST,
        "rounding": COMPENSATED,
        "beacon-epochs": default.beacon_epochs,
        "seed": default.seed,
        "population": default.population,
        "searcher": default.searcher,
        "storage": DEFAULT_STORAGE,
    }
    given = {name: value for name, value in options.items() if value is not None and value != usual.get(name)}
    words = [f"--{name} {shlex.quote(str(value))}" for name, value in given.items()]
    words += rules
    words += [f"--platform {shlex.quote(spec)}" for spec in options_of(study, identity.get("platforms", {}))]
    words += [f"--limit {shlex.quote(limit)}" for limit in identity["limits"] or [NO_LIMIT]]
    return " ".join((SEARCH, *words, *(["--skip-bad"] if task.get("skip_bad") else [])))


def _choice_options(genes: Mapping[str, Sequence[Any]], started: bool) -> tuple[dict[str, str], list[str]]:
    """The choices that most genes of a kind have, as options of that kind, and rules for the other genes.

    Of a search `started` from a point, frozen genes are told as such, since others would get the point's choice too.
    """
    options, rules = {}, []
    for kinds, option, usual in (
        (("bits", "weight_bits"), "weight-bits", DEFAULT_BITS),
        (("bits", "act_bits"), "activation-bits", DEFAULT_BITS),
        (("delta",), "delta", DEFAULT_DELTA),
    ):
        mine = {name: tuple(c) for name, c in genes.items() if name.rpartition(".")[2] in kinds}
        if not mine:
            continue
        most, _ = Counter(mine.values()).most_common(1)[0]
        if option == "delta" and (len(most) == 1 or len(mine) < _gates(genes)):  # as an option it makes genes, or none
            options[option], most = "0", ()
        elif started and len(most) == 1:
            most = ()
        # A pair '4x8' is of weights and activations; single widths are of what the option is about.
        side = 0 if option == "weight-bits" else -1
        widths = sorted({int(str(choice).split("x")[side]) for choice in most})
        if widths and tuple(widths) != usual:
            options[option] = joined(widths)
        rules += [(name, choices) for name, choices in mine.items() if choices != most]
    words = [
        f"--{'freeze' if len(choices) == 1 else 'gene'} {shlex.quote(f'{name}={joined(choices)}')}"
        for name, choices in dict(rules).items()
    ]
    return options, words


def _gates(genes: Mapping[str, Sequence[Any]]) -> int:
    """How many delta genes there would be by default: none for the first input, one for a layer's input side."""
    labels = dict.fromkeys(name.rpartition(".")[0].replace("projection", "input") for name in genes if "bits" in name)
    return 0 if _tied(genes) else len(labels) - 1


def _tied(genes: Mapping[str, Sequence[Any]]) -> bool:
    """Whether delta genes are of paths."""
    return bool({"input.delta", "recurrent.delta"} & genes.keys())


def _skip_option(genes: dict[str, list[Any]], always: Sequence[str], workload: Workload | None) -> str:
    """The kind of skip genes, none where there might be some, and what is always skipped."""
    kinds = [name for name in genes if name.endswith(".skip")]
    kind = SKIP_FIRST if kinds in ([], ["candidate.skip"]) else SKIP_LAYERS
    if not kinds and workload is not None and free_paths(workload, always):
        kind = SKIP_NONE
    return joined((kind, *always))


def _beacon(study: Study, number: int) -> str:
    """What a beacon was retrained at, what it scores there, and how long that took."""
    beacon = study.beacons[number - 1]
    told = f"{describe(beacon.configuration)}: retrained in {beacon.seconds / 60:.1f} minutes; {beacon.checkpoint}"
    for e in study.evaluations:
        if (e.configuration, e.beacon) == (beacon.configuration, number):
            told += f"; {e.metrics['error_percent']:.2f} % in place of {e.base['error_percent']:.2f} %"
    return told


def provenance(study: Study) -> list[tuple[str, str]]:
    """What the study was measured on and found by, a name and a value each."""
    identity = study.identity
    rows = [
        ("study", study.name),
        ("network", f"{identity['model']} {identity['preset']}"),
        ("corpus", str(identity["corpus"])),
        ("objectives", joined(o.name for o in study.objectives)),
        ("limits", joined(identity["limits"]) or "none"),
        *((f"platform {name}", spec) for name, spec in {**identity.get("platforms", {}), **study.repriced}.items()),
        *((name, str(identity[name])) for name in ("searcher", "seed", "population") if name in identity),
        *((f"beacon {number}", _beacon(study, number)) for number in range(1, len(study.beacons) + 1)),
        *((name, str(value)) for name, value in identity["content"].items()),
    ]
    return rows + [("test split", run) for run in spent(study)]
