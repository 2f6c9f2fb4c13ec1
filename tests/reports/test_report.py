"""The report command: accounting and platforms in full, findings on made-up measurements."""

from dataclasses import replace

import pandas as pd
import plotly.graph_objects as go
import pytest
from fake_task import FakeMeasurer

from dse.design.evaluation import Evaluation
from dse.report import main
from dse.reports import model_page
from dse.reports.images import NARROWEST_PX, WIDEST_PX, write_images
from dse.reports.model_findings import HEADERS, SHORT, ModelReport, Point, errors_table, findings, rows
from models.checkpoint import SHIPPED
from models.quantization.scheme import COMPENSATED, NEAREST
from models.registry import MODELS
from models.workload import Configuration, InputError


def report(model: str, error: dict[str, float], eliminated: float, skip_error: float, size: float) -> ModelReport:
    points = {}
    for label, percent in error.items():
        eliminated_here = eliminated * (1 + len(points))
        points[label, "none", COMPENSATED] = Point(label, "none", COMPENSATED, percent, size, 2.0, eliminated_here)
    for label in ("8", "4", "2"):
        points[label, "all", COMPENSATED] = Point(label, "all", COMPENSATED, skip_error, size, 2.0, eliminated)
    return ModelReport(model, size * 8, points)


def test_findings_follow_the_numbers():
    error = {"float": 14.0, "16": 14.0, "8": 14.1, "4": 14.5, "2": 30.0}
    reports = {
        m: report(m, error, 10.0 + k, 14.2, 0.2 - 0.01 * k) for k, m in enumerate(("lstm", "gru", "ligru", "sru"))
    }
    lines = findings(reports)
    assert "rescues low-bit LiGRU and GRU: holds" in lines[0]
    assert "ligru at 2 bit +16.00 → +0.20 points" in lines[0]
    assert "does not hold" in next(line for line in lines if "over 85 %" in line)  # GRU may lose nothing
    assert "SRU is the smallest: holds" in next(line for line in lines if "smallest" in line)
    assert "LiGRU has the most eliminated operations: does not hold" in next(
        line for line in lines if "most elim" in line
    )
    assert rows(reports["sru"])[4][:6] == ("sru", "2", "none", "compensated", "30.00", "+16.00")
    assert rows(reports["sru"])[1][3] == "–"
    assert all(len(row) == len(HEADERS) for row in rows(reports["sru"]))


PERCENTS = dict(zip(SHORT, (14.0, 14.1, 14.2, 14.4, 14.6, 20.0, 21.0, 22.0, 30.0), strict=True))


def with_nearest(made: ModelReport) -> ModelReport:
    """With the papers' rounding a point more of error."""
    nearest = {
        (label, skip, NEAREST): replace(point, rounding=NEAREST, error_percent=point.error_percent + 1)
        for (label, skip, _), point in made.points.items()
        if label not in ("float", "16")
    }
    return replace(made, points=made.points | nearest)


def test_the_short_table_has_both_roundings_side_by_side():
    table = errors_table({"gru": with_nearest(report("gru", PERCENTS, 10.0, 14.2, 0.2))})
    assert table[0] == ("gru", "nearest", "14.00", "14.10", *(f"{PERCENTS[label] + 1:.2f}" for label in SHORT[2:]))
    assert table[1] == ("gru", "compensated", *(f"{percent:.2f}" for percent in PERCENTS.values()))


def test_a_mixed_configuration_may_do_what_a_uniform_one_does_not():
    error = {"float": 14.0, "16": 14.0, "8": 14.1, "4": 14.3, "2": 30.0}
    reports = {m: report(m, error, 10.0, 14.2, 0.2) for m in ("lstm", "gru", "ligru", "sru")}
    small = Evaluation((), Configuration(()), "ok", metrics={"error_percent": 13.99, "size_mib": 0.19})
    (line,) = (line for line in findings(reports) if "over 85 %" in line)
    assert "does not hold" in line
    reports = {m: replace(r, mixed=small) for m, r in reports.items()}
    (line,) = (line for line in findings(reports) if "over 85 %" in line)
    assert "points: holds here" in line and "best mixed gru -0.01 points, 88.1 % off" in line


def test_every_network_that_ships_has_its_rows_and_findings_are_of_the_papers_four(monkeypatch, capsys):
    small = Evaluation((), Configuration(()), "ok", metrics={"error_percent": 14.0, "size_mib": 0.19})
    asked = []

    def measured(name, model, preset, studies):
        asked.append((name, model, preset))
        return replace(with_nearest(report(name, PERCENTS, 10.0, 14.2, 0.2)), mixed=small if studies else None)

    monkeypatch.setattr(model_page, "measure_model", measured)
    monkeypatch.setattr(model_page, "load_study", lambda name, storage: name)
    assert main(["models", "gru-stream", "--study", "a,b"]) == 0
    assert asked == [("gru-stream", "gru", "stream")]
    out = capsys.readouterr().out
    assert "| gru-stream | 14.00   | -0.10 | 0.190" in out and "## The papers' findings" not in out
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert [name for name, _, _ in asked[1:]] == list(model_page.shipped())
    assert [name for name in model_page.shipped() if "-" not in name] == list(MODELS)
    listed = {path.stem for path in SHIPPED.glob("*.safetensors")}
    assert {f"{model}-{preset}" for _, model, preset in asked[1:]} == listed
    assert (
        "Best mixed" not in out and "gru-stream" not in out.partition("## The papers' findings")[2].partition("##")[0]
    )


def test_accounting_names_the_papers_constants(capsys):
    assert main(["accounting"]) == 0
    out = capsys.readouterr().out
    for number in ("75900", "101200", "5,549,500", "2094400", "19,120,200", "13,044,900"):
        assert number in out


def test_platforms_lists_every_constant_with_its_source(capsys):
    assert main(["platforms", "silago"]) == 0
    out = capsys.readouterr().out
    assert "W4A4, W8A8, W16A16" in out and "0.15325" in out and "MOHAQ" in out


@pytest.mark.parametrize("arguments", [["models", "sur"], ["platforms", "nochip"], ["accounting", "sur"]])
def test_unknown_names_are_one_line(arguments, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and arguments[1] in error


def test_studies_are_compared_in_one_picture(tmp_path, cli):
    for name, objectives in (("one", "error,size,ops"), ("two", "error,size")):
        argv = ("--study", name, "--objectives", objectives, "--evaluations", "8", "--workers", "1")
        assert cli("search", *argv)[0] == 0
    assert cli("report", "compare", "one", "two", "--out", "both")[1] == "both/compare.html\n"
    assert "error over size" in (tmp_path / "both/compare.html").read_text()
    page = (tmp_path / "both/compare.html").read_text()
    assert '"name":"one"' in page and '"name":"two"' in page
    for others, said in (("three", "no study 'three'"), ("one", "study 'one' is given twice")):
        status, _, err = cli("report", "compare", "one", others)
        assert status == 2 and said in err and err.count("\n") == 1


def test_a_study_without_a_front_is_not_compared(tmp_path, cli):
    argv = ("--limit", "error=1", "--evaluations", "4", "--workers", "1", "--population", "4")
    cli("search", "--study", "one", "--evaluations", "8", "--workers", "1")
    assert cli("search", "--study", "none", *argv)[0] == 0
    status, _, err = cli("report", "compare", "one", "none", "--out", "both")
    assert status == 2 and "'none' has no point on its front" in err and err.count("\n") == 1
    assert not (tmp_path / "both").exists()


def test_sensitivity_is_measured_once_and_written(tmp_path, cli):
    assert cli("search", "--study", "s", "--evaluations", "8", "--workers", "1")[0] == 0
    calls = FakeMeasurer.calls
    status, out, _ = cli("report", "sensitivity", "s", "--workers", "1")
    assert status == 0 and "l1.input.act_bits" in out and out.endswith("studies/s/sensitivity.html\n")
    measured = FakeMeasurer.calls - calls
    assert measured > 10 and (tmp_path / "studies/s/sensitivity.csv").read_text().startswith(
        "gene,before,after,change_of_"
    )
    assert cli("report", "sensitivity", "s", "--workers", "1", "--number", "2")[0] == 0
    calls = FakeMeasurer.calls
    assert cli("report", "sensitivity", "s", "--workers", "1")[:2] == (0, out)
    assert FakeMeasurer.calls == calls
    assert "is not on the front" in cli("report", "sensitivity", "s", "--number", "999")[2]


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_every_evaluation_is_written_as_a_table(tmp_path, cli, ending):
    assert cli("search", "--study", "s", "--evaluations", "12", "--workers", "1")[0] == 0
    assert cli("front", "--study", "s", "--frame", f"all.{ending}")[0] == 0
    read = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}[ending]
    table = read(tmp_path / f"all.{ending}")
    assert len(table) == 12 and {"status", "error_percent", "l1.input.weight_bits"} <= set(table.columns)


def test_a_table_of_another_kind_is_told_before(cli):
    assert cli("front", "--study", "s", "--frame", "all.xlsx")[2] == (
        "error: table all.xlsx ends in none of .csv, .json, .parquet\n"
    )


DRAWING = [
    ["front", "--study", "s"],
    ["report", "study", "s"],
    ["report", "sensitivity", "s"],
    ["report", "compare", "s"],
]


def refused(cli, folder, *command):
    """What is said of a command that is refused before anything runs or is written."""
    if not (folder / "studies").exists():
        assert cli("search", "--study", "s", "--evaluations", "8", "--workers", "1")[0] == 0
    calls, before = FakeMeasurer.calls, {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}
    status, _, err = cli(*command)
    assert status == 2 and err.count("\n") == 1
    assert FakeMeasurer.calls == calls
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")} == before
    return err


@pytest.mark.parametrize("command", DRAWING, ids=" ".join)
def test_pictures_without_a_browser_are_refused_before_anything_runs(cli, command, monkeypatch, tmp_path):
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "nowhere"))
    assert refused(cli, tmp_path, *command, "--png", "700").startswith("error: PNG needs a Chromium or Chrome")


@pytest.mark.parametrize("command", DRAWING, ids=" ".join)
def test_widths_that_no_picture_can_have_are_refused_before_anything_runs(cli, command, tmp_path):
    for width in (-3, 0, 5, NARROWEST_PX - 1, WIDEST_PX + 1, 1_000_000):
        assert refused(cli, tmp_path, *command, "--png", str(width)) == (
            f"error: PNG cannot be {width} pixels wide; {NARROWEST_PX} to {WIDEST_PX} can be drawn\n"
        )


def test_what_a_browser_did_not_draw_leaves_the_picture_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr("kaleido.start_sync_server", lambda **_: None)
    monkeypatch.setattr("kaleido.stop_sync_server", lambda **_: None)
    monkeypatch.setattr("kaleido.calc_fig_sync", lambda *_, **__: b"not")
    monkeypatch.setattr("dse.reports.images.require_drawable", lambda _: None)
    (tmp_path / "a.png").write_bytes(b"good")
    with pytest.raises(InputError, match=r"drew nothing for .*a\.png"):
        write_images([("a", go.Figure())], tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.png": b"good"}
