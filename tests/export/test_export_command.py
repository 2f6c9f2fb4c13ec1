"""From a search to a verified bundle, as a user goes: search, pick, export, verify."""

import json
import re
import shutil
import sys

import pytest

import dse
from dse import export, verify
from dse.exporters import EXPORTERS, speech, write
from dse.exporters.manifest import MANIFEST, seal

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
pytestmark = needs_compiler


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('study')}/dse.db"
    given = {"evaluations": 8, "population": 4, "workers": 1, "storage": url, "study": "s"}
    dse.run_search(model="sru", objectives=("error", "size", "ops"), **given)
    return url


@pytest.fixture(scope="module")
def bundle(url, tmp_path_factory):
    """An exported bundle, away from its study."""
    folder = tmp_path_factory.mktemp("export") / "out"
    argv = ["--study", "s", "--storage", url, "--minimize", "size", "--to", str(folder)]
    assert export.main([*argv, "--test", "--utterances", "5"]) == 0
    moved = folder.with_name("moved")
    folder.rename(moved)
    return moved


def run(capsys, command, *argv):
    status = command.main([str(each) for each in argv])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_every_part_of_a_bundle_is_equal(bundle, capsys):
    status, out, err = run(capsys, verify, bundle)
    assert (status, err) == (0, "")
    rows = re.findall(r"^(\w+) +(equal|differs) +5 +(\d+) +([\d.]+) +([\d.]+) ", out, re.MULTILINE)
    assert [row[0] for row in rows] == ["evaluator", "onnx", "c"]
    assert {row[1] for row in rows} == {"equal"}
    assert len({row[2:] for row in rows}) == 1  # frames, PER, eliminated operations


def test_the_card_says_what_was_chosen(url, bundle):
    study = dse.load_study("s", url)
    point = study.pick(minimize="size")
    card = (bundle / "card.md").read_text()
    record = json.loads((bundle / "configuration.json").read_text())
    assert f"{round(point.metrics['size_mib'] * 2**20):,} bytes" in card
    assert f"{point.metrics['error_percent']:.4g}" in card
    assert f"it is {record['test']['error_percent']:.2f} %" in card
    for name, setting in point.configuration:
        assert re.search(rf"\| {name} .*\| {setting.operand_bits[0]} bit.*\| {setting.operand_bits[1]} bit", card)
    assert record["validation"]["metrics"] | {"test_error_percent": record["test"]["error_percent"]} == point.metrics
    assert record["study"]["seed"] == 1
    for name in EXPORTERS:
        assert f"`{name}/`" in card


def test_a_whole_split_of_the_corpus_may_be_run(bundle, capsys):
    status, out, _ = run(capsys, verify, bundle, "--split", "validation", "--parts", "c")
    assert status == 0
    assert re.findall(r"^(\w+) +equal +400 ", out, re.MULTILINE) == ["evaluator", "c"]
    record = json.loads((bundle / "configuration.json").read_text())
    assert f" {record['validation']['metrics']['error_percent']:.2f} " in out


@pytest.mark.parametrize("split", [None, "validation", "test"])
@pytest.mark.parametrize("recorded", [True, False])
def test_only_a_test_split_that_a_study_knows_to_be_spent_is_read(
    bundle, capsys, tmp_path, monkeypatch, split, recorded
):
    shutil.copytree(bundle, tmp_path / "out")
    record = json.loads((bundle / "configuration.json").read_text())
    known = record["test"]["error_percent"]
    if not recorded:
        (tmp_path / "out/configuration.json").write_text(json.dumps({**record, "test": None}))
        (tmp_path / "out" / MANIFEST).unlink()
        seal(tmp_path / "out")
    read = []
    plain = speech.load_split
    monkeypatch.setattr(speech, "load_split", lambda corpus, name: read.append(name) or plain(corpus, name))
    status, out, err = run(capsys, verify, tmp_path / "out", "--parts", "onnx", *(["--split", split] if split else []))
    if split == "test" and not recorded:
        assert (status, out, read) == (2, "", []) and err.count("\n") == 1
        assert "would spend that split unrecorded: dse.export --test records it" in err
    else:
        assert (status, err, read) == (0, "", [split] if split else [])
        assert (f" {known:.2f} " in out) or split != "test"


def test_a_part_that_gives_other_codes_is_told_with_its_place(bundle, capsys, tmp_path):
    shutil.copytree(bundle, tmp_path / "out")
    path = tmp_path / "out/c/model_data.c"
    text = path.read_text()
    numbers = re.search(r"model_weights[^{]*\{\s*(-?\d+)", text)
    path.write_text(text[: numbers.start(1)] + str(int(numbers[1]) ^ 64) + text[numbers.end(1) :])
    assert run(capsys, verify, tmp_path / "out")[::2] == (
        2,
        f"error: bundle {tmp_path / 'out'}: c/model_data.c was changed: it is not that of the manifest\n",
    )
    (tmp_path / "out" / MANIFEST).unlink()
    seal(tmp_path / "out")
    status, out, _ = run(capsys, verify, tmp_path / "out")
    assert status == 1
    assert re.search(r"^c +differs ", out, re.MULTILINE) and re.search(r"^onnx +equal ", out, re.MULTILINE)
    assert re.search(r"^c differs first at utterance \S+, frame \d+, \S+ unit \d+: -?\d+ in place of -?\d+$", out, re.M)


def test_what_cannot_be_exported_is_told_before_any_work(url, bundle, capsys, tmp_path):
    argv = ["--study", "s", "--storage", url, "--number", "1", "--to"]
    (tmp_path / "file").write_text("mine")
    for folder, message in (
        (bundle, "there is a bundle at .*; --force writes over it"),
        (tmp_path, "is there and no bundle; name another folder"),
        (tmp_path / "file/out", "cannot write to the folder"),
        (tmp_path / "file", "is there and no bundle"),
    ):
        status, _, err = run(capsys, export, *argv, folder)
        assert status == 2 and re.search(message, err) and err.count("\n") == 1
    status, _, err = run(capsys, export, *argv, tmp_path / "new", "--utterances", "0")
    assert status == 2 and "utterances" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


@pytest.mark.parametrize("utterances", [1, 399, 400, 401, 100_000])
def test_more_golden_utterances_than_there_are_is_told(url, capsys, tmp_path, monkeypatch, utterances):
    golden = []
    monkeypatch.setattr(
        write, "write_parts", lambda folder, *given: golden.append(given[3].speech.names) or folder.mkdir()
    )
    argv = ["--study", "s", "--storage", url, "--number", "1", "--to", tmp_path / "out", "--utterances", utterances]
    status, _, err = run(capsys, export, *argv)
    assert status == 0 and len(golden[0]) == min(utterances, 400)
    told = f"utterances {utterances}: the validation split has 400, and all of them become golden\n"
    assert err == (told if utterances > 400 else "")


def test_what_cannot_be_verified_is_told(bundle, capsys, tmp_path):
    assert run(capsys, verify, tmp_path) == (2, "", f"error: no bundle at {tmp_path}: it has no {MANIFEST}\n")
    status, _, err = run(capsys, verify, bundle, "--parts", "onnx,fpga")
    assert (status, err) == (2, f"error: bundle {bundle} has no part 'fpga' that runs; it has onnx, c\n")


MISSING = {"c": "no C compiler '/no/such/cc' is installed", "onnx": "onnxruntime"}


@pytest.mark.parametrize("parts", ["c", "onnx", "c,onnx", "onnx,c"])
@pytest.mark.parametrize("missing", [set(), {"c"}, {"onnx"}, {"c", "onnx"}])
def test_a_part_without_its_compiler_or_runtime_is_named_and_the_others_run(
    bundle, capsys, monkeypatch, parts, missing
):
    if "c" in missing:
        monkeypatch.setenv("CC", "/no/such/cc")
    if "onnx" in missing:
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
    status, out, err = run(capsys, verify, bundle, "--parts", parts)
    chosen = parts.split(",")
    assert status == (2 if missing & {*chosen} else 0)
    rows = re.findall(r"^(\w+) +(equal|not run)\b", out, re.MULTILINE)
    assert rows == [("evaluator", "equal"), *((part, "not run" if part in missing else "equal") for part in chosen)]
    lines = err.splitlines()
    for line, part in zip(lines, [part for part in chosen if part in missing], strict=True):
        assert line.startswith(f"error: {part} cannot be run here: ") and MISSING[part] in line
