"""Remarks on a checkpoint and the corpus that it is measured on, told before and beside the first figure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from dse.corpora import introduction
from dse.corpora.base import Corpus
from dse.design.evaluation import Evaluation
from models.quantization.learned import Learned
from models.quantization.scheme import Scheme

# 16 bit costs the shipped networks less than half a point; on little speech a few phones are more than that.
FAR_PERCENT = 1.0
FAR_PHONES = 3


def remarks(model: str, card: Mapping[str, Any], corpus: Corpus) -> tuple[str, ...]:
    """Lines to tell before a measurement: how the corpus is split, and what its figures are not worth.

    `card` is the checkpoint's. None for what the checkpoint was made for and a corpus that is generated.
    """
    lines = list(introduction(corpus))
    made_on = card.get("corpus", {})
    if (name := made_on.get("name")) is not None and name != corpus.name:
        lines.append(
            f"warning: the checkpoint was trained on the corpus {name}, so its errors on {corpus.name} say nothing of "
            f"the model; train one with `python -m dse.train --model {model} --corpus {corpus.name} --corpus-path "
            "FOLDER` and give it with --checkpoint"
        )
    trained = {speaker.upper() for speaker in made_on.get("speakers", {}).get("train", ())}
    for split in ("validation", "test"):
        if heard := [speaker for speaker in corpus.speakers(split) if speaker.upper() in trained]:
            lines.append(
                f"warning: the checkpoint was trained on {len(heard)} of the {len(corpus.speakers(split))} {split} "
                f"speakers, such as {heard[0]}; errors on them are too low"
            )
    return tuple(lines)


def untaken(learned: Learned, scheme: Scheme) -> tuple[str, ...]:
    """A line to tell where a checkpoint was retrained under a scheme that stores more than this one."""
    if learned.fits(scheme):
        return ()
    return (
        f"warning: the checkpoint was retrained with scales and zero points that {scheme} does not store; what it "
        "learned of them is not taken, so that its errors are those of weights rounded anew",
    )


def recorded_error(card: Mapping[str, Any], corpus: Corpus) -> float | None:
    """Float error in percent that a checkpoint's card records for just this validation split; None where it has none.

    Raises InputError as the corpus does.
    """
    percent: float | None = card.get("float_error_percent", {}).get("validation")
    fingerprint = card.get("corpus", {}).get("validation")
    return percent if fingerprint is not None and fingerprint == corpus.fingerprint("validation") else None


def doubts(recorded_percent: float | None, baseline: Evaluation) -> tuple[str, ...]:
    """Lines to tell where the 16-bit baseline's error is far from the float network's that the card records."""
    if recorded_percent is None:
        return ()
    percent, phones = baseline.metrics["error_percent"], baseline.metrics.get("reference_phones", math.inf)
    if abs(percent - recorded_percent) <= max(FAR_PERCENT, 100 * FAR_PHONES / phones):
        return ()
    return (
        f"warning: the 16-bit baseline has an error of {percent:.2f} %, the checkpoint's card records "
        f"{recorded_percent:.2f} % of the float network on this speech; is the checkpoint damaged?",
    )
