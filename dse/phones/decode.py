"""Decoding of network outputs to phones: Viterbi search with a phone bigram over 48 phones of three states.

A path is scored, in natural logarithms, by

    sum over frames of  acoustic_scale * (logit[state] - prior_scale * log_prior[state])
  + sum over phones of  log_bigram[previous, phone] - phone_penalty

States are passed from left to right. Logits need no log-softmax: it shifts every state of a frame alike and so never
changes the best path. Scalar scores for staying in a state and for leaving it would be redundant too: a path of T
frames and P phones leaves 3 * P times and stays the rest, so they only add a constant and a term in P, which
phone_penalty covers.
"""

from dataclasses import dataclass, replace
from itertools import product
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.phones.errors import PhoneErrors, score
from dse.phones.kinds import VITERBI
from dse.phones.sets import (
    FOLD_48_TO_39,
    FOLD_61_TO_39,
    FOLD_61_TO_48,
    PHONES_48,
    STATES_PER_PHONE,
    fold_utterances,
    scored_phones,
)
from dse.phones.viterbi import PHONES, TARGETS, UTTERANCE_START, viterbi
from models.workload import InputError

# Grid of `tune`. Frames are far from independent, so acoustic scores deserve much less than full weight.
ACOUSTIC_SCALES = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5)
PRIOR_SCALES = (0.0, 0.25, 0.5, 0.75, 1.0)
PHONE_PENALTIES = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)


@dataclass(frozen=True, eq=False)
class Decoder:
    """Decoder: a phone bigram, the priors of the network's targets and the weights between them.

    log_bigram: float32 [49, 48], row = previous phone, row 48 = start of the utterance.
    log_prior: float32 [144], target = 3 * phone + state.
    phone_penalty is subtracted once per phone; negative values favour more phones.
    Raises InputError for arrays of other shapes or types, values that are not finite, or acoustic_scale <= 0.
    """

    log_bigram: NDArray[np.float32]
    log_prior: NDArray[np.float32]
    acoustic_scale: float = 0.3
    prior_scale: float = 1.0
    phone_penalty: float = 0.0

    kind: ClassVar[str] = VITERBI
    by_frame: ClassVar[bool] = False
    frames_a_label: ClassVar[int] = STATES_PER_PHONE
    labels: ClassVar[tuple[str, ...]] = PHONES_48
    outputs: ClassVar[int] = TARGETS

    def __post_init__(self) -> None:
        for name, shape in (("log_bigram", (PHONES + 1, PHONES)), ("log_prior", (TARGETS,))):
            array = getattr(self, name)
            if array.shape != shape or array.dtype != np.float32 or not np.isfinite(array).all():
                raise InputError(
                    f"decoder: {name} must be finite float32 {list(shape)}, not {array.dtype} {list(array.shape)}"
                )
        weights = (self.acoustic_scale, self.prior_scale, self.phone_penalty)
        if not np.isfinite(weights).all() or self.acoustic_scale <= 0:
            raise InputError(f"decoder: scales and penalty must be finite and acoustic_scale positive, not {weights}")

    @property
    def search_tables(self) -> tuple[np.float32, NDArray[np.float32], NDArray[np.float32]]:
        """What the search adds up: a logit times the scale, plus the bias [144]; enter [49, 48] on entering a phone."""
        return (
            np.float32(self.acoustic_scale),
            (-self.acoustic_scale * self.prior_scale * self.log_prior).astype(np.float32),
            np.ascontiguousarray(self.log_bigram - self.phone_penalty, np.float32),
        )

    def decode(
        self, logits: ArrayLike, lengths: ArrayLike, bits: int = 0
    ) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
        """Decode the best phone sequences: (48-set phones int16 [P], phones per utterance int64 [U]).

        logits: float32 [N, 144], the frames of all utterances concatenated, or int16 codes of the grid 2^-bits, which
        give the same; lengths: frames per utterance [U].
        Every phone takes at least three frames, one per state. Of equally good paths, the one taken is fixed: from the
        end, the lowest phone index, staying in a state before moving on.
        Raises InputError for shapes that do not fit, utterances under three frames or logits that are not finite.
        """
        logits = np.asarray(logits)
        # whole rows, which the search reads twice as fast
        logits = np.ascontiguousarray(logits, np.int16 if logits.dtype == np.int16 else np.float32)
        lengths = np.ascontiguousarray(lengths, dtype=np.int64)
        if logits.ndim != 2 or logits.shape[1] != TARGETS or lengths.sum() != len(logits):
            raise InputError(
                f"logits must be [frames, {TARGETS}] with frames = {lengths.sum()}, the sum of the lengths, "
                f"not {list(logits.shape)}"
            )
        if (lengths < STATES_PER_PHONE).any():
            raise InputError(f"every utterance must have at least {STATES_PER_PHONE} frames, not {lengths.min()}")
        if logits.dtype == np.float32 and not np.isfinite(logits).all():
            finite_frames = np.isfinite(logits).all(axis=1)
            _raise_not_finite(np.logical_and.reduceat(finite_frames, np.cumsum(lengths) - lengths))
        scale, bias, enter = self.search_tables
        phones, counts = viterbi(logits, lengths, scale * np.float32(2.0**-bits), bias, enter)
        if (counts == 0).any():
            _raise_not_finite(counts > 0)
        return phones, counts

    def error(
        self, logits: ArrayLike, lengths: ArrayLike, segment_phones: ArrayLike, segment_counts: ArrayLike
    ) -> PhoneErrors:
        """Decode and score, see `errors_of`. Raises InputError as `decode` does, ValueError as `errors_of` does."""
        return errors_of(*self.decode(logits, lengths), segment_phones, segment_counts)

    def errors(
        self, phones: ArrayLike, counts: ArrayLike, segment_phones: ArrayLike, segment_counts: ArrayLike
    ) -> PhoneErrors:
        """Score decoded phones, see `errors_of`."""
        return errors_of(phones, counts, segment_phones, segment_counts)

    def to_json(self) -> dict[str, Any]:
        """What names it in a card: its kind; the rest is in arrays."""
        return {"kind": self.kind}

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Convert to named arrays for a safetensors file; scalars are float64 []."""
        scalars = {name: np.array(getattr(self, name), dtype=np.float64) for name in _SCALARS}
        return {"log_bigram": self.log_bigram, "log_prior": self.log_prior, **scalars}

    @staticmethod
    def from_arrays(arrays: dict[str, NDArray[np.generic]]) -> "Decoder":
        """Decoder from the arrays of `to_arrays`. Raises InputError if an array is missing or does not fit."""
        needed = ("log_bigram", "log_prior", *_SCALARS)
        missing = [name for name in needed if name not in arrays]
        if missing:
            raise InputError(f"decoder arrays lack {', '.join(missing)}; needed are {', '.join(needed)}")
        scalars = {name: float(np.asarray(arrays[name]).item()) for name in _SCALARS}
        return Decoder(np.asarray(arrays["log_bigram"]), np.asarray(arrays["log_prior"]), **scalars)


def errors_of(
    phones: ArrayLike, counts: ArrayLike, segment_phones: ArrayLike, segment_counts: ArrayLike
) -> PhoneErrors:
    """Score decoded 48-set phones on 39 phones against references: 61-set phones [P] and phones per utterance [U].

    Raises ValueError as `score` and `scored_phones` do.
    """
    return score(
        *scored_phones(segment_phones, segment_counts, FOLD_61_TO_39), *scored_phones(phones, counts, FOLD_48_TO_39)
    )


_SCALARS = ("acoustic_scale", "prior_scale", "phone_penalty")


def estimate_decoder(segment_phones: ArrayLike, segment_counts: ArrayLike, targets: ArrayLike) -> Decoder:
    """Estimate bigram and priors on a training set: 61-set phones [P], phones per utterance [U], targets 0..143 [N].

    The bigram has Witten-Bell smoothing, which has no parameter to choose: the more different phones follow a phone,
    the more of its probability goes to the unigram. Unigram and priors start from one count each.
    Source: I. Witten and T. Bell, "The zero-frequency problem", IEEE Trans. Information Theory 37(4), 1991, method C.
    Raises InputError for targets out of range, ValueError for phones out of range or counts that do not add up to P.
    """
    phones, counts = fold_utterances(segment_phones, segment_counts, FOLD_61_TO_48)
    previous = np.empty(len(phones), dtype=np.int64)
    previous[1:] = phones[:-1]
    previous[(np.cumsum(counts) - counts)[counts > 0]] = UTTERANCE_START
    pairs = np.zeros((PHONES + 1, PHONES))
    np.add.at(pairs, (previous, phones), 1)
    unigram = (pairs.sum(axis=0) + 1) / (pairs.sum() + PHONES)
    followers = np.count_nonzero(pairs, axis=1, keepdims=True)
    # A phone that nothing follows has neither pairs nor followers; one pseudo-follower leaves it the bare unigram.
    followers = np.maximum(followers, 1)
    bigram = (pairs + followers * unigram) / (pairs.sum(axis=1, keepdims=True) + followers)

    targets = np.asarray(targets)
    if targets.size and (targets.min() < 0 or targets.max() >= TARGETS):
        raise InputError(f"frame targets must be in 0..{TARGETS - 1}, not {targets.min()}..{targets.max()}")
    frames = np.bincount(targets, minlength=TARGETS) + 1.0
    return Decoder(np.log(bigram).astype(np.float32), np.log(frames / frames.sum()).astype(np.float32))


def tune(
    decoder: Decoder, logits: ArrayLike, lengths: ArrayLike, segment_phones: ArrayLike, segment_counts: ArrayLike
) -> Decoder:
    """Tune scales and penalty: those of least phone error in a fixed grid (first if equal); bigram and priors stay.

    Arguments and errors as in `Decoder.error`.
    """
    references = scored_phones(segment_phones, segment_counts, FOLD_61_TO_39)

    def percent(candidate: Decoder) -> float:
        return score(*references, *scored_phones(*candidate.decode(logits, lengths), FOLD_48_TO_39)).percent

    grid = product(ACOUSTIC_SCALES, PRIOR_SCALES, PHONE_PENALTIES)
    return min((replace(decoder, acoustic_scale=a, prior_scale=r, phone_penalty=p) for a, r, p in grid), key=percent)


def _raise_not_finite(finite: NDArray[np.bool_]) -> None:
    bad = np.flatnonzero(~finite)
    raise InputError(
        f"logits are not finite, or overflow, in {len(bad)} of {len(finite)} utterances (first: utterance {bad[0]})"
    )
