"""TIMIT's audio and phone labels: formats, gaps, lost carriage returns."""

import contextlib
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timit_tree import PHONES, SAMPLES, chunk, extensible, labels, riff, sphere, streamed, tone

from dse.corpora.timit.audio import EDGE_SAMPLES, GAP_SAMPLES, read_audio, read_segments
from dse.corpora.timit.newlines import LEAST_BYTES, restore_carriage_returns
from dse.corpora.timit.riff import read_riff
from models.workload import InputError

SEEN_BYTES = 100  # behind a lost carriage return, which are enough to see that one was lost
LIST = chunk(b"LIST", b"INFOISFT\x0e\0\0\0Lavf61.7.100\0\0")
FORMS = {
    "sphere": sphere,
    "high byte first": lambda s: sphere(s, order="10"),
    "padded": lambda s: sphere(s) + b"padding",
    "riff": riff,
    "extensible": extensible,
    "chunks after": lambda s: riff(s) + LIST + chunk(b"id3 ", b"odd"),
    "chunks before": lambda s: riff(s)[:12] + LIST + chunk(b"fact", b"odd") + riff(s)[12:],
    "zeros after": lambda s: riff(s) + bytes(5),
    "streamed": lambda s: streamed(riff(s)),
    "streamed by sox": lambda s: streamed(riff(s), 0x7FFFF000),
    "streamed without a size": lambda s: streamed(riff(s), 0),
    "streamed extensible": lambda s: streamed(extensible(s)),
}


@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)
def test_audio_is_what_was_written(tmp_path: Path, make: Callable[[np.ndarray], bytes]) -> None:
    samples = tone(3)
    (tmp_path / "a.wav").write_bytes(make(samples))
    read, repaired = read_audio(tmp_path / "a.wav")
    assert read.dtype == np.int16 and np.array_equal(read, samples) and not repaired


@pytest.mark.parametrize("form", [form for form in FORMS if form not in ("padded", "zeros after")])
def test_a_flipped_bit_of_a_header_is_named_or_changes_nothing(tmp_path: Path, form: str) -> None:
    samples, path = tone(3, 3000), tmp_path / "a.wav"
    content = bytearray(FORMS[form](samples))
    header = 1024 if content.startswith(b"NIST") else content.index(b"data") + 8
    for place in range(header):
        if content[place] == ord(" ") and place > 300:
            continue  # padding of SPHERE
        for bit in range(8):
            content[place] ^= 1 << bit
            path.write_bytes(content)
            content[place] ^= 1 << bit
            try:
                read, _ = read_audio(path)
            except InputError as error:
                assert "\n" not in str(error)
            else:
                assert np.array_equal(read, samples), (place, bit)


@given(st.binary(max_size=200), st.integers(0, 44))
def test_whatever_is_no_riff_is_named(tail: bytes, kept: int) -> None:
    with contextlib.suppress(InputError):
        found = read_riff(riff(tone(1, 600))[:kept] + tail)
        assert len(found.payload) <= 44 + 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (labels(), list(PHONES)),
        (labels((*PHONES[:-1], ("h#", 5900))), list(PHONES)),  # TIMIT's usual end, before the last sample
        (labels((*PHONES[:-1], ("h#", 5100))), list(PHONES)),  # long before it
        (labels((*PHONES[:-1], ("h#", 6100))), list(PHONES)),  # after it
        (labels(PHONES[:-1]), [*PHONES[:-1], ("h#", 6000)]),
        (labels().replace("0 1000", "700 1000", 1), list(PHONES)),
        ("200 3000 iy\n3100 5800 t\n", [("iy", 3100), ("t", 6000)]),
        ("800 3000 iy\n3000 5000 t\n", [("h#", 800), ("iy", 3000), ("t", 5000), ("h#", 6000)]),
    ],
)
def test_segments_cover_the_audio(tmp_path: Path, text: str, expected: list[tuple[str, int]]) -> None:
    (tmp_path / "a.phn").write_text(text)
    segments = read_segments(tmp_path / "a.phn", SAMPLES)
    assert [(s.phone, s.end_sample) for s in segments] == expected
    assert [s.start_sample for s in segments] == [0, *(end for _, end in expected[:-1])]


@pytest.mark.parametrize("samples", [SAMPLES, 10 * SAMPLES])
@pytest.mark.parametrize("first", range(len(PHONES)))
@pytest.mark.parametrize("last", range(len(PHONES)))
def test_labels_that_lack_lines_are_named_or_lack_little(tmp_path: Path, samples: int, first: int, last: int) -> None:
    """Whatever lines are missing at the start, at the end, or (where first > last) between."""
    scale = samples // SAMPLES
    lines = labels(tuple((phone, end * scale) for phone, end in PHONES)).splitlines(keepends=True)
    left = lines[first : last + 1] if first <= last else lines[: last + 1] + lines[first:]
    (tmp_path / "a.phn").write_text("".join(left))
    ends = [0, *(int(line.split()[1]) for line in lines)]
    lost = [(0, ends[first]), (ends[last + 1], samples)] if first <= last else [(ends[last + 1], ends[first])]
    try:
        segments = read_segments(tmp_path / "a.phn", samples)
    except InputError as error:
        message = str(error)
        assert "have no label" in message or "truncated" in message or "nothing but silence" in message
        assert any(end > start for start, end in lost)
        return
    between = first > last
    assert all(end - start < (GAP_SAMPLES if between else EDGE_SAMPLES) for start, end in lost)
    assert segments[0].start_sample == 0 and segments[-1].end_sample == samples


def test_a_first_silence_alone_is_truncated_in_audio_of_any_length(tmp_path: Path) -> None:
    (tmp_path / "a.phn").write_text("0 1000 h#\n")
    for samples in (1000, 1500, SAMPLES, 100_000):
        with pytest.raises(InputError, match=f"nothing but silence is labelled, up to 1000 of {samples} samples"):
            read_segments(tmp_path / "a.phn", samples)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(200, 8000), st.integers(0, 200))
def test_lost_carriage_returns_are_put_back(seed: int, loudness: float, noise: int) -> None:
    rng = np.random.default_rng(seed)
    time = np.arange(30_000) / 16_000
    tones = sum(np.sin(2 * np.pi * f * time + f) for f in rng.uniform(80, 700, 3)) * (1.2 + np.sin(3 * time))
    whole = (loudness / 3 * tones + rng.normal(0, noise, len(time))).astype("<i2").tobytes()
    converted = whole.replace(b"\r\n", b"\n")
    restored, changed = restore_carriage_returns(converted)
    at = [found.start() for found in re.finditer(b"\r\n", whole)]
    missing = len(whole) - len(restored)
    assert 0 <= missing <= len(at) and changed == (missing < len(at))
    # Two losses close to each other, or one close to the end, leave too few wrong samples behind them to be seen.
    if all(stop - start > SEEN_BYTES for start, stop in pairwise((*at, len(whole)))):
        assert missing == 0
    assert restore_carriage_returns(whole) == (whole, False)


def test_sound_audio_without_a_carriage_return_is_left_alone(tmp_path: Path) -> None:
    samples = np.frombuffer(tone(1).tobytes().replace(b"\r", b"\x0b"), np.int16)
    (tmp_path / "a.wav").write_bytes(riff(samples))
    assert 2 * len(samples) > LEAST_BYTES
    read, repaired = read_audio(tmp_path / "a.wav")
    assert np.array_equal(read, samples) and not repaired
