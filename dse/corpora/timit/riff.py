"""Reader of RIFF audio, as plain or extensible PCM, with stated or streamed sizes; the same on every Python.

It gives the bytes as they are in the file, which neither a library nor the standard one does: copies that lost carriage
returns have fewer than they state, and a sample may be cut in half.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from models.workload import InputError

PCM, EXTENSIBLE = 1, 0xFFFE
# Source: Microsoft, mmreg.h: KSDATAFORMAT_SUBTYPE_PCM, the format's number and a constant tail.
PCM_SUBFORMAT = struct.pack("<HHHH", PCM, 0, 0, 0x10) + bytes.fromhex("800000aa00389b71")
UNKNOWN_SIZES = (0xFFFFFFFF, 0x7FFFF000)  # of streams, as ffmpeg and sox write them; others write 0


@dataclass(frozen=True)
class Riff:
    """Audio of a RIFF file: format, bytes of the samples that are there, and how many it states."""

    channels: int
    rate_hz: int
    width_bytes: int
    payload: bytes
    declared_bytes: int


def read_riff(content: bytes) -> Riff:
    """Read a RIFF file's content. Raises InputError for anything but PCM and for a header that contradicts itself."""
    if content[8:12] != b"WAVE":
        raise InputError(f"damaged RIFF audio: {content[8:12]!r} in place of WAVE")
    form: tuple[int, int, int] | None = None
    place = 12
    while place + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, place)
        place += 8
        body = content[place : place + size]
        if name == b"fmt ":
            form = _format(body)
        elif name == b"data":
            if form is None:
                raise InputError("damaged RIFF audio: no format before its samples")
            if size in UNKNOWN_SIZES or (size == 0 and not _ends_in_chunks(content, place)):
                return Riff(*form, content[place:], len(content) - place)
            if size % form[2] or not _ends_in_chunks(content, place + size):
                raise InputError(f"damaged RIFF audio: what follows its {size} bytes of samples is no RIFF")
            return Riff(*form, body, size)
        elif not _is_name(name):
            break
        place += size + size % 2
    raise InputError("damaged RIFF audio: it ends in its header, or has no samples")


def _format(body: bytes) -> tuple[int, int, int]:
    """Channels, rate in Hz and bytes a sample of a format chunk."""
    if len(body) < 16:
        raise InputError("damaged RIFF audio: it ends in its header")
    tag, channels, rate_hz, bytes_per_second, bytes_per_frame, bits = struct.unpack_from("<HHIIHH", body)
    if tag == EXTENSIBLE and len(body) >= 40:
        tag = PCM if body[24:40] == PCM_SUBFORMAT else EXTENSIBLE
        if (valid_bits := struct.unpack_from("<H", body, 18)[0]) not in (0, bits):
            raise InputError(f"samples of {valid_bits} bits in {bits}; 16-bit is needed")
    if tag != PCM:
        raise InputError(f"not PCM (format {tag}); convert it, for example with `sox IN -b 16 -e signed OUT`")
    width = (bits + 7) // 8
    if not width or bytes_per_frame != channels * width or bytes_per_second != rate_hz * bytes_per_frame:
        raise InputError("damaged RIFF audio: its header contradicts itself")
    return channels, rate_hz, width


def _ends_in_chunks(content: bytes, place: int) -> bool:
    """Whether from `place` on there is nothing, zeros that pad a block, or chunks with names and all they state."""
    place += place % 2
    while place < len(content) and any(memoryview(content)[place:]):
        name, size = content[place : place + 4], content[place + 4 : place + 8]
        if len(size) < 4 or not _is_name(name):
            return False
        place += 8 + int.from_bytes(size, "little")
        if place > len(content):
            return False
        place += place % 2
    return True


def _is_name(name: bytes) -> bool:
    return all(32 <= letter < 127 for letter in name)
