"""The commands `dse search` and `dse front` on the fake network: tables, files, one line for what is wrong."""

import json
import re

import fake_task
import pytest
from fake_task import FakeTask

from dse.searchers import SEARCHERS
from models.workload import Configuration


def test_a_small_space_ends_gracefully(cli):
    status, out, _ = cli("search", "--weight-bits", "4,8", "--activation-bits", "8", "--delta", "0", "--workers", "1")
    assert status == 0
    assert "no new genome was found; the search ends before 300 evaluations" in out
    assert "16 evaluations" in out


def test_search_writes_table_and_files_and_front_derives_others(cli, tmp_path):
    argv = ("--evaluations", "30", "--population", "12", "--workers", "1", "--study", "s", "--limit", "error=+9")
    status, out, _ = cli("search", "--objectives", "error,size", *argv)
    assert status == 0
    assert "W8A8" in out
    record = json.loads((tmp_path / "studies/s/front.json").read_text())
    assert record["identity"]["objectives"] == ["error", "size"]
    rows = (tmp_path / "studies/s/front.csv").read_text().splitlines()
    assert len(rows) == len(record["front"]) + 1
    for point in record["front"]:
        assert Configuration.from_json(point["configuration"])["output"].weight_bits in (2, 4, 8, 16)
    assert "Plotly.newPlot" in (tmp_path / "studies/s/report.html").read_text()
    calls = fake_task.FakeMeasurer.calls
    status, out, _ = cli("front", "--study", "s", "--objectives", "ops,compression,error")
    assert status == 0
    assert fake_task.FakeMeasurer.calls == calls
    derived = json.loads((tmp_path / "studies/s/ops-compression-error/front.json").read_text())
    eliminated = [point["metrics"]["eliminated_percent"] for point in derived["front"]]
    assert eliminated == sorted(eliminated, reverse=True)


@pytest.mark.parametrize("objectives", ["error", "size", "error,ops", "error,size,ops,compression"])
def test_any_number_of_objectives_can_be_shown(cli, objectives, tmp_path):
    status, *_ = cli("search", "--objectives", objectives, "--evaluations", "12", "--workers", "1", "--out", "here")
    assert status == 0
    assert {path.name for path in (tmp_path / "here").iterdir()} == {
        "front.csv",
        "front.json",
        "convergence.csv",
        "report.html",
        "settings.toml",
    }


BAD = [
    (["--objectives", "error,speed"], "objective 'speed' is none of error, size, ops, compression"),
    (["--limit", "speed=2"], "limit on 'speed', which is none of"),
    (["--limit", "size=-2"], "limit size=-2 is negative"),
    (["--limit", "size=+2"], "only error and max4 take a limit relative"),
    (["--limit", "size"], "is not NAME=VALUE"),
    (["--limit", "error=low"], "'low' is not a number"),
    (["--limit", "error=nan"], "not a finite number"),
    (["--weight-bits", "2,9"], "weight bits 9 is none of 2, 3, 4, 5, 6, 7, 8, 16"),
    (["--activation-bits", "x"], "'x' is not a list of whole numbers"),
    (["--delta", "-1"], "delta -1 is negative"),
    (["--delta", "-1,0,4"], "delta -1 is negative"),
    (["--weight-bits", "-2,4"], "weight bits -2 is none of 2, 3, 4"),
    (["--limit", "-3"], "limit '-3' is not NAME=VALUE"),
    (["--evaluations", "0"], "evaluations 0 is too small"),
    (["--evaluations", "many"], "invalid int value: 'many'"),
    (["--population", "1"], "population 1 is too small"),
    (["--workers", "0"], "workers 0 is too small"),
    (["--seed", "-1"], "seed -1 is too small"),
    (["--seed", "9999999999"], "seed 9999999999 is too large; it is at most 4294967295"),
    (["--population", "100000000"], "population 100000000 is too large; it is at most 10000"),
    (["--workers", "100000"], "workers 100000 is too large"),
    (["--platform", f"silago:memory_limit_mib={10**400}"], "memory_limit_mib must be above 0"),
    (["--platform", f"bitfusion:batch={10**400}"], "bitfusion:batch="),
    (["--platform", "bitfusion:core_pj_per_cycle=1e308"], "platform bitfusion: its energy_pj_per_frame would be inf"),
    (["--searcher", "magic"], f"searcher 'magic' is none of {', '.join(SEARCHERS)}"),
    (
        ["--searcher", "exhaustive", "--objectives", "error,ops"],
        "genomes, more than 100,000: freeze genes, or give --evaluations",
    ),
    (["--gene", "l9.bits=4"], "gene 'l9.bits' meets none of the model's, as"),
    (["--freeze", "bits"], "freeze 'bits' names no choice, as in bits=8; or give --from a point"),
    (["--from", "no:1"], "no storage at"),
    (["--checkpoint", "none.safetensors"], "no checkpoint at none.safetensors"),
    (["--storage", "a/b.db"], "cannot open the storage a/b.db: it is no address; for a file write sqlite:///a/b.db"),
    (["--storage", "sqlite:///"], "the storage sqlite:/// keeps nothing; for a file write sqlite:///FILE"),
    (["--storage", "sqlite://"], "the storage sqlite:// keeps nothing"),
    (["--storage", "sqlite:///:memory:"], "the storage sqlite:///:memory: keeps nothing"),
    (["--storage", "nonsense://x"], "cannot open the storage nonsense://x"),
    *[(["--study", name], f"study '{name}' is not the name of a folder") for name in ("../../x", "a/b", "..", "", "/")],
    (["--out", ""], "argument --out: its value is empty"),
    (["--zzz"], "unknown option --zzz; --help shows all"),
    (["--evaluation", "8"], "unknown option --evaluation; --evaluations?"),
    (["--weight_bits=4"], "unknown option --weight_bits; --weight-bits?"),
    (["one", "two"], "unrecognized arguments: one two"),
]


@pytest.mark.parametrize(("argv", "message"), BAD, ids=[" ".join(argv) for argv, _ in BAD])
def test_bad_input_is_one_line_and_status_2(cli, argv, message):
    status, out, err = cli("search", "--workers", "1", *argv)
    assert status == 2
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_finished_search_run_again_writes_the_same_files(cli, tmp_path):
    argv = ["--evaluations", "20", "--objectives", "error,size,ops", "--out", "there"]
    written = []
    for _ in range(2):
        assert cli("search", *argv)[0] == 0
        written.append({path.name: path.read_bytes() for path in (tmp_path / "there").iterdir()})
    assert written[0] == written[1] and "front.json" in written[0]


def test_a_search_of_one_genome_says_so(cli):
    status, _, err = cli("search", "--freeze", "bits=8")
    assert status == 0 and "every gene has one choice, so that one genome is evaluated" in err


def test_resuming_with_other_settings_is_refused(cli):
    argv = ("search", "--workers", "1", "--evaluations", "12", "--study", "s")
    assert cli(*argv)[0] == 0
    status, out, err = cli(*argv, "--seed", "7", "--limit", "error=+3")
    assert (status, out) == (2, "")
    assert "limits: stored error=+10, now error=+3; seed: stored 1, now 7" in err
    assert cli(*argv, "--workers", "2")[0] == 0  # how it is run is no part of what it is


def test_a_failing_baseline_is_one_line(cli, monkeypatch):
    monkeypatch.setenv("FAKE_RAISE_ON", "16")
    status, _, err = cli("search", "--workers", "1")
    assert status == 2
    message = r"error: the 16-bit baseline cannot be measured: RuntimeError: the fake broke \(fake_task.py:\d+\)\n"
    assert re.fullmatch(message, err)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_measurer_that_cannot_open_is_one_line(cli, workers):
    status, _, err = cli("search", "--workers", workers, "--corpus", "missing")
    assert status == 2
    assert err == "error: no corpus in /nowhere; it is expected there\n"


def test_dry_run_shows_genes_and_runs_nothing(cli, tmp_path):
    calls = fake_task.FakeMeasurer.calls
    status, out, _ = cli("search", "--dry-run")
    assert status == 0
    assert "8 genes, 65,536 genomes" in out
    assert "16-bit baseline: 0.020 MiB" in out
    assert fake_task.FakeMeasurer.calls == calls
    assert not (tmp_path / "studies").exists()


def test_list_names_everything(cli):
    status, out, _ = cli("search", "--list")
    assert status == 0
    for name in ("sru", "edge", "synthetic", "compression", "surrogate", "silago"):
        assert name in out


def test_unknown_command_lists_the_valid_ones(cli):
    status, _, err = cli("serch")
    assert status == 2
    assert "unknown command 'serch'; there are data, train, import_torch, import_kaldi, search, front, report" in err
    assert cli("--help")[0] == 0


def test_delta_genes_only_where_something_gains_from_them(cli):
    def has_delta(*argv):
        return ".delta " in cli("search", "--dry-run", *argv)[1]

    assert has_delta("--objectives", "error,ops")
    assert not has_delta("--objectives", "error,size")
    assert has_delta("--objectives", "error,size", "--limit", "ops=20")
    assert has_delta("--objectives", "error,size", "--delta", "0,4")
    assert not has_delta("--objectives", "error,speedup", "--platform", "bitfusion")
    assert has_delta("--objectives", "error,speedup", "--platform", "edgedrnn")
    assert not has_delta("--objectives", "error,size", "--platform", "edgedrnn")


def test_the_final_report_tells_the_error_on_the_test_split(cli, tmp_path, monkeypatch):
    opened = []
    plain = FakeTask.open
    monkeypatch.setattr(FakeTask, "open", lambda task, split="validation": opened.append(split) or plain(task, split))
    argv = ("--study", "s")
    assert cli("search", "--workers", "1", "--evaluations", "8", *argv)[0] == 0
    assert set(opened) == {"validation"}
    status, out, _ = cli("report", "study", "s", "--workers", "1", "--out", "o")
    assert status == 0 and "test split spent on" in out and opened.count("test") == 1
    record = json.loads((tmp_path / "o" / "front.json").read_text())
    assert all("test_error_percent" in point["metrics"] for point in [*record["front"], record["baseline"]])
    monkeypatch.setattr(FakeTask, "fingerprint", property(lambda task: {"checkpoint": "other", "corpus": "x"}))
    status, _, err = cli("report", "study", "s")
    told = (
        "than the shipped one and synthetic (checkpoint: stored fake-weights, now other; corpus: stored fake-synthetic,"
    )
    assert status == 2 and told in err and "give its own, with --checkpoint or --corpus-path" in err
    notes = {"checkpoint": "fake-weights", "notes": "some " * 1000 + "end"}
    monkeypatch.setattr(FakeTask, "fingerprint", property(lambda task: notes))
    status, _, err = cli("report", "study", "s")
    assert status == 2 and len(err) < 800 and "notes: stored none, now some some" in err


def test_no_search_has_the_test_error_as_objective(cli):
    assert "is none of" in cli("search", "--objectives", "error,test error")[2]
