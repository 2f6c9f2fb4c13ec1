"""Remarks on a checkpoint and the corpus that it is measured on, told before and beside the first figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dse.corpora import introduction
from dse.corpora.base import Corpus


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
