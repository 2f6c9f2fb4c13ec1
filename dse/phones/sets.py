"""Phone sets and their folding, network targets, and the phones of a transcription that are scored.

TIMIT is transcribed with 61 phones, networks are trained on 48 of them and errors are counted on 39.
Source of the sets and of the folding: K.-F. Lee and H.-W. Hon, "Speaker-independent phone recognition using hidden
Markov models", IEEE TASSP 37(11), 1989, as used by Kaldi's TIMIT recipe (`conf/phones.60-48-39.map`).

Silence is a phone like any other: it is kept and scored. In the 39 set every closure and every pause is `sil`, so a
stop closure next to a pause would be two `sil` in a row, a boundary that nobody can hear. `scored_phones` therefore
merges adjacent `sil` in references and hypotheses alike; any other repeated phone is a real repetition and stays.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

STATES_PER_PHONE = 3

# One line per 61-set phone: its name, its 48-set name and its 39-set name. The glottal stop q is deleted.
_MAP = """
aa aa aa|ae ae ae|ah ah ah|ao ao aa|aw aw aw|ax ax ah|ax-h ax ah|axr er er|ay ay ay|b b b|bcl vcl sil|ch ch ch|d d d
dcl vcl sil|dh dh dh|dx dx dx|eh eh eh|el el l|em m m|en en n|eng ng ng|epi epi sil|er er er|ey ey ey|f f f|g g g
gcl vcl sil|h# sil sil|hh hh hh|hv hh hh|ih ih ih|ix ix ih|iy iy iy|jh jh jh|k k k|kcl cl sil|l l l|m m m|n n n
ng ng ng|nx n n|ow ow ow|oy oy oy|p p p|pau sil sil|pcl cl sil|q|r r r|s s s|sh sh sh|t t t|tcl cl sil|th th th
uh uh uh|uw uw uw|ux uw uw|v v v|w w w|y y y|z z z|zh zh sh
"""
_ROWS = [tuple(row.split()) for row in _MAP.strip().replace("\n", "|").split("|")]

PHONES_61: tuple[str, ...] = tuple(row[0] for row in _ROWS)
PHONES_48: tuple[str, ...] = tuple(sorted({row[1] for row in _ROWS if len(row) > 1}))
PHONES_39: tuple[str, ...] = tuple(sorted({row[2] for row in _ROWS if len(row) > 1}))


def _table(source: tuple[str, ...], target: tuple[str, ...], names: dict[str, str]) -> NDArray[np.int16]:
    table = np.array([target.index(names[p]) if p in names else -1 for p in source], dtype=np.int16)
    table.flags.writeable = False
    return table


FOLD_61_TO_48 = _table(PHONES_61, PHONES_48, {row[0]: row[1] for row in _ROWS if len(row) > 1})
FOLD_48_TO_39 = _table(PHONES_48, PHONES_39, {row[1]: row[2] for row in _ROWS if len(row) > 1})
FOLD_61_TO_39 = _table(PHONES_61, PHONES_39, {row[0]: row[2] for row in _ROWS if len(row) > 1})

SIL_48 = PHONES_48.index("sil")
SIL_39 = PHONES_39.index("sil")


def fold(phones: ArrayLike, table: NDArray[np.int16]) -> NDArray[np.int16]:
    """Map phone indices [P] through a folding table; phones that the table deletes (-1) are dropped.

    Raises ValueError for an index outside the table.
    """
    folded = table[_checked(phones, len(table))]
    return folded[folded >= 0]


def fold_utterances(
    phones: ArrayLike, counts: ArrayLike, table: NDArray[np.int16]
) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Fold concatenated utterances: phones [P] and counts [U] (phones per utterance) in, the same pair out.

    Raises ValueError for an index outside the table or counts that do not add up to P.
    """
    folded = table[_checked(phones, len(table))]
    return _keep(folded, folded >= 0, utterance_of(len(folded), counts), np.size(np.asarray(counts)))


def scored_phones(
    phones: ArrayLike, counts: ArrayLike, table: NDArray[np.int16]
) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Fold concatenated utterances to the 39 phones that are scored, with adjacent `sil` of an utterance merged.

    `table` is FOLD_61_TO_39 or FOLD_48_TO_39; shapes and errors as in `fold_utterances`.
    """
    folded, folded_counts = fold_utterances(phones, counts, table)
    utterance = utterance_of(len(folded), folded_counts)
    silence = folded == SIL_39
    repeated = np.zeros(len(folded), dtype=bool)
    repeated[1:] = silence[1:] & silence[:-1] & (utterance[1:] == utterance[:-1])
    return _keep(folded, ~repeated, utterance, len(folded_counts))


def frame_targets(phones_61: ArrayLike, states: ArrayLike) -> NDArray[np.int16]:
    """Network targets int16 [N] = 3 * phone48 + state, from 61-set phone [N] and HMM state 0..2 [N] of every frame.

    The deleted q leaves no gap: its frames stay in the last state of the phone before them, as they do when an
    aligner is given a transcription without q. Frames of q with nothing before them become silence.
    Raises ValueError for an index out of range or unequal lengths.
    """
    phones = FOLD_61_TO_48[_checked(phones_61, len(PHONES_61))]
    states = _checked(states, STATES_PER_PHONE)
    if len(states) != len(phones):
        raise ValueError(f"frame targets need one state per frame: got {len(phones)} phones and {len(states)} states")
    known = phones >= 0
    previous = np.maximum.accumulate(np.where(known, np.arange(len(phones)), -1))
    phone = np.where(previous >= 0, phones[previous], SIL_48)
    state = np.where(known, states, STATES_PER_PHONE - 1)
    return (STATES_PER_PHONE * phone + state).astype(np.int16)


def int_array(values: ArrayLike) -> NDArray[np.int64]:
    """Convert values to a flat, contiguous int64 array."""
    return np.ascontiguousarray(values, dtype=np.int64).reshape(-1)


def _checked(values: ArrayLike, size: int) -> NDArray[np.int64]:
    indices = int_array(values)
    wrong = (indices < 0) | (indices >= size)
    if wrong.any():
        raise ValueError(f"index {indices[wrong][0]} at position {int(np.argmax(wrong))} is not in 0..{size - 1}")
    return indices


def utterance_of(total: int, counts: ArrayLike) -> NDArray[np.int64]:
    """Index of the utterance of each of `total` concatenated phones, int64 [total], from phones per utterance [U].

    Raises ValueError for counts that are negative or do not add up to `total`.
    """
    counts = int_array(counts)
    if (counts < 0).any() or counts.sum() != total:
        raise ValueError(f"utterance counts must be non-negative and add up to {total} phones, not {counts.sum()}")
    return np.repeat(np.arange(len(counts)), counts)


def _keep(
    phones: NDArray[np.int16], kept: NDArray[np.bool_], utterance: NDArray[np.int64], utterances: int
) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    return phones[kept], np.bincount(utterance[kept], minlength=utterances).astype(np.int64)
