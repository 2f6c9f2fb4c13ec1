"""Users' own arrays all the way: a network with their labels searched, exported and verified; trained; refused."""

import csv
import shutil
import subprocess
from pathlib import Path

import pytest
from arrays_tree import LABELS, checkpoint, write_npz, write_parquet

from dse.corpora import open_corpus
from dse.corpora.load import load_split
from dse.evaluator.fit import decoder_in
from dse.evaluator.task import NetworkTask
from dse.exporters import c99
from dse.phones.greedy import LAST, CtcDecoder, FrameDecoder
from dse.phones.sets import PHONES_61
from dse.search import main as search
from dse.training.float_network import float_error
from models.checkpoint import load, shipped_path
from models.workload import Configuration, InputError


def searched(data: str, path: Path, *more: str) -> int:
    command = ["--model", "gru", "--checkpoint", str(path), "--corpus", "arrays", "--corpus-path", data]
    return search([*command, "--evaluations", "6", "--population", "4", "--workers", "1", "--study", "s", *more])


@pytest.mark.parametrize("write", [write_npz, write_parquet])
def test_a_ctc_network_is_searched_exported_and_verified(
    tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str], write
) -> None:
    shutil.rmtree(data)
    write(Path(data))
    decoder = CtcDecoder(LABELS, LAST)
    path = checkpoint(decoder)
    assert searched(data, path) == 0
    printed = capsys.readouterr()
    assert "6 evaluations" in printed.out and "error" not in printed.err
    from dse.export import main as export
    from dse.verify import main as verify

    assert export(["--study", "s", "--number", "1", "--to", "out", "--test"]) == 0
    card = Path("out/card.md").read_text()
    assert "label error rate" in card and "phone" not in card
    capsys.readouterr()
    assert verify(["out"]) == 0
    assert verify(["out", "--split", "test", "--corpus-path", data]) == 0
    rows = [line.split()[:2] for line in capsys.readouterr().out.splitlines() if "equal" in line]
    assert rows == 2 * [["evaluator", "equal"], ["onnx", "equal"], ["c", "equal"]]
    with Path("studies/s/front.csv").open() as file:
        assert all(float(row["error_percent"]) > 0 for row in csv.DictReader(file))
    if shutil.which("cc"):
        assert heard(tmp_path, data, decoder, path) == []


def heard(tmp_path: Path, data: str, decoder: CtcDecoder, path: Path) -> list[tuple[str, str]]:
    """What the C program prints of each utterance beside what the evaluator decodes, where these differ."""
    from dse.exporters.bundle import open_bundle

    bundle = open_bundle(Path("out"))
    c99.build(Path("out/c"), tmp_path / "main", main="main.c")
    different = []
    names = bundle.golden.speech.names
    for number, (start, end) in enumerate(
        zip(bundle.golden.speech.offsets, bundle.golden.speech.offsets[1:], strict=False)
    ):
        bundle.golden.speech.features[start:end].tofile(tmp_path / names[number])
        told = subprocess.run([tmp_path / "main", tmp_path / names[number]], capture_output=True, check=True).stdout
        expected = " ".join(LABELS[label] for label in bundle.golden.phones[number])
        if told.decode().strip() != expected:
            different.append((told.decode(), expected))
    return different


def test_errors_are_those_of_a_plain_greedy_decoder(data: str) -> None:
    """Of the float network, whose outputs torch gives."""
    import itertools

    import torch

    decoder = CtcDecoder(LABELS)
    path = checkpoint(decoder)
    task = NetworkTask("gru", "edge", str(path), "arrays", data)
    measurer = task.open()
    found = measurer.measure(Configuration.uniform(measurer.workload, 32))
    split = load_split(open_corpus("arrays", data), "validation")
    with torch.no_grad():
        logits = load(path).network()(torch.tensor(split.features), torch.tensor(split.offsets)).numpy()
    for u, reference in enumerate(split.references):
        best = logits[split.offsets[u] : split.offsets[u + 1]].argmax(axis=1)
        text = [label - 1 for label, _ in itertools.groupby(best.tolist()) if label]
        errors = found.errors
        assert errors.reference_phones[u] == len(reference)
        assert errors.insertions[u] - errors.deletions[u] == len(text) - len(reference)
    assert task.fingerprint["error"] == "label error rate"


def test_the_test_split_may_come_after_the_search(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    later = Path(data, "test.npz").rename(Path(data).parent / "test.npz")
    path = checkpoint(CtcDecoder(LABELS))
    assert searched(data, path) == 0
    from dse.report import main as report

    assert report(["study", "s"]) == 2
    assert "test.npz" in capsys.readouterr().err
    later.rename(Path(data, "test.npz"))
    assert report(["study", "s"]) == 0
    told = capsys.readouterr().out
    assert "label error %" in told and "PER" not in told


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: checkpoint(CtcDecoder((*LABELS, "x"))), "has other labels than corpus arrays: 6, not 5"),
        (lambda: checkpoint(CtcDecoder(("b", "a", *LABELS[2:]))), "label 1 is 'b', not 'a'"),
        (lambda: checkpoint(CtcDecoder(LABELS), outputs=5), "has 5 targets, its decoder has 6"),
        (lambda: checkpoint(FrameDecoder(LABELS), named={"kind": "beam"}), "decoder 'beam' is none of viterbi, ctc"),
        (lambda: checkpoint(FrameDecoder(LABELS), named="none"), "holds no decoder"),
    ],
)
def test_a_network_that_does_not_fit_is_one_line(data: str, made, message: str) -> None:
    with pytest.raises(InputError) as error:
        NetworkTask("gru", "edge", str(made()), "arrays", data).open()
    assert message in str(error.value) and "\n" not in str(error.value)


def test_what_a_corpus_lacks_for_a_decoder_or_training_is_one_line(tmp_path: Path, data: str) -> None:
    write_npz(tmp_path / "frames", sequences=False, targets=True)
    write_npz(tmp_path / "texts")
    ctc, frames = checkpoint(CtcDecoder(LABELS)), checkpoint(FrameDecoder(LABELS), path="frames.safetensors")
    for path, folder, message in (
        (ctc, "frames", "is scored on sequences (decoder ctc), split validation has targets alone"),
        (frames, "texts", "split validation has no targets, a label for each frame"),
    ):
        with pytest.raises(InputError) as error:
            NetworkTask("gru", "edge", str(path), "arrays", str(tmp_path / folder)).open()
        assert message in str(error.value)
    with pytest.raises(InputError, match="corpus synthetic has phones"):
        from dse.evaluator.fit import fitted

        split = load_split(open_corpus("arrays", data), "validation")
        fitted("n", load(ctc).spec, open_corpus("synthetic"), split, CtcDecoder(LABELS))


def test_the_shipped_network_decodes_phones_of_ones_own_speech(tmp_path: Path) -> None:
    """By Viterbi, as it does those of the embedded corpus, whose speech this is."""
    speech = {name: load_split(open_corpus("synthetic"), name, 1).take(range(6)) for name in ("train", "validation")}
    splits = {}
    for name, split in speech.items():
        phones = [" ".join(PHONES_61[phone] for phone in reference) for reference in split.references]
        splits[name] = {
            "utterances": split.names, "speakers": split.speakers, "lengths": split.lengths,
            "features": split.features, "labels": phones,
        }  # fmt: skip
    write_npz(tmp_path / "data", splits)
    (tmp_path / "data" / "labels.txt").write_text("".join(f"{phone}\n" for phone in PHONES_61))
    measurer = NetworkTask("sru", "edge", None, "arrays", str(tmp_path / "data")).open()
    found = measurer.measure(Configuration.uniform(measurer.workload, 32))
    network, split = load(shipped_path("sru", "edge")), speech["validation"]
    wanted = float_error(network.network(), decoder_in(network), open_corpus("synthetic"), split)
    assert found.error_percent == pytest.approx(wanted) and 0 < wanted < 40
