"""The speech synthesis works wherever it is installed."""

import subprocess
import sys
from pathlib import Path

import espeakng_loader
import pytest

SPEAK = """
import hashlib, sys
import espeakng_loader
if sys.argv[1:]:
    espeakng_loader.get_data_path = lambda: sys.argv[1]
from dse.corpora.synthetic.espeak import Espeak
samples, phonemes = Espeak("name test\\nlanguage en\\n", 150).speak("hello world")
print(len(samples), len(phonemes), hashlib.sha256(samples.tobytes()).hexdigest())
"""


def spoken(*data: str) -> str:
    run = subprocess.run([sys.executable, "-c", SPEAK, *data], capture_output=True, text=True)
    return run.stdout or run.stderr.strip().rsplit("\n", 1)[-1]


@pytest.mark.parametrize("length", [100, 121, 140, 160, 161, 220, 1000])
def test_speech_is_the_same_however_long_the_installation_path(tmp_path: Path, length: int) -> None:
    data = tmp_path
    while len(str(data)) < length:
        data /= "x" * min(200, length - len(str(data)))
    data.mkdir(parents=True, exist_ok=True)
    link = data / "espeak-ng-data"
    link.symlink_to(espeakng_loader.get_data_path(), target_is_directory=True)
    assert spoken(str(link)) == spoken()
    assert spoken().split()[0].isdigit()


def test_missing_data_is_told_in_one_line(tmp_path: Path) -> None:
    assert f"espeak-ng finds no data in {tmp_path}/none" in spoken(f"{tmp_path}/none")
