"""Users' own arrays where networks are made: frame classifiers are trained and retrained, CTC's are refused."""

import contextlib
import shutil
from pathlib import Path

import pytest
from arrays_tree import LABELS, checkpoint, write_npz

from dse.corpora import open_corpus
from dse.corpora.load import load_split
from dse.evaluator.calibrate import quantizer_of
from dse.evaluator.task import NetworkTask
from dse.phones.greedy import CtcDecoder, FrameDecoder
from dse.retraining.retrain import retrain
from dse.retraining.settings import RetrainSettings
from dse.search import main as search
from dse.train import main as train
from models.checkpoint import load
from models.quantization.scheme import Scheme
from models.workload import Configuration, InputError


def test_a_frame_classifier_is_trained_searched_and_its_error_is_of_frames(
    data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = ["--corpus", "arrays", "--corpus-path", data]
    assert (
        train(
            [
                "--model",
                "sru",
                "--preset",
                "tiny",
                "--epochs",
                "30",
                "--batch-utterances",
                "2",
                "--out",
                "f.safetensors",
                *corpus,
            ]
        )
        == 0
    )
    assert "float frame error validation" in capsys.readouterr().out
    made = load(Path("f.safetensors"))
    assert made.card["decoder"] == FrameDecoder(LABELS).to_json()
    measurer = NetworkTask("sru", "tiny", "f.safetensors", *corpus[1::2]).open()
    found = measurer.measure(Configuration.uniform(measurer.workload, 32))
    assert found.error_percent == pytest.approx(made.card["float_error_percent"]["validation"])
    assert found.errors.reference_phones == tuple(measurer.split.lengths.tolist())
    assert sum(found.errors.insertions) == sum(found.errors.deletions) == 0
    assert found.error_percent < 40


def test_a_ctc_network_is_not_retrained(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = checkpoint(CtcDecoder(LABELS))
    command = ["--model", "gru", "--checkpoint", str(path), "--corpus", "arrays", "--corpus-path", data]
    assert search([*command, "--beacons", "1"]) == 2
    assert "beacons are retrained on targets of frames" in capsys.readouterr().err
    configuration = Configuration.uniform(load(path).spec.workload(), 4)
    with pytest.raises(InputError, match=r"was trained by CTC \(decoder ctc\)"):
        retrain(path, configuration, open_corpus("arrays", data), Path("r.safetensors"))


def test_a_frame_classifier_is_retrained_by_its_own_error(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = checkpoint(FrameDecoder(LABELS))
    configuration = Configuration.uniform(load(path).spec.workload(), 4)
    settings = RetrainSettings(epochs=2, batch_utterances=2, learning_rate=1e-2)
    retrain(path, configuration, open_corpus("arrays", data), Path("r.safetensors"), settings=settings)
    lines = capsys.readouterr().out.splitlines()
    assert all("validation frame error" in line for line in lines) and len(lines) == 3
    made = load(Path("r.safetensors"))
    assert made.card["decoder"] == FrameDecoder(LABELS).to_json()
    measurer = NetworkTask("gru", "edge", "r.safetensors", "arrays", data).open()
    after = made.card["retrained"]["after"]["validation_error_percent"]
    assert (
        measurer.measure(configuration).error_percent
        == after
        < made.card["retrained"]["before"]["validation_error_percent"]
    )


def test_training_without_targets_is_one_line(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(data)
    write_npz(Path(data))
    corpus = ["--corpus", "arrays", "--corpus-path", data]
    assert train(["--model", "sru", "--preset", "tiny", "--out", "f.safetensors", *corpus]) == 2
    assert "corpus arrays has no targets, a label for each frame of train" in capsys.readouterr().err


def test_calibration_takes_a_bounded_part_of_speech_without_speakers(
    tmp_path: Path, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_npz(tmp_path / "many", speakers=False, each=20)
    seen = []
    monkeypatch.setattr("dse.evaluator.calibrate.MOST_CALIBRATION_FRAMES", 100)
    monkeypatch.setattr(
        "models.calibrate.calibrate", lambda spec, weights, features, offsets, known: seen.append((features, offsets))
    )
    path = checkpoint(CtcDecoder(LABELS))
    corpus = open_corpus("arrays", str(tmp_path / "many"))
    whole = load_split(corpus, "train")
    with contextlib.suppress(AttributeError):  # of what the faked calibration is not
        quantizer_of(load(path), corpus, Scheme())
    ((features, offsets),) = seen
    assert len(whole.features) > 400 and 50 < len(features) <= 100
    assert offsets[-1] == len(features) and len(offsets) > 3
    assert all(row in whole.features for row in features)
