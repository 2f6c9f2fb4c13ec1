"""Alignment of TIMIT's phones with speech of espeak-ng, from its phoneme events.

espeak-ng reports where each phoneme starts. A closure of a voiceless stop is digital silence at the end of the phoneme
before it, that of a voiced stop is the voice bar at the beginning of its own; both are found in the samples, in
integers, so that the boundaries are the same on every machine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dse.corpora.base import Segment
from dse.corpora.synthetic.espeak import SAMPLE_RATE_HZ
from models.workload import InputError

# espeak-ng mnemonic, stress marks removed -> phones; a phoneme of several phones is divided evenly among them.
PHONES: dict[str, tuple[str, ...]] = {
    "p": ("p",), "t": ("t",), "k": ("k",), "b": ("b",), "d": ("d",), "g": ("g",), "tS": ("ch",), "dZ": ("jh",),
    "t2": ("t",), "*": ("dx",), "?": ("q",),
    "f": ("f",), "v": ("v",), "T": ("th",), "D": ("dh",), "s": ("s",), "z": ("z",), "S": ("sh",), "Z": ("zh",),
    "h": ("hh",), "m": ("m",), "n": ("n",), "N": ("ng",), "m-": ("em",), "n-": ("en",), "N-": ("eng",),
    "l": ("l",), "@L": ("el",), "r": ("r",), "r-": ("r",), "j": ("y",), "w": ("w",),
    "i:": ("iy",), "i": ("iy",), "I": ("ih",), "I2": ("ix",), "E": ("eh",), "a": ("ae",), "aa": ("ae",),
    "A:": ("aa",), "0": ("aa",), "O:": ("ao",), "O": ("ao",), "V": ("ah",), "U": ("uh",), "u:": ("uw",),
    "eI": ("ey",), "aI": ("ay",), "OI": ("oy",), "aU": ("aw",), "oU": ("ow",), "3:": ("er",), "3": ("axr",),
    "@": ("ax",), "a#": ("ax",), "@2": ("ax",), "@-": ("ax-h",),
    "A@": ("aa", "r"), "O@": ("ao", "r"), "o@": ("ao", "r"), "e@": ("eh", "r"), "i@": ("ih", "r"), "i@3": ("ih", "r"),
    "U@": ("uh", "r"), "aI@": ("ay", "ax"), "aI3": ("ay", "axr"), "aU@": ("aw", "r"),
}  # fmt: skip
PAUSES = ("_", "_:")
GLIDE = ";"  # a palatal link, heard as part of the vowel before it
STRESS_MARKS = "',%="
CLOSURES = {"p": "pcl", "t": "tcl", "k": "kcl", "ch": "tcl", "b": "bcl", "d": "dcl", "g": "gcl", "jh": "dcl"}
VOICED = ("b", "d", "g", "jh")
_VOWEL_NAMES = "iy ih ix eh ae aa ao ah ax ax-h uh uw ux ey ay oy aw ow er axr el"
VOWELS = frozenset(_VOWEL_NAMES.split())
FRONTING = frozenset(("t", "d", "s", "z", "sh", "ch", "jh", "n", "l", "y", "dx"))  # after these uw is heard as ux
SILENCE = "h#"  # at both ends; inside an utterance the provisional name of every silent stretch

_MS = SAMPLE_RATE_HZ // 1000
SHORTEST = 10 * _MS  # no segment is shorter
LONGEST_CLOSURE = 150 * _MS
LONGEST_EPENTHETIC = 60 * _MS
BURST_WINDOW = 4 * _MS
BURST_RISE = 4  # energy after over energy before, of the first difference
LOUDEST_SILENCE = 8  # of 32,768


def align(samples: NDArray[np.int16], phonemes: list[tuple[int, str]]) -> list[Segment]:
    """Align: contiguous segments from sample 0 to the last, at espeak-ng's rate, in TIMIT's phones.

    samples: int16 [S]; phonemes: first sample and mnemonic of each, in time order.
    Raises InputError for a mnemonic that has no phone.
    """
    pieces = _insert_silences(samples, _phones(phonemes, len(samples)))
    pieces = _merge_short(_split_voiced_stops(samples, _name_silences(pieces, len(samples))))
    pieces = _in_context(pieces)
    return [Segment(start, end, phone) for start, end, phone in pieces]


_Piece = tuple[int, int, str]  # first sample, end, phone


def _phones(phonemes: list[tuple[int, str]], count: int) -> list[_Piece]:
    pieces: list[_Piece] = [(0, phonemes[0][0], SILENCE)]
    ends = [start for start, _ in phonemes[1:]] + [count]
    for (start, marked), end in zip(phonemes, ends, strict=True):
        mnemonic = marked.lstrip(STRESS_MARKS)
        if mnemonic == GLIDE:
            pieces[-1] = (pieces[-1][0], end, pieces[-1][2])
            continue
        if mnemonic not in PHONES and mnemonic not in PAUSES:
            raise InputError(f"espeak-ng phoneme '{marked}' has no phone; known are {' '.join(PHONES)}")
        phones = (SILENCE,) if mnemonic in PAUSES else PHONES[mnemonic]
        if phones == ("r",) == (pieces[-1][2],):  # r links an r-coloured vowel to the next word: one r is heard
            pieces[-1] = (pieces[-1][0], end, "r")
            continue
        cuts = [start + (end - start) * part // len(phones) for part in range(len(phones) + 1)]
        pieces += zip(cuts, cuts[1:], phones, strict=False)
    return [piece for piece in pieces if piece[1] > piece[0]]


def _insert_silences(samples: NDArray[np.int16], pieces: list[_Piece]) -> list[_Piece]:
    """Separate the silence at the end of each phone from it, and join neighbouring silences."""
    parted: list[_Piece] = []
    for start, end, phone in pieces:
        loud = np.flatnonzero(np.abs(samples[start:end].astype(np.int32)) > LOUDEST_SILENCE)
        heard = start + int(loud[-1]) + 1 if len(loud) else start
        if phone == SILENCE:
            heard = start
        elif end - heard < SHORTEST or heard - start < SHORTEST:
            heard = end
        if heard > start:
            parted.append((start, heard, phone))
        if heard < end:
            joins = bool(parted) and parted[-1][2] == SILENCE
            parted[-1:] = [(parted[-1][0], end, SILENCE)] if joins else [*parted[-1:], (heard, end, SILENCE)]
    return parted


def _name_silences(pieces: list[_Piece], count: int) -> list[_Piece]:
    """Name silences: closure before a stop, part of a glottal stop, `epi` if short, `pau` if long, `h#` at the ends."""
    named: list[_Piece] = []
    following = [*(phone for _, _, phone in pieces[1:]), SILENCE]
    for (start, end, phone), after in zip(pieces, following, strict=True):
        if phone == "q" and named and named[-1][2] == "q":
            named[-1] = (named[-1][0], end, "q")
        elif phone != SILENCE or start == 0 or end == count:
            named.append((start, end, phone))
        elif end - start > LONGEST_CLOSURE:
            named.append((start, end, "pau"))
        elif after in CLOSURES:
            named.append((start, end, CLOSURES[after]))
        elif after == "q":
            named.append((start, end, "q"))
        elif end - start >= 2 * SHORTEST:
            named.append((start, end, "epi" if end - start <= LONGEST_EPENTHETIC else "pau"))
        else:
            named[-1] = (named[-1][0], end, named[-1][2])
    return named


def _split_voiced_stops(samples: NDArray[np.int16], pieces: list[_Piece]) -> list[_Piece]:
    """Separate the voice bar of each voiced stop from its burst, where the first difference's energy rises most."""
    wide = samples.astype(np.int64)
    energy = np.zeros(len(samples) + 1, np.int64)
    np.cumsum((wide - np.concatenate(([0], wide[:-1]))) ** 2, out=energy[1:])
    split: list[_Piece] = []
    for start, end, phone in pieces:
        if phone in VOICED:
            at = np.arange(start + SHORTEST, end - SHORTEST + 1)
            after = energy[np.minimum(at + BURST_WINDOW, end)] - energy[at]
            before = energy[at] - energy[np.maximum(at - BURST_WINDOW, start)]
            rise = after / (before + 1)
            if len(at) and rise.max() >= BURST_RISE:
                burst = int(at[rise.argmax()])
                if split and split[-1][2] == CLOSURES[phone]:
                    split[-1] = (split[-1][0], burst, CLOSURES[phone])
                elif split and split[-1][2] in ("h#", "pau"):
                    split[-1] = (split[-1][0], burst, split[-1][2])
                else:
                    split.append((start, burst, CLOSURES[phone]))
                start = burst
        split.append((start, end, phone))
    return split


def _merge_short(pieces: list[_Piece]) -> list[_Piece]:
    merged: list[_Piece] = []
    for start, end, phone in pieces:
        if merged and end - start < SHORTEST:
            merged[-1] = (merged[-1][0], end, merged[-1][2])
        else:
            merged.append((start, end, phone))
    return merged


def _in_context(pieces: list[_Piece]) -> list[_Piece]:
    """Rename phones to TIMIT's allophones by their neighbours: `hv` between vowels, `ux` after coronals."""
    phones = [phone for _, _, phone in pieces]
    renamed = []
    for (start, end, phone), before, after in zip(pieces, ["h#", *phones], [*phones[1:], "h#"], strict=False):
        if phone == "hh" and before in VOWELS and after in VOWELS:
            phone = "hv"
        elif phone == "uw" and before in FRONTING:
            phone = "ux"
        renamed.append((start, end, phone))
    return renamed
