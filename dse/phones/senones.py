"""Context-dependent targets (senones, Kaldi's pdf-ids) and their map to the decoder's 48 phones of three states."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.phones.sets import FOLD_61_TO_48, PHONES_39, PHONES_48, PHONES_61, STATES_PER_PHONE
from dse.phones.text import read_lines
from models.quantization.fixed_point import to_float
from models.workload import InputError, MissingError

TARGETS = len(PHONES_48) * STATES_PER_PHONE
# Log posterior of a phone-state that no senone belongs to: finite, as the decoder requires, and out of reach.
LEAST_LOG_POSTERIOR = -70.0
MOST_SENONES = 2**16  # networks have thousands; a typing error costs no gigabytes then
# One of the 61 phones for each name that only the smaller sets have; folding leads back to that name.
_FOLDED = {"sil": "h#", "cl": "tcl", "vcl": "bcl"}


def phone_61(name: str) -> int:
    """Index in PHONES_61 of a phone of the 61, 48 or 39 set, or of one that folds to it. Raises InputError."""
    try:
        return PHONES_61.index(_FOLDED.get(name, name))
    except ValueError:
        known = sorted({*PHONES_61, *PHONES_48, *PHONES_39})
        raise InputError(f"unknown phone '{name}'; there are {', '.join(known)}") from None


@dataclass(frozen=True, eq=False)
class SenoneMap:
    """Map of S senones to phones and their states.

    phones: int16 [S], index in PHONES_61, -1 for a senone that is in no phone; members: bool [144, S], true where the
    senone belongs to target 3 * phone48 + state.
    """

    phones: NDArray[np.int16]
    members: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.phones)

    def frame_states(self, senones: NDArray[np.int32]) -> NDArray[np.int8]:
        """State 0, 1, 2 of each frame of one utterance, int8 [T], from its senones [T].

        Where a senone belongs to several states, the state is the third of the phone's run of frames that the frame
        lies in.
        """
        phones = self.phones[senones]
        starts = np.flatnonzero(np.diff(phones, prepend=-1))
        lengths = np.diff(starts, append=len(phones))
        position = np.arange(len(phones)) - np.repeat(starts, lengths)
        third = STATES_PER_PHONE * position // np.repeat(lengths, lengths)
        own = self.members.argmax(axis=0) % STATES_PER_PHONE
        tells = self.members.sum(axis=0) == 1
        return np.where(tells[senones], own[senones], third).astype(np.int8)

    def collapse(self, logits: ArrayLike) -> NDArray[np.float32]:
        """Log posteriors float32 [N, 144] of the phone-states, from scores [N, S] of the senones, softmax taken or not.

        A state's posterior is the sum of its senones'. Priors are left to the decoder: its log_prior, estimated on
        these 144 targets, is that of a state's senones together.
        Raises InputError for a wrong shape or scores that are not finite.
        """
        logits = np.asarray(logits, dtype=np.float32)
        if logits.ndim != 2 or logits.shape[1] != len(self):
            raise InputError(f"senone scores must be [frames, {len(self)}], not {list(logits.shape)}")
        if not np.isfinite(logits).all():
            raise InputError("senone scores are not finite")
        posteriors = logits - logits.max(axis=1, keepdims=True)
        np.exp(posteriors, out=posteriors)
        posteriors /= posteriors.sum(axis=1, keepdims=True)
        states = posteriors @ self.members.T.astype(np.float32)
        return np.log(np.maximum(states, np.float32(np.exp(LEAST_LOG_POSTERIOR))))


@runtime_checkable
class SenoneCorpus(Protocol):
    """Corpus whose targets are senones."""

    senones: SenoneMap


def outputs_for(corpus: object) -> int:
    """Outputs of a network for the corpus: one a senone where it has senones, else one a phone state."""
    return len(corpus.senones) if isinstance(corpus, SenoneCorpus) else TARGETS


def senones_of(corpus: object) -> SenoneMap | None:
    """Senones of the corpus, None where it has none."""
    return corpus.senones if isinstance(corpus, SenoneCorpus) else None


def decoder_scores(senones: SenoneMap | None, logits: NDArray[Any], bits: int = 0) -> tuple[NDArray[Any], int]:
    """Scores for the decoder and their bits, see `Engine.outputs`: logits as they are, or of senones collapsed."""
    return (logits, bits) if senones is None else (senones.collapse(to_float(logits, bits)), 0)


def read_senone_map(path: Path) -> SenoneMap:
    """Read lines `senone phone [hmm-state]`, phones of the 61, 48 or 39 set, states counted from 0.

    A senone may have several states of its phone. Without the state a phone has one. HMMs of other than three states
    are stretched or shrunk to three. Raises InputError for a line that does not fit and a senone of two phones,
    MissingError where there is no file.
    """
    if not path.is_file():
        raise MissingError(
            f"no phone map '{path}': lines 'pdf-id phone hmm-state' are needed, as from show-transitions phones.txt "
            "final.mdl | awk '/^Transition-state/ {print $11, $5, $8}'"
        )
    phone_of: dict[int, int] = {}
    states_of: dict[int, set[int]] = defaultdict(set)
    for number, line in enumerate(read_lines(path), 1):
        words = line.split()
        if not words:
            continue
        where = f"{path} line {number}"
        if len(words) not in (2, 3) or not all(word.isdecimal() for word in (words[0], *words[2:])):
            raise InputError(f"{where} is not 'senone phone [hmm-state]': '{line.strip()}'")
        senone = int(words[0])
        if senone >= MOST_SENONES:
            raise InputError(f"{where}: senone {senone} is beyond what any network has, {MOST_SENONES - 1} at most")
        try:
            phone = phone_61(words[1])
        except ValueError as error:
            raise InputError(f"{where}: {error}") from None
        if FOLD_61_TO_48[phone] < 0:
            raise InputError(f"{where}: phone '{words[1]}' is not among the 48 that are decoded")
        if phone_of.setdefault(senone, phone) != phone:
            raise InputError(f"{where}: senone {senone} belongs to both {PHONES_61[phone_of[senone]]} and {words[1]}")
        states_of[senone].add(int(words[2]) if len(words) == 3 else 0)
    if not phone_of:
        raise InputError(f"{path} holds no senone")
    return _senone_map(phone_of, states_of)


def _senone_map(phone_of: dict[int, int], states_of: dict[int, set[int]]) -> SenoneMap:
    phones = np.full(max(phone_of) + 1, -1, np.int16)
    members = np.zeros((TARGETS, len(phones)), bool)
    hmm_states: dict[int, int] = defaultdict(int)
    for senone, phone in phone_of.items():
        hmm_states[phone] = max(hmm_states[phone], *(state + 1 for state in states_of[senone]))
    for senone, phone in phone_of.items():
        phones[senone] = phone
        count = hmm_states[phone]
        target = STATES_PER_PHONE * FOLD_61_TO_48[phone]
        for third in range(STATES_PER_PHONE):
            if count < STATES_PER_PHONE:
                fits = third * count // STATES_PER_PHONE in states_of[senone]
            else:
                fits = third in {state * STATES_PER_PHONE // count for state in states_of[senone]}
            members[target + third, senone] = fits
    return SenoneMap(phones, members)
