"""The report command: accounting and platforms in full, findings on made-up measurements."""

import pytest

from dse.report import main
from dse.reports.model_findings import ModelReport, Point, findings, rows


def report(model: str, error: dict[str, float], eliminated: float, skip_error: float, size: float) -> ModelReport:
    points = {}
    for label, percent in error.items():
        points[label, "none"] = Point(label, "none", percent, size, 2.0, eliminated * (1 + len(points)))
    for label in ("8", "4", "2"):
        points[label, "all"] = Point(label, "all", skip_error, size, 2.0, eliminated)
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
    assert rows(reports["sru"])[4][:5] == ("sru", "2", "none", "30.00", "+16.00")


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
