"""Synthetic speakers: a voice and a room drawn from the speaker's own seed, and the utterances spoken with them.

`python -m dse.corpora.synthetic.speaker NAME COUNT FILE` writes the first COUNT utterances as an npz file. The corpus
runs it once per speaker, because espeak-ng repeats itself exactly only in a fresh process.
"""

from __future__ import annotations

import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.corpora.base import SAMPLE_RATE_HZ, SPLITS, Segment, Utterance
from dse.corpora.cache import write_atomically
from dse.corpora.synthetic.align import SILENCE, align
from dse.corpora.synthetic.espeak import SAMPLE_RATE_HZ as ESPEAK_RATE_HZ
from dse.corpora.synthetic.espeak import Espeak
from dse.corpora.synthetic.text import sentence
from dse.phones.sets import PHONES_61

SEED = 2023
SPEAKERS = {"train": 56, "validation": 20, "test": 12}
UTTERANCES = {"train": 30, "validation": 20, "test": 16}  # per speaker
DAMAGED = (OSError, ValueError, KeyError, EOFError, IndexError, zipfile.BadZipFile)  # reading a broken npz file
RESAMPLE_UP, RESAMPLE_DOWN = 320, 441  # 16,000 / 22,050 Hz


@dataclass(frozen=True, eq=False)
class Voice:
    """Voice of a speaker: espeak-ng's voice file and rate, the vocal tract, the room and the microphone."""

    voice_file: str
    words_per_minute: int
    resample_down: int  # above 441 the vocal tract is shorter and all formants lie higher
    gain: NDArray[np.float64]  # [BANDS] gain of the microphone at equal steps from 0 to 8 kHz
    room: NDArray[np.float64]  # [R] impulse response at 16 kHz, direct sound first


def speaker_names(split: str) -> tuple[str, ...]:
    """Names of the split's speakers, men and women in turn."""
    return tuple(f"{split}_{'mf'[index % 2]}{index:02d}" for index in range(SPEAKERS[split]))


def _generator(name: str, *stream: int) -> np.random.Generator:
    split = name.split("_")[0]
    return np.random.default_rng((SEED, SPLITS.index(split), speaker_names(split).index(name), *stream))


def draw_voice(name: str) -> Voice:
    """Draw the voice, microphone and room of a speaker from the speaker's own seed."""
    rng = _generator(name, 0)
    female = name.split("_")[1].startswith("f")
    pitch_hz = int(rng.integers(145, 225) if female else rng.integers(75, 130))
    lines = [
        f"name {name}",
        "language en-us",
        f"gender {'female' if female else 'male'}",
        f"pitch {pitch_hz} {int(pitch_hz * rng.uniform(1.2, 1.6))}",
        *(f"formant {n} {rng.integers(92, 109)} {rng.integers(70, 131)} {rng.integers(75, 151)}" for n in range(1, 6)),
        f"flutter {rng.integers(1, 9)}",
        f"roughness {rng.integers(0, 5)}",
        f"voicing {rng.integers(75, 126)}",
        f"consonants {rng.integers(60, 131)} {rng.integers(60, 131)}",
        f"intonation {rng.integers(1, 5)}",
    ]
    if rng.random() < 0.3:
        lines.append(f"klatt {rng.integers(1, 5)}")
    tract = rng.uniform(1.02, 1.15) if female else rng.uniform(0.92, 1.05)
    return Voice(
        voice_file="\n".join(lines) + "\n",
        words_per_minute=int(rng.integers(130, 191)),
        resample_down=round(RESAMPLE_DOWN * tract),
        gain=_microphone_gain(rng),
        room=_room_response(rng),
    )


def _microphone_gain(rng: np.random.Generator, bands: int = 65) -> NDArray[np.float64]:
    """Gain [bands] of a tilt of up to 2.5 dB per octave and four broad bumps of up to 6 dB."""
    octaves = np.log2(np.maximum(np.linspace(0, SAMPLE_RATE_HZ / 2, bands), 100) / 1000)
    gain_db = rng.uniform(-2.5, 2.5) * octaves
    for _ in range(4):
        gain_db += rng.uniform(-6, 6) * np.exp(-(((octaves - rng.uniform(-2, 3)) / rng.uniform(0.3, 1)) ** 2))
    return 10 ** (gain_db / 20)


def _room_response(rng: np.random.Generator) -> NDArray[np.float64]:
    """Impulse response [R] of direct sound and exponentially decaying noise.

    The noise decays by 60 dB in 0.15 to 0.5 s and is 4 to 16 dB below the direct sound.
    """
    decay_seconds, direct_db = rng.uniform(0.15, 0.5), rng.uniform(4, 16)
    time_seconds = np.arange(int(0.4 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = rng.standard_normal(len(time_seconds)) * 10 ** (-3 * time_seconds / decay_seconds)
    tail[: SAMPLE_RATE_HZ // 500] = 0  # the first reflection comes after 2 ms
    tail *= 10 ** (-direct_db / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1
    return tail


def speak(name: str, count: int) -> list[Utterance]:
    """Speak the first `count` utterances of the speaker; exact only in a process that has not spoken before."""
    voice = draw_voice(name)
    espeak = Espeak(voice.voice_file, voice.words_per_minute)
    utterances = []
    for index in range(count):
        rng = _generator(name, 1, index)
        samples, phonemes = espeak.speak(sentence(rng))
        utterances.append(_record(f"{name}_{index:02d}", name, voice, samples, align(samples, phonemes), rng))
    return utterances


def _record(
    name: str,
    speaker: str,
    voice: Voice,
    spoken: NDArray[np.int16],
    segments: list[Segment],
    rng: np.random.Generator,
) -> Utterance:
    """Record speech: silence around it, vocal tract, microphone and room as one product of spectra, noise, level.

    The filters have no delay, so the boundaries of the segments stay where they are.
    """
    lead, trail = (int(seconds * ESPEAK_RATE_HZ) for seconds in rng.uniform(0.05, 0.2, size=2))
    up, down = RESAMPLE_UP, voice.resample_down
    heard = [segment for segment in segments if segment.phone != SILENCE]
    raw_bounds = [heard[0].start_sample, *(segment.end_sample for segment in heard)]
    count = (lead + len(spoken) + trail) * up // down
    blocks = -(-(lead + len(spoken) + trail) // down) + len(voice.room) // up  # room for the reverberation to die
    padded = np.zeros(blocks * down)
    padded[lead : lead + len(spoken)] = spoken
    bins = blocks * up // 2 + 1
    gain = np.interp(np.linspace(0, 1, bins), np.linspace(0, 1, len(voice.gain)), voice.gain)
    room = np.fft.rfft(voice.room, blocks * up)
    speech = np.fft.irfft(np.fft.rfft(padded)[:bins] * gain * room, blocks * up)[:count]

    noise = _noise(rng, count)
    noise *= 10 ** (-rng.uniform(7, 25) / 20) * np.sqrt(np.mean(speech**2) / np.mean(noise**2))
    mixed = speech + noise
    level = 10 ** (rng.uniform(-30, -22) / 20) * 32768
    samples = np.clip(np.rint(mixed * (level / np.sqrt(np.mean(mixed**2)))), -32768, 32767).astype(np.int16)

    bounds = [0, *((lead + bound) * up // down for bound in raw_bounds), count]
    phones = [SILENCE, *(segment.phone for segment in heard), SILENCE]
    return Utterance(name, speaker, samples, tuple(map(Segment, bounds, bounds[1:], phones)))


def _noise(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Noise [count]: power falling with frequency to a power of 0 to 1.5, level wandering by some decibels."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum *= np.maximum(np.arange(len(spectrum)), len(spectrum) / 100) ** (-rng.uniform(0, 1.5) / 2)
    knots = np.arange(0, count + SAMPLE_RATE_HZ // 4, SAMPLE_RATE_HZ // 4)
    level_db = np.interp(np.arange(count), knots, 3 * rng.standard_normal(len(knots)))
    return np.fft.irfft(spectrum, count) * 10 ** (level_db / 20)


def save_utterances(path: Path, utterances: list[Utterance]) -> None:
    """Write one speaker's utterances to an npz file that `load_utterances` reads."""
    segments = [segment for utterance in utterances for segment in utterance.segments]
    arrays: dict[str, Any] = {
        "samples": np.concatenate([utterance.samples for utterance in utterances]),
        "lengths": np.array([len(utterance.samples) for utterance in utterances]),
        "segment_counts": np.array([len(utterance.segments) for utterance in utterances]),
        "segment_ends": np.array([segment.end_sample for segment in segments]),
        "segment_phones": np.array([PHONES_61.index(segment.phone) for segment in segments]),
    }
    write_atomically(path, lambda file: np.savez(file, **arrays))


def load_utterances(path: Path, speaker: str, count: int) -> list[Utterance]:
    """Read the first `count` utterances of a file by `save_utterances`. Raises one of `DAMAGED` if it is damaged."""
    with np.load(path, allow_pickle=False) as arrays:
        samples = np.split(arrays["samples"], np.cumsum(arrays["lengths"])[:-1])
        cuts = np.cumsum(arrays["segment_counts"])[:-1]
        ends = np.split(arrays["segment_ends"], cuts)
        phones = np.split(arrays["segment_phones"], cuts)
    utterances = []
    for index in range(count):
        bounds = [0, *ends[index].tolist()]
        names = [PHONES_61[phone] for phone in phones[index]]
        segments = tuple(map(Segment, bounds, bounds[1:], names))
        utterances.append(Utterance(f"{speaker}_{index:02d}", speaker, samples[index], segments))
    return utterances


if __name__ == "__main__":
    try:
        save_utterances(Path(sys.argv[3]), speak(sys.argv[1], int(sys.argv[2])))
    except (ValueError, OSError) as error:
        sys.exit(str(error))
