"""Readers of TIMIT's files: NIST SPHERE or RIFF audio, and phone labels in samples.

Each error is one line without the file's name.
"""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dse.corpora.base import SAMPLE_RATE_HZ, Segment
from dse.corpora.features import SHIFT_SAMPLES, WINDOW_SAMPLES
from dse.corpora.timit.newlines import LEAST_BYTES, restore_carriage_returns
from dse.phones.sets import PHONES_61
from models.workload import InputError

LEAST_SAMPLES = WINDOW_SAMPLES + 2 * SHIFT_SAMPLES  # three frames, what the decoder needs for one phone
SILENCE, PAUSE = "h#", "pau"
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
        lines = content[16:size].decode("latin-1").split("end_head")[0].splitlines()
        fields = {words[0]: words[2] for words in (line.split(None, 2) for line in lines) if len(words) == 3}
        channels, rate = int(fields["channel_count"]), int(fields["sample_rate"])
        width = int(fields["sample_n_bytes"])
        declared = int(fields.get("sample_count", (len(content) - size) // (width * channels)))
    except (ValueError, KeyError, ZeroDivisionError) as error:
        raise InputError(f"damaged NIST SPHERE header ({error})") from None
    coding = fields.get("sample_coding", "pcm")
    if coding != "pcm":
        raise InputError(f"compressed audio ({coding}) is not read; {_CONVERT}")
    order = fields.get("sample_byte_format", "01")
    if order not in ("01", "10"):
        raise InputError(f"sample_byte_format {order} is neither 01 (low byte first) nor 10")
    _check_format(channels, rate, width)
    return content[size:], declared * width, "<" if order == "01" else ">"


def _riff(content: bytes) -> tuple[bytes, int, str]:
    try:
        with wave.open(io.BytesIO(content)) as file:
            _check_format(file.getnchannels(), file.getframerate(), file.getsampwidth())
            return file.readframes(file.getnframes()), file.getnframes() * 2, "<"
    except (wave.Error, EOFError) as error:
        raise InputError(f"damaged RIFF audio or not PCM ({error or 'it ends in its header'})") from None


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
    accordingly. Gaps shorter than a window (25 ms) go to the phone before them (at the start, after them); longer ones
    become h# at either end, and pau between phones.
    Raises InputError for unknown phones, labels that are empty, overlap or lie out of the audio.
    """
    segments: list[Segment] = []
    lines = [(number, line.split()) for number, line in enumerate(path.read_text("latin-1").splitlines(), 1)]
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
            start = _fill_gap(segments, previous, start, phone)
        segments.append(Segment(start, min(end, samples), phone))
    if not segments:
        raise InputError("no phone in the file")
    last = segments[-1]
    if samples - last.end_sample < WINDOW_SAMPLES or last.phone == SILENCE:
        segments[-1] = Segment(last.start_sample, samples, last.phone)
    else:
        segments.append(Segment(last.end_sample, samples, SILENCE))
    return tuple(segments)


def _fill_gap(segments: list[Segment], previous: int, start: int, phone: str) -> int:
    """Cover the samples between `previous` and `start` of `phone`; returns where its segment starts."""
    short = start - previous < WINDOW_SAMPLES
    if not segments and (short or phone == SILENCE):
        return previous
    if short:
        segments[-1] = Segment(segments[-1].start_sample, start, segments[-1].phone)
    else:
        segments.append(Segment(previous, start, PAUSE if segments else SILENCE))
    return start
