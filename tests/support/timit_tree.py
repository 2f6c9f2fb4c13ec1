"""Small trees of files in TIMIT's layouts, with tones for speech, for tests."""

import io
import os
import struct
import wave
from pathlib import Path

import numpy as np

SENTENCES = ("SA1", "SI10", "SX20")
SAMPLES = 6000
PHONES = (("h#", 1000), ("sh", 2200), ("iy", 3600), ("tcl", 4300), ("t", 5000), ("h#", 6000))


def tone(seed: int, samples: int = SAMPLES) -> np.ndarray:
    rng = np.random.default_rng(seed)
    wave_ = 6000 * np.sin(2 * np.pi * rng.uniform(100, 900) * np.arange(samples) / 16_000)
    return (wave_ + rng.normal(0, 30, samples)).astype(np.int16)


def sphere(
    samples: np.ndarray, order: str = "01", rate: int = 16_000, channels: int = 1, coding: str = "", count: int = -1
) -> bytes:
    fields = [
        f"channel_count -i {channels}",
        f"sample_count -i {len(samples) if count < 0 else count}",
        f"sample_rate -i {rate}",
        "sample_n_bytes -i 2",
        f"sample_byte_format -s2 {order}",
        *([f"sample_coding -s{len(coding)} {coding}"] if coding else []),
        "end_head",
    ]
    header = "NIST_1A\n   1024\n" + "\n".join(fields) + "\n"
    return header.ljust(1024).encode() + samples.astype("<i2" if order == "01" else ">i2").tobytes()


def riff(samples: np.ndarray, rate: int = 16_000, channels: int = 1, width: int = 2) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setframerate(rate)
        file.setsampwidth(width)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()


def extensible(samples: np.ndarray) -> bytes:
    """The same audio as `riff` writes, as format 0xFFFE with the subformat of PCM."""
    tail = struct.pack("<HHIHHHH", 22, 16, 4, 1, 0, 0, 0x10) + bytes.fromhex("800000aa00389b71")
    form = struct.pack("<HHIIHH", 0xFFFE, 1, 16_000, 32_000, 2, 16) + tail
    chunks = b"WAVE" + chunk(b"fmt ", form) + chunk(b"data", samples.astype("<i2").tobytes())
    return chunk(b"RIFF", chunks)


def streamed(audio: bytes, size: int = 0xFFFFFFFF) -> bytes:
    """RIFF audio whose length was not known when its header was written."""
    unknown = struct.pack("<I", size)
    data = audio.index(b"data") + 4
    return audio[:4] + unknown + audio[8:data] + unknown + audio[data + 4 :]


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def labels(phones: tuple[tuple[str, int], ...] = PHONES) -> str:
    starts = [0, *(end for _, end in phones[:-1])]
    return "".join(f"{start} {end} {phone}\n" for start, (phone, end) in zip(starts, phones, strict=True))


def write_ldc(root: Path, speakers: dict[str, str]) -> Path:
    """LDC layout, SPHERE; speakers: name -> folder, as in {"FAAA0": "TRAIN/DR1"}."""
    for seed, (speaker, folder) in enumerate(sorted(speakers.items())):
        place = root / folder / speaker
        place.mkdir(parents=True)
        for number, sentence in enumerate(SENTENCES):
            (place / f"{sentence}.WAV").write_bytes(sphere(tone(10 * seed + number)))
            (place / f"{sentence}.PHN").write_text(labels())
    return root


def write_nltk(root: Path, speakers: dict[str, str]) -> Path:
    """The same utterances in NLTK's layout, RIFF."""
    for seed, (speaker, folder) in enumerate(sorted(speakers.items())):
        place = root / f"{folder.split('/')[1]}-{speaker}".lower()
        place.mkdir(parents=True)
        for number, sentence in enumerate(SENTENCES):
            (place / f"{sentence}.wav".lower()).write_bytes(riff(tone(10 * seed + number)))
            (place / f"{sentence}.phn".lower()).write_text(labels())
    return root


FOUR = {"FAAA0": "TRAIN/DR1", "MBBB0": "TRAIN/DR1", "FCCC0": "TRAIN/DR2", "MDDD0": "TRAIN/DR2"}


def sample_folder(name: str) -> Path | None:
    """A folder of the real sample, from DSE_TIMIT_SAMPLE or beside the repository; None where it is not there."""
    root = os.environ.get("DSE_TIMIT_SAMPLE") or Path(__file__).parents[2] / "shared" / "data"
    folder = Path(root) / name
    return folder if folder.is_dir() else None
