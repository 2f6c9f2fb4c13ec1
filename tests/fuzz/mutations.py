"""Seeded mutations of files and of values that are read from JSON."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

MOST_CHANGES = 4
HEAD_BYTES = 1024  # where formats have their headers: half of all changes come there
NUMBERS = (0, 1, -1, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1)
WORDS = (
    b"", b"0", b"-1", b"1e309", b"nan", b"inf", b"99999999999999999999", b"[", b"]", b"{", b"\"", b"=", b"\n", b"\r\n",
    b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b" ", b"\t", b"true", b"null", b"[" * 2000, b"h#", b"../x", b"a:b:3", b"|",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 0.5, -0.5, 1e300, -1e300, 10**30, float("nan"), float("inf"), "", "x", "ok", "nan",
    "3", [], {}, [0], [None], {"a": 1}, [[]], {"l0.input": 1.5},
)  # fmt: skip


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Change bytes of a file, one to four times."""
    for _ in range(rng.randint(1, MOST_CHANGES)):
        content = rng.choice(BYTES)(content, rng)
    return content


def mutated_value(value: Any, rng: random.Random) -> Any:
    """Change one place of a nested value: another value, one more key, one less."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        action = rng.random()
        if action < 0.1:
            return {name: rest for name, rest in value.items() if name != key}
        if action < 0.15:
            return {**value, rng.choice(("x", "", "extra", key + "_")): rng.choice(VALUES)}
        return {**value, key: mutated_value(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        place = rng.randrange(len(value))
        action = rng.random()
        if action < 0.15:
            return value[:place] + value[place + 1 :]
        if action < 0.3:
            return [*value[:place], value[place], *value[place:]]
        return [*value[:place], mutated_value(value[place], rng), *value[place + 1 :]]
    if isinstance(value, int | float) and not isinstance(value, bool) and rng.random() < 0.5:
        return rng.choice((-value, value + 1, value * 1000, value - 1, str(value), value / 3, [value]))
    if isinstance(value, str) and value and rng.random() < 0.5:
        return mutated(value.encode(), rng).decode("utf-8", "replace")
    return rng.choice(VALUES)


def _place(content: bytes, rng: random.Random) -> int:
    head = min(len(content), HEAD_BYTES)
    return rng.randrange((head if rng.random() < 0.5 else len(content)) or 1)


def _flip(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    if changed:
        changed[_place(content, rng)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _set(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    if changed:
        changed[_place(content, rng)] = rng.randrange(256)
    return bytes(changed)


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: _place(content, rng)]


def _drop(content: bytes, rng: random.Random) -> bytes:
    place = _place(content, rng)
    return content[:place] + content[place + rng.choice((1, 2, 4, 64, 4096)) :]


def _insert(content: bytes, rng: random.Random) -> bytes:
    place = _place(content, rng)
    return content[:place] + rng.choice((rng.choice(WORDS), rng.randbytes(rng.randint(1, 8)))) + content[place:]


def _repeat(content: bytes, rng: random.Random) -> bytes:
    place, length = _place(content, rng), rng.choice((1, 8, 100, 1000))
    return content[:place] + content[place : place + length] * 2 + content[place + length :]


def _number(content: bytes, rng: random.Random) -> bytes:
    """A number of 1 to 8 bytes, little- or big-endian, of those at which integers break."""
    code = rng.choice(("<B", "<H", "<I", "<Q", ">H", ">I"))
    size = struct.calcsize(code)
    place = _place(content, rng)
    return content[:place] + struct.pack(code, rng.choice(NUMBERS) % 256**size) + content[place + size :]


def _word(content: bytes, rng: random.Random) -> bytes:
    """Another word in place of one between blanks."""
    words = content[:HEAD_BYTES].split(b" ")
    words[rng.randrange(len(words))] = rng.choice(WORDS)
    return b" ".join(words) + content[HEAD_BYTES:]


def _swap_lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.split(b"\n")
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return b"\n".join(lines)


BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip, _set, _cut, _drop, _insert, _repeat, _number, _word, _swap_lines,
)  # fmt: skip
