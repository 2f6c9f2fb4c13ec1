"""Binding of espeak-ng through ctypes: text in, samples and the start of every phoneme out."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.workload import InputError, MissingError

SAMPLE_RATE_HZ = 22_050  # of every formant voice of espeak-ng

# Constants of speak_lib.h. Source: https://github.com/espeak-ng/espeak-ng/blob/1.52.0/src/include/espeak-ng/speak_lib.h
_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_PHONEME_EVENTS = 1
_CHARS_UTF8 = 1
_INITIALIZE_DONT_EXIT = 0x8000
_PHONEMES_IN_BRACKETS = 0x100
_RATE_PARAMETER = 1
_EVENT_LIST_END = 0
_EVENT_PHONEME = 7


# The library cuts paths of its files off at 160 bytes; the longest name of its data below the folder has 24.
# Source: N_PATH_HOME, https://github.com/espeak-ng/espeak-ng/blob/1.52.0/src/libespeak-ng/speech.h
LONGEST_PATH_BYTES = 120


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("mnemonic", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Espeak:
    """Speech synthesiser with one voice, given as the text of an espeak-ng voice file.

    The library has one state per process and keeps it from sentence to sentence: samples repeat exactly only for the
    same sentences in the same order in a fresh process.

    Raises MissingError where the library cannot be loaded, InputError where it refuses the voice.
    """

    def __init__(self, voice: str, words_per_minute: int) -> None:
        self._library = _load_library()
        self._chunks: list[NDArray[np.int16]] = []
        self._phonemes: list[tuple[int, str]] = []
        self._callback: Callable[..., int] = _Callback(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)
        # The library cuts a voice's path off at 60 characters and reads a '+' in it as a variant: a bare name is safe.
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            Path("voice").write_text(voice, encoding="utf-8")
            refused = self._library.espeak_ng_SetVoiceByFile(b"voice")
        if refused:
            raise InputError(f"espeak-ng refuses the voice '{'; '.join(voice.splitlines())}'")
        self._library.espeak_SetParameter(_RATE_PARAMETER, words_per_minute, 0)

    def speak(self, text: str) -> tuple[NDArray[np.int16], list[tuple[int, str]]]:
        """Speak: samples int16 [S] at 22,050 Hz and (first sample, mnemonic) of each phoneme, in time order.

        Text may hold phonemes as espeak mnemonics: `[[h@l'oU]]`. Raises InputError where the library cannot speak it.
        """
        self._chunks.clear()
        self._phonemes.clear()
        data = text.encode()
        flags = _CHARS_UTF8 | _PHONEMES_IN_BRACKETS
        if self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, flags, None, None) != 0:
            raise InputError(f"espeak-ng cannot speak '{text}'")
        return np.concatenate(self._chunks), sorted(self._phonemes, key=lambda phoneme: phoneme[0])

    def _collect(self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
        if count > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type != _EVENT_LIST_END:
            if events[index].type == _EVENT_PHONEME:
                self._phonemes.append((events[index].sample, events[index].mnemonic.decode()))
            index += 1
        return 0


def _short_path(data: Path) -> Path:
    """A path of the library's data that it does not cut off: a link in the temporary folder, where its own is long.

    Raises OSError where none can be made.
    """
    if len(os.fsencode(data)) <= LONGEST_PATH_BYTES:
        return data
    folder = Path(tempfile.mkdtemp(prefix="espeak-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # the library goes on reading from there
    link = folder / data.name
    link.symlink_to(data, target_is_directory=True)
    if len(os.fsencode(link)) > LONGEST_PATH_BYTES:
        raise OSError(f"its data lies at a path longer than {LONGEST_PATH_BYTES} bytes, and so does {link}")
    return link


def _load_library() -> ctypes.CDLL:
    try:
        import espeakng_loader

        library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = _short_path(Path(espeakng_loader.get_data_path()))
        rate_hz = library.espeak_Initialize(
            _OUTPUT_SYNCHRONOUS, 0, os.fsencode(data), _INITIALIZE_PHONEME_EVENTS | _INITIALIZE_DONT_EXIT
        )
    except (ImportError, OSError, RuntimeError) as error:
        raise MissingError(
            f"espeak-ng cannot be loaded ({error}); reinstall it with: pip install espeakng-loader"
        ) from error
    if rate_hz <= 0:
        raise MissingError(f"espeak-ng finds no data in {data}; reinstall it with: pip install espeakng-loader")
    if rate_hz != SAMPLE_RATE_HZ:
        raise MissingError(f"espeak-ng speaks at {rate_hz} Hz instead of {SAMPLE_RATE_HZ}; its data is damaged")
    return library
