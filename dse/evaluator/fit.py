"""Fit of a network to a corpus, and the references that its decoder is scored on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dse.corpora.base import Corpus, LabelCorpus
from dse.corpora.split import Split
from dse.phones.decode import Decoder
from dse.phones.decoders import LabelDecoder, decoder_of
from dse.phones.senones import outputs_for, phone_61
from models.checkpoint import Checkpoint
from models.registry import Spec
from models.workload import InputError


def decoder_in(checkpoint: Checkpoint, where: object = "") -> LabelDecoder:
    """Decoder of a checkpoint at a path. Raises InputError where it names none, or one that cannot be."""
    try:
        decoder = decoder_of(checkpoint.card.get("decoder"), checkpoint.decoder)
    except InputError as error:
        raise InputError(f"checkpoint {where}: {error}") from error
    if decoder is None:
        raise InputError(f"checkpoint {where} holds no decoder; import it again with --corpus")
    return decoder


def fitted(network: str, spec: Spec, corpus: Corpus, split: Split, decoder: LabelDecoder | None = None) -> Split:
    """The split with the references that the decoder is scored on, once network and decoder fit the corpus.

    Without a decoder these are phones. Raises InputError, naming the `network`, where features, outputs or labels are
    not those of the corpus, or the split has no references of this kind.
    """
    own, whose = None if isinstance(decoder, Decoder) else decoder, f"corpus {corpus.name}"
    outputs = (outputs_for(corpus), whose) if own is None else (own.outputs, "its decoder")
    for what, wanted, has, other in (
        ("features", spec.features, split.features.shape[1], whose),
        ("targets", spec.outputs, *outputs),
    ):
        if wanted != has:
            raise InputError(f"{network} has {wanted} {what}, {other} has {has}")
    if own is None:
        return _of_phones(network, corpus, split)
    if not isinstance(corpus, LabelCorpus):
        raise InputError(f"{network} has labels of its own (decoder {own.kind}), corpus {corpus.name} has phones")
    if corpus.labels != own.labels:
        raise InputError(f"{network} has other labels than corpus {corpus.name}: {_different(own, corpus)}")
    if own.by_frame:
        return split.by_frame()
    _require_sequences(network, split, own.kind)
    return split


def _of_phones(network: str, corpus: Corpus, split: Split) -> Split:
    """The split with references in PHONES_61, by their names where the corpus has labels of its own."""
    if not isinstance(corpus, LabelCorpus):
        return split
    _require_sequences(network, split, Decoder.kind)
    if (least := split.lengths.min()) < Decoder.frames_a_label:
        short = split.names[int(split.lengths.argmin())]
        raise InputError(
            f"{network} decodes by Viterbi, which needs {Decoder.frames_a_label} frames; utterance {short} has {least}"
        )
    try:
        phones = np.array([phone_61(label) for label in corpus.labels], np.int16)
    except InputError as error:
        raise InputError(f"{network} decodes phones by Viterbi; corpus {corpus.name}: {error}") from error
    return replace(split, segment_phones=phones[split.segment_phones])


def _require_sequences(network: str, split: Split, kind: str) -> None:
    if not split.has_sequences:
        raise InputError(f"{network} is scored on sequences (decoder {kind}), split {split.name} has targets alone")


def _different(decoder: LabelDecoder, corpus: LabelCorpus) -> str:
    """The first label that differs, or the numbers of labels."""
    if len(decoder.labels) != len(corpus.labels):
        return f"{len(decoder.labels)}, not {len(corpus.labels)}"
    pairs = enumerate(zip(decoder.labels, corpus.labels, strict=True), 1)
    number, (mine, theirs) = next((number, pair) for number, pair in pairs if pair[0] != pair[1])
    return f"label {number} is '{mine}', not '{theirs}'"
