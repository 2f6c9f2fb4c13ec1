"""Readers of TIMIT's files: NIST SPHERE or RIFF audio, and phone labels in samples.

Each error is one line without the file's name.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dse.corpora.base import SAMPLE_RATE_HZ, Segment
from dse.corpora.features import SHIFT_SAMPLES, WINDOW_SAMPLES
from dse.corpora.timit.newlines import LEAST_BYTES, restore_carriage_returns
from dse.corpora.timit.riff import read_riff
from dse.phones.sets import PHONES_61
from models.workload import InputError

SPHERE_BLOCK_BYTES = 1024  # of which a header is a multiple; samples may be padded to it
LEAST_SAMPLES = WINDOW_SAMPLES + 2 * SHIFT_SAMPLES  # three frames, what the decoder needs for one phone
SILENCE = "h#"
SILENT = (SILENCE, "pau", "epi")
# What may be without a label. In 160 files of TIMIT no gap lies between two labels, all labels start at 0 and end in
# h#, 119 samples before the end at most, but for one file with 2802.
GAP_SAMPLES = WINDOW_SAMPLES  # between two labels, 25 ms
EDGE_SAMPLES = 1600  # before the first label, and after the last one unless that is h#: 0.1 s
TAIL_SAMPLES = 8000  # after a last h#: 0.5 s
_CONVERT = "convert it to PCM, for example with `sph2pipe -f wav -p IN OUT`"
_LOST_BYTES = 16  # that many at most are missing where line ends were converted


def read_audio(path: Path) -> tuple[NDArray[np.int16], bool]:
    """Read samples int16 [S] of one channel at 16 kHz, and whether lost carriage returns had to be restored.

    Raises InputError for anything else, OSError if the file cannot be read.
    """
    content = path.read_bytes()
    if not content:
        raise InputError("the file is empty")
    if content.startswith(b"NIST_1A"):
        payload, declared_bytes, byte_order = _sphere(content)
    elif content.startswith(b"RIFF"):
        payload, declared_bytes, byte_order = _riff(content)
    else:
        raise InputError(f"neither NIST SPHERE nor RIFF audio, it starts with {content[:8]!r}")
    converted = len(payload) >= LEAST_BYTES and b"\r" not in payload
    missing = declared_bytes - len(payload)
    if missing > (_LOST_BYTES if converted else 0):
        raise InputError(f"truncated: {len(payload) // 2} of {declared_bytes // 2} samples")
    payload = payload[:declared_bytes]
    count, repaired = len(payload) // 2, False
    if converted and byte_order == "<":
        payload, repaired = restore_carriage_returns(payload)
    samples = np.frombuffer(payload, byte_order + "i2", count).astype(np.int16)
    if count < LEAST_SAMPLES:
        raise InputError(f"too short: {count} samples, at least {LEAST_SAMPLES} are needed for three frames")
    return samples, repaired


def _sphere(content: bytes) -> tuple[bytes, int, str]:
    """Payload, declared bytes and byte order of NIST SPHERE audio.

    Source: NIST SPeech HEader REsources: fields `name -type value` in a header that states its own size.
    """
    try:
        size = int(content[8:16])
        head, end, _ = content[16:size].decode("latin-1").partition("end_head")
        if not end or size % SPHERE_BLOCK_BYTES:
            raise ValueError("it does not end where it says")
        lines = head.splitlines()
        fields = {words[0]: words[2] for words in (line.split(None, 2) for line in lines) if len(words) == 3}
        channels, rate = int(fields["channel_count"]), int(fields["sample_rate"])
        width, order = int(fields["sample_n_bytes"]), fields["sample_byte_format"]
        declared = int(fields.get("sample_count", (len(content) - size) // (width * channels)))
        if declared < 0 or len(content) - size - declared * width >= SPHERE_BLOCK_BYTES:
            raise ValueError(f"{declared} samples stated, {(len(content) - size) // 2} there")
    except (ValueError, KeyError, ZeroDivisionError) as error:
        raise InputError(f"damaged NIST SPHERE header ({error})") from None
    coding = fields.get("sample_coding", "pcm")
    if coding != "pcm":
        raise InputError(f"compressed audio ({coding}) is not read; {_CONVERT}")
    if order not in ("01", "10"):
        raise InputError(f"sample_byte_format {order} is neither 01 (low byte first) nor 10")
    _check_format(channels, rate, width)
    return content[size:], declared * width, "<" if order == "01" else ">"


def _riff(content: bytes) -> tuple[bytes, int, str]:
    """Payload, declared bytes and byte order of RIFF audio."""
    riff = read_riff(content)
    _check_format(riff.channels, riff.rate_hz, riff.width_bytes)
    return riff.payload, riff.declared_bytes, "<"


def _check_format(channels: int, rate_hz: int, width_bytes: int) -> None:
    if channels != 1:
        raise InputError(f"{channels} channels; one is needed")
    if rate_hz != SAMPLE_RATE_HZ:
        raise InputError(f"sampled at {rate_hz} Hz; {SAMPLE_RATE_HZ} Hz is needed")
    if width_bytes != 2:
        raise InputError(f"{8 * width_bytes}-bit samples; 16-bit is needed")


def read_segments(path: Path, samples: int) -> tuple[Segment, ...]:
    """Read the phones of a .PHN file as segments that cover 0 to `samples` without a gap.

    TIMIT's last label may stop before the last sample, or a few samples after it. The last silence is prolonged or cut
    accordingly. Gaps shorter than a window (25 ms) go to the phone before them; what little is missing at either end
    becomes h#.
    Raises InputError for unknown phones, labels that are empty, overlap or lie out of the audio, longer gaps, and audio
    that goes on without labels or with nothing but silence.
    """
    segments: list[Segment] = []
    text = path.read_bytes().removeprefix(BOM_UTF8).decode("latin-1")
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1)]
    for number, words in lines:
        if not words:
            continue
        where = f"line {number}"
        if len(words) != 3 or not (words[0].isdecimal() and words[1].isdecimal()):
            raise InputError(f"{where} is not 'start end phone': '{' '.join(words)}'")
        start, end, phone = int(words[0]), int(words[1]), words[2].lower()
        previous = segments[-1].end_sample if segments else 0
        if phone not in PHONES_61:
            raise InputError(f"{where} has the unknown phone '{phone}'")
        if end <= start:
            raise InputError(f"{where}: '{phone}' ends at {end}, not after its start {start}")
        if start < previous:
            raise InputError(f"{where}: '{phone}' starts at {start} and overlaps the phone before it, up to {previous}")
        if start >= samples or end > samples + SHIFT_SAMPLES:
            raise InputError(f"{where}: '{phone}' from {start} to {end} is out of range, there are {samples} samples")
        if start > previous:
            start = _fill_gap(segments, previous, start, phone, where)
        segments.append(Segment(start, min(end, samples), phone))
    if not segments:
        raise InputError("no phone in the file")
    if all(segment.phone in SILENT for segment in segments):
        raise InputError(f"nothing but silence is labelled, up to {segments[-1].end_sample} of {samples} samples")
    _fill_tail(segments, samples)
    return tuple(segments)


def _fill_gap(segments: list[Segment], previous: int, start: int, phone: str, where: str) -> int:
    """Cover the samples between `previous` and `start` of `phone`; returns where its segment starts."""
    missing = start - previous
    if missing >= (GAP_SAMPLES if segments else EDGE_SAMPLES):
        raise InputError(f"{where}: '{phone}' starts at {start}; the {missing} samples before it have no label")
    if segments:
        segments[-1] = Segment(segments[-1].start_sample, start, segments[-1].phone)
    elif missing < GAP_SAMPLES or phone == SILENCE:
        return previous
    else:
        segments.append(Segment(previous, start, SILENCE))
    return start


def _fill_tail(segments: list[Segment], samples: int) -> None:
    """Cover the samples after the last label."""
    last = segments[-1]
    missing = samples - last.end_sample
    if missing >= (TAIL_SAMPLES if last.phone == SILENCE else EDGE_SAMPLES):
        raise InputError(
            f"truncated: the labels end with '{last.phone}' at {last.end_sample} of {samples} samples, so the last "
            f"{missing} have none"
        )
    if missing < GAP_SAMPLES or last.phone == SILENCE:
        segments[-1] = Segment(last.start_sample, samples, last.phone)
    else:
        segments.append(Segment(last.end_sample, samples, SILENCE))
