"""Golden inputs and outputs of a bundle: held-out utterances and what the evaluator gave for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.corpora.split import Split
from models.registry import Spec
from models.workload import InputError

UTTERANCES = 20


@dataclass(frozen=True, eq=False)
class Speech:
    """U utterances, concatenated: N frames, and their reference phones of the 61 set, or labels by their index."""

    names: tuple[str, ...]
    features: NDArray[np.float32]  # [N, features]
    lengths: NDArray[np.int64]  # [U] frames
    references: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, split: Split) -> Speech:
        references = tuple(tuple(phones.tolist()) for phones in split.references)
        return cls(split.names, split.features, split.lengths, references)

    @property
    def offsets(self) -> NDArray[np.int64]:
        """First frame of each utterance, then N: int64 [U + 1]."""
        return np.concatenate([[0], np.cumsum(self.lengths)])

    def part(self, utterances: slice) -> Speech:
        """Speech of a range of the utterances."""
        bounds = self.offsets[utterances.start : utterances.stop + 1]
        features = self.features[bounds[0] : bounds[-1]]
        return Speech(self.names[utterances], features, self.lengths[utterances], self.references[utterances])


@dataclass(frozen=True, eq=False)
class Golden:
    """Speech, and what the evaluator gave for it.

    logits: codes; sent: each matvec's sent elements over all utterances; phones: of the 48 set, or
    labels.
    """

    speech: Speech
    logits: NDArray[np.int16]  # [N, outputs]
    sent: Mapping[str, int]
    phones: tuple[tuple[int, ...], ...]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "names": np.frombuffer("\n".join(self.speech.names).encode(), np.uint8),
            "features": self.speech.features,
            "lengths": self.speech.lengths,
            "logits": self.logits,
            "sent": np.array(list(self.sent.values()), np.int64),
            **_ragged("phones", self.phones),
            **_ragged("reference_phones", self.speech.references),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], spec: Spec, most: Mapping[str, int]) -> Golden:
        """What `to_arrays` gives, of a network of these sizes; `most` is how many phones, and of references, there are.

        Raises InputError, or KeyError where an array lacks.
        """
        lengths, features, logits = arrays["lengths"], arrays["features"], arrays["logits"]
        if lengths.dtype != np.int64 or lengths.ndim != 1 or not len(lengths) or (lengths < 1).any():
            raise InputError("lengths are not those of utterances")
        frames, names = sum(lengths.tolist()), spec.workload().names
        for name, kind, shape in (
            ("features", np.float32, (frames, spec.features)),
            ("logits", np.int16, (frames, spec.outputs)),
            ("sent", np.int64, (len(names),)),
        ):
            if arrays[name].dtype != kind or arrays[name].shape != shape:
                raise InputError(f"{name} is {arrays[name].dtype} {list(arrays[name].shape)}, not {list(shape)}")
        told = arrays["names"].astype(np.uint8).tobytes().decode("utf-8", errors="replace").split("\n")
        if len(told) != len(lengths):
            raise InputError(f"{len(told)} names are not those of {len(lengths)} utterances")
        phones, references = (_rows(arrays, name, len(lengths), most[name]) for name in ("phones", "reference_phones"))
        sent = dict(zip(names, arrays["sent"].tolist(), strict=True))
        return cls(Speech(tuple(told), features, lengths, references), logits, sent, phones)


def spread(split: Split, utterances: int = UTTERANCES) -> Split:
    """So many utterances of the split, of all its speakers in turn, the shortest of each first."""
    by_speaker: dict[str, list[int]] = {}
    for utterance in np.argsort(split.lengths, kind="stable").tolist():
        by_speaker.setdefault(split.speakers[utterance], []).append(utterance)
    longest = max(map(len, by_speaker.values()))
    turns = [own[turn] for turn in range(longest) for own in by_speaker.values() if turn < len(own)]
    return split.take(turns[:utterances])


def _ragged(name: str, rows: Sequence[Sequence[int]]) -> dict[str, NDArray[Any]]:
    flat = np.array([phone for row in rows for phone in row], np.int16)
    return {name: flat, f"{name}_counts": np.array([len(row) for row in rows], np.int64)}


def _rows(arrays: Mapping[str, NDArray[Any]], name: str, utterances: int, most: int) -> tuple[tuple[int, ...], ...]:
    flat, counts = arrays[name], arrays[f"{name}_counts"]
    sound = counts.dtype == np.int64 and counts.shape == (utterances,) and (counts >= 0).all()
    if not sound or flat.ndim != 1 or sum(counts.tolist()) != len(flat):
        raise InputError(f"{name} are not of {utterances} utterances")
    if flat.dtype != np.int16 or ((flat < 0) | (flat >= most)).any():
        raise InputError(f"{name} hold what is no phone")
    return tuple(tuple(part.tolist()) for part in np.split(flat, np.cumsum(counts)[:-1]))
