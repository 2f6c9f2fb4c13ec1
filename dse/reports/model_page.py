"""Page of the shipped models: what bits, skipped paths and thresholds cost each without retraining. Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tabulate import tabulate

from dse.reports.labels import describe
from dse.reports.model_findings import (
    HEADERS,
    SHORT,
    SMALL_PERCENT,
    Reports,
    errors_table,
    findings,
    measure_model,
    rows,
)
from dse.study.result import load_study
from dse.study.storage import DEFAULT_STORAGE
from models.checkpoint import is_shipped, read_card, shipped_path
from models.registry import MODELS, presets
from models.workload import InputError

EDGE = "edge"  # the preset that goes by the model's name alone
HEAD = """\
# The shipped models, quantized without retraining

How much do bits, skipped paths and delta thresholds cost each model, and do the papers' findings hold? Validation
PER, every matvec alike; "nearest" is the papers' method (a scale a matrix, no zero points), "compensated" the
default; "4" is W4A4. Those called `stream` run forward in time. The studies are
`python -m dse.search --model MODEL --objectives error,size` of each model, also with `--preset stream`. This page is
printed by"""
TRAINED = """\
## As trained

`--model sru|lstm|gru|ligru`; each ships trained on the embedded corpus (`edge`), SRU, LSTM and GRU also forward in
time (`--preset stream`), and each has the papers' size (`paper`, to be trained). `python -m dse.train --model gru`
trains one, resumably. The shipped ones took, on two cores shared with other work, the minutes below. Not every run
ends where they did: the SRU's command run again, by then with one thread, took 7.1 minutes to 13.31 / 13.74 %."""
YOURS = """\
## Your own network

`--checkpoint FILE` searches a trained network. Checkpoints are safetensors:
[checkpoint.py](../../models/checkpoint.py), [recurrent.py](../../models/networks/recurrent.py) and
[sru_network.py](../../models/networks/sru_network.py) have the layout. Numbered steps to add a model are at the top
of [registry.py](../../models/registry.py).

**A network trained with pytorch-kaldi.** `python -m dse.import_kaldi --model ligru --architecture
final_architecture1.pkl --output final_architecture2.pkl --out ligru.safetensors --cfg experiment.cfg` turns a
bidirectional LSTM, GRU, liGRU or SRU and its context-dependent output layer into a checkpoint. Sizes, batch
normalisation and projections are read off the tensors; the pickles are read by torch's weights-only loader, so
nothing in them runs. With `--corpus kaldi --corpus-path DIR` it also takes the decoder and the features' mean and
deviation from your data, and `dse.search --model ligru --checkpoint ligru.safetensors --corpus kaldi --corpus-path
DIR` searches the network on your own features.

**Skipped paths.** `--skip first` (the default) lets the candidate gate's recurrent path stay at 16 bit in no layer,
the first half or all of them, as in the papers; `--skip layers` decides layer by layer; `--skip l0.candidate,output`
always skips these matvecs; `--skip none` never.

**The papers' counts.** The papers count some sizes and operations differently; `python -m dse.report accounting` puts
their numbers beside the true ones, each difference explained, and
[paper_accounting.py](../../dse/reports/paper_accounting.py) reproduces their formulas."""


def page(names: Sequence[str] = (), studies: Sequence[str] = (), storage: str = DEFAULT_STORAGE) -> str:
    """The page, measured anew; of `names`, their tables alone. `studies` are searched for the best mixed ones."""
    loaded = [load_study(study, storage) for study in studies]
    networks = shipped()
    for name in names:
        if name not in networks:
            raise InputError(f"no network '{name}' ships trained; there are {', '.join(networks)}")
    reports = {name: measure_model(name, *networks[name], loaded) for name in names or networks}
    short = _table(errors_table(reports), ("PER %", "rounding", *SHORT))
    full = _table([row for report in reports.values() for row in rows(report)], HEADERS)
    mixed = f"Best mixed configurations over {SMALL_PERCENT} % off the float size:\n\n{_mixed(reports)}"
    tables = (short, *([mixed] if studies else []), full)
    if names:
        return "\n\n".join(tables)
    command = " ".join(("python -m dse.report models", *(["--study", ",".join(studies)] if studies else [])))
    checked = "## The papers' findings\n\n" + "\n".join(findings({model: reports[model] for model in MODELS}))
    return "\n\n".join((HEAD, f"```bash\n{command}\n```", *tables, checked, TRAINED, trained(), YOURS))


def shipped() -> dict[str, tuple[str, str]]:
    """Model and preset of the networks that ship trained by what they are called: "gru", then "gru-stream"."""
    found = [(model, preset) for model in MODELS for preset in presets(model) if is_shipped(model, preset)]
    found.sort(key=lambda network: network[1] != EDGE)
    return {model if preset == EDGE else f"{model}-{preset}": (model, preset) for model, preset in found}


def _mixed(reports: Reports) -> str:
    """Table of the best mixed configuration of each network that has one."""
    lines = []
    for name, report in reports.items():
        if report.mixed is not None:
            error, size = (report.mixed.metrics[metric] for metric in ("error_percent", "size_mib"))
            more = error - report.baseline.error_percent
            off = 100 * (1 - size / report.float_mib)
            told = (f"{error:.2f}", f"{more:+.2f}", f"{size:.3f}", f"{off:.1f}", describe(report.mixed.configuration))
            lines.append((name, *told))
    return _table(lines, ("model", "PER %", "Δ", "size MiB", "% off float", "configuration"))


def trained() -> str:
    """Table of what the shipped checkpoints' cards say of their training."""
    found = []
    for name, network in shipped().items():
        _, card = read_card(shipped_path(*network))
        percents = (f"{card['float_error_percent'][split]:.2f}" for split in ("validation", "test"))
        found.append((name, *percents, f"{card['minutes']:.1f}"))
    return _table(found, ("float PER %", "validation", "test", "minutes"))


def _table(lines: Iterable[Sequence[str]], headers: Sequence[str]) -> str:
    return str(tabulate(lines, headers, tablefmt="github", disable_numparse=True))
