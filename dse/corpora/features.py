"""Log-mel filterbank features as Kaldi computes them, and the phone under each frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dse.corpora.base import SAMPLE_RATE_HZ, Segment
from dse.phones.sets import PHONES_61

# Source: Rezk et al., "Multi-objective hardware-aware quantization" (MOHAQ), 2022: 23 log-mel bins of TIMIT, computed
# by Kaldi; everything not named here is Kaldi's default.
BINS = 23
WINDOW_SAMPLES = 400  # 25 ms
SHIFT_SAMPLES = 160  # 10 ms
WINDOW_TYPE = "hamming"
LEAST_REACH = 1e-4  # of the reach of other dimensions, below which one counts as constant
FRAME_SECONDS = SHIFT_SAMPLES / SAMPLE_RATE_HZ

_PHONE_INDEX = {phone: index for index, phone in enumerate(PHONES_61)}


def log_mel(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Log-mel features float32 [T, 23] of samples int16 [S] at 16 kHz; T = 1 + (S - 400) // 160, at least 0.

    Samples are taken at int16 scale.
    """
    import kaldi_native_fbank

    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = SAMPLE_RATE_HZ
    options.frame_opts.frame_length_ms = 1000 * WINDOW_SAMPLES / SAMPLE_RATE_HZ
    options.frame_opts.frame_shift_ms = 1000 * SHIFT_SAMPLES / SAMPLE_RATE_HZ
    options.frame_opts.window_type = WINDOW_TYPE
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = True
    options.mel_opts.num_bins = BINS
    filterbank = kaldi_native_fbank.OnlineFbank(options)
    filterbank.accept_waveform(SAMPLE_RATE_HZ, samples.tolist())
    filterbank.input_finished()
    frames = [filterbank.get_frame(index) for index in range(filterbank.num_frames_ready)]
    return np.array(frames, dtype=np.float32).reshape(-1, BINS)


def subtract_speaker_means(features: Sequence[NDArray[np.float32]], speakers: Sequence[str]) -> None:
    """Subtract from each utterance [T, 23], in place, the mean frame of all the given utterances of its speaker."""
    totals = {speaker: np.zeros(BINS) for speaker in speakers}
    frames = dict.fromkeys(speakers, 0)
    for utterance, speaker in zip(features, speakers, strict=True):
        totals[speaker] += utterance.sum(axis=0, dtype=np.float64)
        frames[speaker] += len(utterance)
    for utterance, speaker in zip(features, speakers, strict=True):
        utterance -= (totals[speaker] / max(frames[speaker], 1)).astype(np.float32)


def unvarying(features: NDArray[np.float32]) -> tuple[int, ...]:
    """Dimensions of features [N, D] that never vary, but for what rounding leaves of a constant."""
    reach = features.max(axis=0) - features.min(axis=0)
    varying = reach[reach > 0]
    typical = np.median(varying) if len(varying) else 0.0
    return tuple(np.flatnonzero(reach <= LEAST_REACH * typical).tolist())


def standardisation(features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and deviation [D] by which a network standardises features [N, D].

    A dimension that never varies gets the deviation that others have, so that nothing is divided by 0 and speech in
    which it does vary stays within reach.
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    flat = list(unvarying(features))
    others = np.delete(deviation, flat)
    deviation[flat] = np.median(others) if len(others) else 1.0
    return mean, deviation


def frame_phones(segments: Sequence[Segment], frames: int) -> NDArray[np.int16]:
    """Phone of each frame, int16 [T]: index in `PHONES_61` of the segment under the frame's centre sample."""
    return phone_indices(segments)[_frame_segments(segments, frames)]


def frame_states(segments: Sequence[Segment], frames: int) -> NDArray[np.int8]:
    """State of each frame, int8 [T]: the third (0, 1, 2) of its segment that its centre sample lies in."""
    under = _frame_segments(segments, frames)
    starts = np.array([s.start_sample for s in segments])[under]
    ends = np.array([s.end_sample for s in segments])[under]
    return (3 * (_centres(frames) - starts) // (ends - starts)).astype(np.int8)


def phone_indices(segments: Sequence[Segment]) -> NDArray[np.int16]:
    """Index in `PHONES_61` of each segment, int16 [P]."""
    return np.array([_PHONE_INDEX[s.phone] for s in segments], np.int16)


def _centres(frames: int) -> NDArray[np.int64]:
    return np.arange(frames, dtype=np.int64) * SHIFT_SAMPLES + WINDOW_SAMPLES // 2


def _frame_segments(segments: Sequence[Segment], frames: int) -> NDArray[np.int64]:
    return np.searchsorted([s.end_sample for s in segments], _centres(frames), side="right")
