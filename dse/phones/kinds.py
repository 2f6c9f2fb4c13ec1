"""Kinds of decoders, and what their errors are called. Loads no decoder."""

from __future__ import annotations

from collections.abc import Mapping

from dse.design.objective import PHONE_ERROR
from models.workload import InputError

VITERBI, CTC, FRAMES = "viterbi", "ctc", "frames"
ERROR_NAMES = {VITERBI: PHONE_ERROR, CTC: "label error rate", FRAMES: "frame error rate"}
SHORT_NAMES = {VITERBI: "PER", CTC: "label error", FRAMES: "frame error"}


def kind_of(named: object) -> str:
    """Kind of the decoder that a card names: Viterbi where it names none, or says in words where it comes from.

    Raises InputError for an unknown kind.
    """
    kind = named.get("kind", VITERBI) if isinstance(named, Mapping) else VITERBI
    if not isinstance(kind, str) or kind not in ERROR_NAMES:
        raise InputError(f"decoder {kind!r} is none of {', '.join(ERROR_NAMES)}")
    return kind


def short_name(error_name: str) -> str:
    """Short name of an error that is called one of ERROR_NAMES: 'PER' for 'phone error rate'."""
    return {ERROR_NAMES[kind]: short for kind, short in SHORT_NAMES.items()}.get(error_name, error_name)
