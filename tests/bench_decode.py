"""Decoding speed against plain numpy. Run by hand: python tests/bench_decode.py"""

import time

import numpy as np

from dse.phones.decode import PHONES, TARGETS, UTTERANCE_START, Decoder, estimate_decoder
from dse.phones.sets import PHONES_61, frame_targets

UTTERANCES = 400
NUMPY_UTTERANCES = 20


def make_speechlike(seed: int) -> tuple[Decoder, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A decoder, logits [N, 144] that are right in about two frames of three, lengths, and 61-set references."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(25, 50, UTTERANCES)
    phones = rng.zipf(1.3, 10 * counts.sum())
    phones = phones[phones <= len(PHONES_61)][: counts.sum()] - 1
    frames = rng.integers(3, 11, len(phones))
    lengths = np.add.reduceat(frames, np.cumsum(counts) - counts)
    states = np.concatenate([np.arange(n) * 3 // n for n in frames])
    targets = frame_targets(np.repeat(phones, frames), states)
    logits = rng.normal(0, 2, (len(targets), TARGETS))
    logits[np.arange(len(targets)), targets] += 6
    return estimate_decoder(phones, counts, targets), logits.astype(np.float32), lengths, phones, counts


def numpy_viterbi(decoder: Decoder, logits: np.ndarray) -> list[int]:
    """The same search for one utterance: one numpy step per frame, stored backpointers."""
    emission = decoder.acoustic_scale * (logits - decoder.prior_scale * decoder.log_prior)
    enter = decoder.log_bigram - np.float32(decoder.phone_penalty)
    scores = np.full((PHONES, 3), -np.inf, dtype=np.float32)
    scores[:, 0] = enter[UTTERANCE_START]
    scores += emission[0].reshape(PHONES, 3)
    came = np.empty((len(logits), PHONES, 3), dtype=bool)
    source = np.empty((len(logits), PHONES), dtype=np.int64)
    for t in range(1, len(logits)):
        entries = scores[:, 2, None] + enter[:PHONES]
        source[t] = entries.argmax(axis=0)
        moved = np.column_stack([entries.max(axis=0), scores[:, 0], scores[:, 1]])
        came[t] = moved > scores
        scores = np.where(came[t], moved, scores) + emission[t].reshape(PHONES, 3)
    phone, state = int(scores[:, 2].argmax()), 2
    path = [phone]
    for t in range(len(logits) - 1, 0, -1):
        if came[t, phone, state]:
            if state == 0:
                phone = int(source[t, phone])
                path.append(phone)
            state = (state - 1) % 3
    return path[::-1]


def main() -> None:
    decoder, logits, lengths, phones, counts = make_speechlike(0)
    decoder.decode(logits[: lengths[0]], lengths[:1])
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        decoded, decoded_counts = decoder.decode(logits, lengths)
        seconds.append(time.perf_counter() - begin)
    compiled = len(logits) / min(seconds)

    some = logits[: lengths[:NUMPY_UTTERANCES].sum()]
    begin = time.perf_counter()
    paths = [numpy_viterbi(decoder, u) for u in np.split(some, np.cumsum(lengths[: NUMPY_UTTERANCES - 1]))]
    plain = len(some) / (time.perf_counter() - begin)
    same = [p.tolist() for p in np.split(decoded, np.cumsum(decoded_counts)[:-1])[:NUMPY_UTTERANCES]] == paths

    errors = decoder.error(logits, lengths, phones, counts)
    print(f"{len(logits)} frames, {UTTERANCES} utterances, one core, PER {errors.percent:.2f} %")
    print(f"compiled {compiled:,.0f} frames/s (best of {[round(s, 3) for s in seconds]} s)")
    print(f"numpy    {plain:,.0f} frames/s; ratio {compiled / plain:.0f}; same phones: {same}")


if __name__ == "__main__":
    main()
