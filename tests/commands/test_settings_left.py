"""The settings that a search leaves beside its results find the same study again."""

import tomllib

import pytest
from fake_task import FakeMeasurer, FakeTask
from searches import EXAMPLE_CHIP

from dse.console import from_settings_file
from dse.design.genes import DEFAULT_DELTA
from dse.exploration.plan import make_plan
from dse.exploration.settings import SearchSettings
from dse.reports.settings_file import settings_text
from dse.search import parser, settings_of


def planned(argv):
    return make_plan(settings_of(parser().parse_args(from_settings_file(argv, parser())), FakeTask))


OPTIONS = [
    [],
    ["--objectives", "error,size,ops", "--seed", "7", "--population", "8", "--evaluations", "50"],
    ["--objectives", "error,ops", "--delta", "0,4", "--delta-genes", "paths", "--skip", "output"],
    [
        "--gene",
        "l1.weight_bits=4,8,delta=0,2",
        "--gene",
        "bits=4x8,8x8",
        "--freeze",
        "output.bits=8x8",
        "--delta",
        "0,2",
    ],
    ["--from", "first:2", "--freeze", "bits", "--objectives", "error,ops"],
    ["--limit", "error=+3.123456789,size=0.0151234", "--limit", "ops=1"],
    ["--limit", "none", "--skip", ""],
    ["--platform", "silago", "--platform", "bitfusion:level=ideal,batch=16", "--objectives", "error,silago.speedup"],
    ["--platform", "example_chip.toml"],
    ["--rounding", "nearest", "--scales", "matrix", "--zero-points", "off", "--skip-bad", "--cache-mib", "7"],
    [
        "--weight-bits",
        "3,4,8",
        "--activation-bits",
        "8",
        "--searcher",
        "nsga2",
        "--corpus-path",
        'a "odd" \\ pläce\x7f',
    ],
    ["--timeout", "0.5", "--stop-when-stalled", "9", "--workers", "3", "--study", "mine"],
]


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_they_find_the_same_study(cli, tmp_path, options):
    (tmp_path / "example_chip.toml").write_bytes(EXAMPLE_CHIP.read_bytes())
    if "--from" in options:
        assert cli("search", "--study", "first", "--evaluations", "8", "--objectives", "error,ops")[0] == 0
    plan = planned(options)
    (tmp_path / "left.toml").write_text(settings_text(plan), encoding="utf-8")
    again = planned(["--settings", "left.toml"])
    assert (again.identity, again.study) == (plan.identity, plan.study)
    assert settings_text(again) == settings_text(plan)
    assert (again.limits, again.start, again.space) == (plan.limits, plan.start, plan.space)
    left = ("evaluations", "seed", "timeout", "stop_when_stalled", "workers", "storage")
    assert [getattr(again.settings, name) for name in left] == [getattr(plan.settings, name) for name in left]


def test_a_search_leaves_them_and_goes_on_from_them(cli, tmp_path):
    argv = ("--objectives", "error,size,ops", "--evaluations", "12", "--gene", "output.bits=4x8,8x8", "--workers", "1")
    status, out, _ = cli("search", *argv, "--study", "s")
    assert status == 0 and out.splitlines()[-1] == "studies/s/settings.toml"
    text = (tmp_path / "studies/s/settings.toml").read_text()
    calls = FakeMeasurer.calls
    assert cli("search", "--settings", "studies/s/settings.toml") == (0, out, "")
    assert FakeMeasurer.calls == calls and (tmp_path / "studies/s/settings.toml").read_text() == text


def test_they_hold_every_option_versions_seed_and_hashes():
    plan = planned(["--objectives", "error,size,ops"])
    text = settings_text(plan)
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert (
        f"# study {plan.study}; its identity: sha256 {plan.digest}" in comments and plan.study[-8:] == plan.digest[:8]
    )
    assert "# checkpoint: fake-weights" in comments and "# seed 1" in comments
    assert any("python 3." in line and "optuna " in line and "torch " in line for line in comments)
    (alone,) = (line.removeprefix("# left alone: ").split(", ") for line in comments if "left alone" in line)
    given = tomllib.loads(text)
    assert given["limit"] == ["error=+10"] and given["delta"] == list(DEFAULT_DELTA) and given["scales"] == "row"
    options = {action.option_strings[0].removeprefix("--").replace("-", "_") for action in parser()._actions}
    assert {*given, *alone} == options - {"_h", "out", "settings", "dry_run", "list"}


def test_no_password_is_left():
    url = "postgresql://me:secret@host/db"
    plan = make_plan(SearchSettings(FakeTask(), storage=url))
    text = settings_text(plan)
    assert "secret" not in text and "storage" not in tomllib.loads(text)
    assert "# --storage postgresql://me:" in text
