"""The card of a bundle: what it holds, what it scored, how to verify it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabulate import tabulate

from dse.design.objective import error_name
from dse.exporters.chosen import Chosen
from dse.exporters.encodings import not_expressed
from dse.exporters.golden import Golden
from dse.phones.kinds import CTC, FRAMES, VITERBI, kind_of, short_name
from models.engines.integer_network import IntegerMatVec, IntegerNetwork
from models.workload import BASELINE_BITS, Workload, size_bits

TEXT = """# {model}, {size_bytes:,} bytes

Point {number} of the front of study `{study}` over {objectives}:
a configuration of bitwidths, skipped paths and delta thresholds. What is here runs bit for bit as it was evaluated.

## What it scored

{metrics}

{error} The validation split chose this point, so that its {short} there is optimistic;
{test}.

## Matvecs

{matvecs}

`delta` is the threshold in steps of the quantized activation; `sent` the share of inputs that its gate sent on the
validation split, so that the rest of its operations are eliminated.

## What is in the folder

| file | |
|---|---|
| `configuration.json` | everything above for programs, and every scale, grid, threshold and zero point |
| `weights.safetensors` | integer weights packed at their width, biases, grids |
| `decoder.safetensors` | {decoder} |
| `golden.safetensors` | {utterances} held-out utterances and what they give: codes of logits, {labels}, counts |
{parts}
| `manifest.json` | SHA-256 of every file |

## How to verify it

```bash
python -m dse.verify .
```

runs the golden utterances through the evaluator and every part that runs, and compares the codes of every layer,
the logits, the {labels} and the counts of sent elements. It compiles and runs the C sources: verify bundles whose
origin you trust. `--split validation` takes a whole split, `--split test` where the {short} there is told above.

## What the encodings leave out

`encodings/` is for toolchains that read AIMET's format, which cannot express all of this network:

{left_out}

## Where it comes from

{origin}
"""
PARTS = {
    "onnx": "the network as an ONNX graph in integers",
    "c": "the network in C99, with a Makefile and a program that prints {labels}",
    "encodings": "scales and offsets in AIMET's format",
}

WORDS = {
    VITERBI: {"error": "PER is the phone error rate on 39 phones.", "decoder": "phone bigram and priors"},
    CTC: {
        "error": "Its label error rate is that of CTC's best path: edits per reference label.",
        "decoder": "empty: CTC's best path needs nothing but the labels, which are in `configuration.json`",
    },
    FRAMES: {
        "error": "Its frame error rate is the share of frames whose highest output is another label.",
        "decoder": "empty: frames need nothing but the labels, which are in `configuration.json`",
    },
}


def card(chosen: Chosen, record: Mapping[str, Any], network: IntegerNetwork, golden: Golden, workload: Workload) -> str:
    """Text of a bundle's card.md."""
    study, kind = chosen.study, kind_of(record.get("decoder"))
    labels = "phones" if kind == VITERBI else "labels"
    test = "it was not run on the test split"
    if chosen.test_error_percent is not None:
        test = f"on the test split, which chose nothing, it is {chosen.test_error_percent:.2f} %"
    content = record["study"].get("content", {})
    origin = [
        ("study", f"`{study.name}`, searcher {study.identity.get('searcher')}, seed {study.identity.get('seed')}"),
        *([("weights", _weights(chosen))] if chosen.point.beacon is not None else []),
        ("corpus", record["corpus"]),
        *((name, f"`{value}`") for name, value in content.items()),
        *((name, value) for name, value in record["made_with"].items()),
    ]
    return TEXT.format(
        model=record["model"].upper(),
        size_bytes=-(-size_bits(workload, chosen.point.configuration) // 8),
        number=chosen.number,
        study=study.name,
        objectives=", ".join(objective.name for objective in study.objectives),
        metrics=_metrics(chosen),
        test=test,
        matvecs=_table(
            ("matvec", "rows × cols", "weights", "activations", "delta", "sent"),
            [_matvec(matvec, chosen.point.computed[matvec.name]) for matvec in network.matvecs],
        ),
        utterances=len(golden.speech.lengths),
        parts="\n".join(f"| `{name}/` | {PARTS[name].format(labels=labels)} |" for name in record["parts"]),
        short=short_name(error_name(study.identity)),
        labels=labels,
        **WORDS[kind],
        left_out="\n".join(f"- {each}" for each in not_expressed(network)),
        origin=_table(("", ""), origin),
    )


def _metrics(chosen: Chosen) -> str:
    shown = chosen.study.shown
    rows = []
    for objective in shown:
        name, unit = objective.description, objective.unit
        values = (chosen.point.metrics.get(objective.metric), chosen.study.baseline.metrics.get(objective.metric))
        rows.append((name, unit, *("–" if value is None else f"{value:,.4g}" for value in values)))
    return _table(("", "unit", "this point", "16-bit baseline"), rows)


def _weights(chosen: Chosen) -> str:
    number = chosen.point.beacon
    assert number is not None
    checkpoint = chosen.study.beacons[number - 1].checkpoint
    return f"of beacon {number}, retrained at this configuration or one near it: `{checkpoint}`"


def _matvec(matvec: IntegerMatVec, computed: float) -> tuple[str, ...]:
    wide = matvec.matrix.bits == BASELINE_BITS
    scales = "" if wide else ", one scale" if (matvec.matrix.multiples == 1).all() else ", a scale a row"
    return (
        matvec.name,
        f"{matvec.rows} × {matvec.cols}",
        f"{matvec.matrix.bits} bit{scales}",
        f"{matvec.act_bits} bit",
        str(matvec.delta),
        f"{computed:.1%}",
    )


def _table(headers: tuple[str, ...], rows: list[Any]) -> str:
    return str(tabulate(rows, headers, tablefmt="github", disable_numparse=True))
