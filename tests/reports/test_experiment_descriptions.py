"""Descriptions of experiments: bad ones are told in a line, published ones can be planned."""

from pathlib import Path

import pytest
from described import write_described

from dse.evaluator.task import NetworkTask
from dse.experiment import parser, settings_of
from dse.experiments import KINDS
from dse.experiments.description import read_experiment
from dse.experiments.page import BEGIN, END
from dse.exploration.plan import make_plan


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("frontz", "", "kind 'frontz' is none of fronts"),
        ("fronts", "[serch]\n", "unknown key 'serch'"),
        ("fronts", "search = 3\n", "search is 3, not a table"),
        ("fronts", "vary = { model = 3 }\n", "[vary.model] holds no tables"),
        ("fronts", "[fronts]\nat = '+2'\n", "at is '+2', none of within"),
        ("fronts", "[fronts]\nwithin = ['much', '+1']\n", "'much' is no error"),
        ("fronts", "[fronts]\nwithin = ['1', '+1']\n", "'1' is no error, as in '+1' (points over 16 bit)"),
        ("fronts", "[fronts]\ntells = 'all'\n", "tells is 'all', none of best, winners, saved, shares"),
        ("fronts", "[fronts]\ntells = 'saved'\n", "nothing varies: there is no table [vary.NAME]"),
        ("fronts", "[fronts]\ntells = 'shares'\nof = '+1'\n", "of is '+1', not uniform bits"),
        ("fronts", "[fronts]\ntells = 'shares'\nof = '3 bit'\n", "not uniform bits as in '4 bit': there are '16 bit'"),
        ("fronts", "[fronts]\nof = '4 bit'\n", "of is for tells = 'shares'"),
        ("steps", "[steps]\npoints = ['much']\n", "'much' is no error"),
        ("steps", "[steps]\nseeds = 0\n", "it takes a seed and a point or more"),
        ("fronts", "[fronts]\nat = 2\n", "at is 2, not of type str"),
        ("fronts", "[fronts]\nto = 2\n", "unknown key 'to'"),
        (
            "fronts",
            "[search]\nevaluation = 3\n",
            "unknown setting 'evaluation' in studies/my-fronts/study.toml; evaluations?",
        ),
        (
            "fronts",
            "[vary.a]\nx = { rounding = 'nearest' }\n[vary.b]\ny = {}\nz = { rounding = 'nearest' }\n",
            "[vary.a] and [vary.b] both vary rounding",
        ),
        ("uniform", "[uniform]\nbits = ['x']\n", "bits 'x' are none"),
        ("across", "", "a kind 'across' varies platform"),
        ("across", "[vary.platform]\na = {}\nb = {}\n", "'a' has 0 platforms"),
        ("prices", "", "platforms is empty"),
        ("prices", "[prices]\nplatforms = ['silago']\nbits = [3]\n", "no platform runs any of bits 3"),
        ("prices", "[prices]\nplatforms = ['silgo']\n", "no platform 'silgo'"),
        (
            "across",
            "[search]\nobjectives = ['error', 'speedup']\n[vary.platform]\n"
            "a = { platform = 'stripes' }\nb = { platform = 'silago' }\n",
            "better on a than 16 bit",
        ),
        ("steps", "=", "is not TOML"),
    ],
)
def test_bad_descriptions_are_told_in_a_line(cli, tmp_path, kind, text, said):
    write_described(tmp_path, kind, text)
    status, _, err = cli("experiment", f"my-{kind}", "--evaluations", "12", "--out", "elsewhere")
    assert status == 2 and said in err and len(err.strip().splitlines()[-1:]) == 1 and "Traceback" not in err
    if "better on a than 16 bit" not in said:  # which is known of a search only
        assert len(err.strip().splitlines()) == 1  # nothing was searched
        assert f"studies/my-{kind}/study.toml" in err or "silgo" in err


def test_an_experiment_that_is_not_there(cli, tmp_path):
    status, _, err = cli("experiment", "nothing")
    assert status == 2 and "no experiment at studies/nothing/study.toml" in err
    assert cli("experiment")[0] == 2
    write_described(tmp_path, "uniform")
    write_described(tmp_path, "steps")
    assert cli("experiment", "my-unifrom")[2].endswith("; my-uniform?\n")
    assert cli("experiment", "zzz")[2].endswith("; there are my-steps, my-uniform\n")


def test_one_damaged_description_is_told_beside_the_others(cli, tmp_path):
    write_described(tmp_path, "uniform")
    write_described(tmp_path, "steps", "=")
    status, out, err = cli("experiment", "--list")
    assert status == 2 and out.split() == ["my-uniform", "T"]
    assert "studies/my-steps/study.toml is not TOML" in err and len(err.splitlines()) == 1
    (tmp_path / "studies/README.md").write_text(f"{BEGIN}{END}")
    status, _, err = cli("experiment", "my-uniform")
    assert status == 0 and "not in the index: studies/my-steps/study.toml is not TOML" in err
    assert "my-uniform" in (tmp_path / "studies/README.md").read_text()


PUBLISHED = sorted(path.parent for path in Path(__file__).parents[2].glob("studies/*/study.toml"))


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_published_experiments_have_searches_that_can_be_planned(folder):
    experiment = read_experiment(folder, KINDS)
    own = {"steps": ("first", "second")}.get(experiment.kind, ())
    sizes = []
    for variation in experiment.variations:
        for more in ({}, *(experiment.own[name] for name in own)):
            options = {
                name: value for name, value in {**variation.options, **more}.items() if name != "freeze" or not more
            }
            settings = settings_of(options, parser().parse_args([]), NetworkTask, experiment.source)
            sizes += [make_plan(settings).space.size] if settings.task.corpus == "synthetic" else []
    assert not sizes or max(sizes) > 1  # one of several may be a single configuration, which others are held against


@pytest.mark.parametrize("name", ["../studies/my-uniform", "my-uniform/", "a/b", ".."])
def test_an_experiment_goes_by_its_name_not_by_a_path(cli, tmp_path, name):
    write_described(tmp_path, "uniform")
    status, _, err = cli("experiment", name)
    assert status == 2 and err.startswith("error: no experiment") and len(err.splitlines()) == 1
