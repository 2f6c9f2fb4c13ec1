"""Where a study comes from, and the command that searches it again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from dse.design.genes import DEFAULT_BITS, DEFAULT_DELTA, SKIP_FIRST, SKIP_LAYERS, SKIP_NONE, free_paths
from dse.design.limits import NO_LIMIT
from dse.exploration.settings import SearchSettings
from dse.reports.labels import joined
from dse.reports.table import spent
from dse.study.prices import options_of
from dse.study.result import Study
from dse.study.storage import DEFAULT_STORAGE, hide_password
from models.quantization.scheme import COMPENSATED
from models.workload import Workload

SEARCH = "python -m dse.search"


def search_command(study: Study) -> str:
    """The command that searches the study, or goes on with it; options that are as by default are left out."""
    identity, task, default = study.identity, dict(study.task or {}), SearchSettings()
    genes: dict[str, list[Any]] = identity.get("genes", {})
    options: dict[str, Any] = {
        "model": identity["model"],
        "preset": identity["preset"],
        "checkpoint": task.get("checkpoint"),
        "corpus": identity["corpus"],
        "corpus-path": task.get("corpus_path"),
        "objectives": joined(identity["objectives"]),
        **_width_options(genes),
        "delta": _delta_option(genes),
        "skip": _skip_option(genes, identity.get("always skipped", ()), study.workload),
        "rounding": task.get("rounding"),
        "scales": task.get("scales"),
        "zero-points": {True: "on", False: "off", None: None}[task.get("zero_points")],
        "evaluations": len(study.evaluations),
        "seed": identity.get("seed"),
        "population": identity.get("population"),
        "searcher": identity.get("searcher"),
        "storage": None if study.storage is None else hide_password(study.storage),
        "study": study.name,
    }
    usual = {
        "preset": "edge",
        "corpus": "synthetic",
        "skip": SKIP_FIRST,
        "rounding": COMPENSATED,
        "seed": default.seed,
        "population": default.population,
        "searcher": default.searcher,
        "storage": DEFAULT_STORAGE,
    }
    given = {name: value for name, value in options.items() if value is not None and value != usual.get(name)}
    words = [f"--{name} {shlex.quote(str(value))}" for name, value in given.items()]
    words += [f"--platform {shlex.quote(spec)}" for spec in options_of(study, identity.get("platforms", {}))]
    words += [f"--limit {shlex.quote(limit)}" for limit in identity["limits"] or [NO_LIMIT]]
    return " ".join((SEARCH, *words, *(["--skip-bad"] if task.get("skip_bad") else [])))


def _width_options(genes: dict[str, list[Any]]) -> dict[str, str | None]:
    """Options of the widths that the genes choose from."""
    weights: set[int] = set()
    acts: set[int] = set()
    for name, choices in genes.items():
        kind = name.rpartition(".")[2]
        for choice in choices if kind in ("bits", "weight_bits", "act_bits") else ():
            weight, _, act = str(choice).partition("x")
            weights |= {int(weight)} if kind != "act_bits" else set()
            acts |= {int(act or weight)} if kind != "weight_bits" else set()
    return {
        name: joined(sorted(widths)) if widths and tuple(sorted(widths)) != DEFAULT_BITS else None
        for name, widths in (("weight-bits", weights), ("activation-bits", acts))
    }


def _delta_option(genes: dict[str, list[Any]]) -> str | None:
    choices = [tuple(choices) for name, choices in genes.items() if name.endswith(".delta")]
    return joined(choices[0]) if choices and choices[0] != DEFAULT_DELTA else None


def _skip_option(genes: dict[str, list[Any]], always: Sequence[str], workload: Workload | None) -> str:
    """The kind of skip genes, none where there might be some, and what is always skipped."""
    kinds = [name for name in genes if name.endswith(".skip")]
    kind = SKIP_FIRST if kinds in ([], ["candidate.skip"]) else SKIP_LAYERS
    if not kinds and workload is not None and free_paths(workload, always):
        kind = SKIP_NONE
    return joined((kind, *always))


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
        *((name, str(value)) for name, value in identity["content"].items()),
    ]
    return rows + [("test split", run) for run in spent(study)]
