"""Experiments on the fake network: every kind against what its studies say, the page, the index, bad descriptions."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_task import WORKLOAD, answer
from scipy.stats import ttest_1samp

from dse.evaluator.task import NetworkTask
from dse.experiment import parser, settings_of
from dse.experiments import KINDS
from dse.experiments.description import read_experiment
from dse.experiments.page import BEGIN, END
from dse.experiments.steps import JOINT, STEPS, gains_of
from dse.exploration.plan import make_plan
from dse.study.result import load_study
from models.registry import preset
from models.workload import Configuration, size_mib
from platforms import open_platform

HEAD = 'title = "T"\nquestion = "Q?"\nkind = "{kind}"\nsurprise = "None."\n'
DESCRIBED = {
    "fronts": """
[fronts]
within = ["8 bit", "+0.05", "+1"]
[search]
objectives = ["error", "size", "ops"]
evaluations = 40
population = 12
[vary.weights]
all = {}
wide = { weight_bits = [8, 16] }
[vary.seed]
1 = { seed = 1 }
2 = { seed = 2 }
""",
    "uniform": "[uniform]\nbits = ['16', '4x8']\ndelta = [0, 2]\n[vary.model]\nsru = { model = 'sru' }\n",
    "steps": """
[steps]
seeds = 3
first = { objectives = ["error", "size"], delta = [0], evaluations = 20 }
second = { objectives = ["error", "ops"], freeze = ["bits"] }
points = ["+0.05", "+1"]
[search]
objectives = ["error", "size", "ops"]
evaluations = 60
population = 12
""",
    "across": """
[search]
objectives = ["error", "speedup"]
searcher = "exhaustive"
weight_bits = [4, 8]
activation_bits = [4, 8]
delta = [0]
[vary.platform]
silago = { platform = "silago" }
bitfusion = { platform = "bitfusion" }
""",
    "prices": "[prices]\nplatforms = ['silago', 'edgedrnn', 'bitfusion:level=ideal']\nmodels = ['sru', 'gru']\n",
}


@pytest.fixture
def described(tmp_path):
    """Writes a study.toml."""

    def write(kind, text=None):
        folder = tmp_path / "studies" / f"my-{kind}"
        folder.mkdir(parents=True)
        (folder / "study.toml").write_text(HEAD.format(kind=kind) + (DESCRIBED[kind] if text is None else text))
        return folder

    return write


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_writes_its_page_and_a_line_of_the_index(cli, described, tmp_path, kind):
    folder = described(kind)
    index = folder.parent / "README.md"
    index.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    status, out, err = cli("experiment", f"my-{kind}")
    assert status == 0, err
    result = json.loads((folder / "result.json").read_text())
    assert out.startswith(result["answer"]) and result["command"] == f"python -m dse.experiment my-{kind}"
    page = (folder / "README.md").read_text()
    assert page.startswith("# T\n\nQ?\n\n**") and result["command"] in page and page.endswith("None.\n")
    for line in out.splitlines()[2:]:
        assert (tmp_path / line).exists(), line
    for table in folder.glob("*.csv"):
        assert f"({table.name})" in page and len(pd.read_csv(table))
    before, text, after = index.read_text().partition(BEGIN)[0], index.read_text(), index.read_text().partition(END)[2]
    assert (before, after) == ("before\n", "\nafter\n") and "old" not in text
    assert f"[my-{kind}](my-{kind}/README.md)" in text and result["answer"][1:] in text
    files = {path: path.read_bytes() for path in folder.glob("*.csv")}
    assert cli("experiment", f"my-{kind}")[0] == 0  # nothing is searched again, and the same is said
    assert {path: path.read_bytes() for path in folder.glob("*.csv")} == files


def test_fronts_tell_the_best_within_each_error(cli, described, tmp_path):
    folder = described("fronts")
    assert cli("experiment", "my-fronts")[0] == 0
    rows, points = (pd.read_csv(folder / f"{name}.csv") for name in ("within", "fronts"))
    assert list(rows.groupby(["weights", "seed"]).groups) == [("all", 1), ("all", 2), ("wide", 1), ("wide", 2)]
    for (weights, seed), mine in rows.groupby(["weights", "seed"]):
        front = points[(points["weights"] == weights) & (points["seed"] == seed)]
        study = load_study(front["study"].iloc[0], f"sqlite:///{tmp_path}/studies/dse.db")
        assert len(front) == len(study.front) and study.identity["seed"] == seed
        baseline = study.baseline.metrics["error_percent"]
        eight = answer(Configuration.uniform(WORKLOAD, 8))[0]
        for text, bound in (("8 bit of error", eight), ("+0.05", baseline + 0.05), ("+1", baseline + 1)):
            (row,) = mine[mine["of"] == f"within {text}"].to_dict("records")
            kept = front[front["error_percent"] <= bound + 1e-5]
            assert row["size_mib"] == kept["size_mib"].min()
            assert row["eliminated_percent"] == kept["eliminated_percent"].max()
        four = mine[mine["of"] == "uniform 4 bit"]["error_percent"].item()
        assert four == pytest.approx(answer(Configuration.uniform(WORKLOAD, 4))[0], abs=1e-5)


def test_uniform_bits_as_they_are(cli, described):
    folder = described("uniform")
    assert cli("experiment", "my-uniform")[0] == 0
    table = pd.read_csv(folder / "uniform.csv").set_index("bits")
    assert list(table.index) == ["W16A16", "W4A8", "W16A16d2", "W4A8d2"]
    error, _ = answer(Configuration.uniform(WORKLOAD, 4, 8, delta=2))
    baseline, _ = answer(Configuration.uniform(WORKLOAD, 16))
    assert table.loc["W4A8d2", "error_percent"] == pytest.approx(error, abs=1e-5)
    assert table.loc["W4A8d2", "error_more_points"] == pytest.approx(error - baseline, abs=1e-5)


def test_a_platform_has_all_of_its_own_front_and_of_another_what_runs(cli, described):
    folder = described("across")
    assert cli("experiment", "my-across")[0] == 0
    shares = pd.read_csv(folder / "shares.csv").set_index(["searched for", "used on"])
    for name in ("silago", "bitfusion"):
        assert shares.loc[(name, name), "share_percent"] == pytest.approx(100)
    there = shares.loc[("bitfusion", "silago")]
    assert there["points_that_run"] < there["points"]  # SiLago ties weights to activations
    assert shares["share_percent"].between(0, 100 + 1e-9).all()  # of exhaustive searches


def test_prices_are_the_platforms(cli, described):
    folder = described("prices")
    assert cli("experiment", "my-prices")[0] == 0
    table = pd.read_csv(folder / "prices.csv").set_index(["platform", "model", "preset", "bits"])
    assert len(table) == 2 * 2 * (3 + 4 + 4)  # SiLago has no 2 bit
    workload, chip = preset("gru", "paper").workload(), open_platform("silago")
    eight = Configuration.uniform(workload, 8)
    row, estimate = table.loc[("silago", "gru", "paper", 8)], chip.estimate(workload, eight)
    assert (row["cycles_per_frame"], row["speedup"]) == (estimate.cycles_per_frame, estimate.speedup)
    assert row["energy_uj"] == pytest.approx(estimate.energy_pj_per_frame / 1e6) and np.isnan(row["latency_us"])
    assert row["size_kib"] > size_mib(workload, eight) * 1024  # with the scales of a search's scheme
    wide = pd.read_csv(folder / "compared.csv").set_index(["model", "preset", "bits"])
    assert len(wide) == 16 and "silago latency_us" not in wide
    assert wide.loc[("gru", "paper", 8), "silago speedup"] == row["speedup"]
    assert np.isnan(wide.loc[("gru", "paper", 2), "silago speedup"])


def test_published_prices_are_those_of_now():
    folder = Path(__file__).parents[2] / "studies/epiphany"
    found = KINDS["prices"](read_experiment(folder, KINDS), lambda _: pytest.fail("it searches nothing"))
    for name, table in found.tables.items():
        pd.testing.assert_frame_equal(pd.read_csv(folder / f"{name}.csv"), table, check_dtype=False)


def test_two_steps_spend_as_many_evaluations_as_one(cli, described):
    folder = described("steps")
    assert cli("experiment", "my-steps")[0] == 0
    table = pd.read_csv(folder / "hypervolumes.csv")
    assert set(table["evaluations"]) == {60} and list(table["way"]) == [JOINT, STEPS] * 3


def test_gains_and_their_interval():
    rng = np.random.default_rng(0)
    joint, stepped = 10 + rng.normal(size=5), 9 + rng.normal(size=5)
    rows = [
        {"model": "sru", "seed": seed, "way": way, "hypervolume": value}
        for way, values in ((JOINT, joint), (STEPS, stepped))
        for seed, value in enumerate(values)
    ]
    (row,) = gains_of(pd.DataFrame(rows), ["model"]).itertuples(index=False)
    gains = 100 * (joint / stepped - 1)
    interval = ttest_1samp(gains, 0).confidence_interval(0.95)
    assert row.of == "sru" and row.gain_percent == pytest.approx(gains.mean())
    assert (row.low, row.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("frontz", "", "kind 'frontz' is none of fronts"),
        ("fronts", "[serch]\n", "unknown key 'serch'"),
        ("fronts", "search = 3\n", "search is 3, not a table"),
        ("fronts", "vary = { model = 3 }\n", "[vary.model] holds no tables"),
        ("fronts", "[fronts]\nat = '+2'\n", "at is '+2', none of within"),
        ("fronts", "[fronts]\nwithin = ['much', '+1']\n", "'much' is no error"),
        ("fronts", "[fronts]\nat = 2\n", "at is 2, not of type str"),
        ("fronts", "[fronts]\nto = 2\n", "unknown key 'to'"),
        ("fronts", "[search]\nevaluation = 3\n", "unknown setting 'evaluation' in study.toml; evaluations?"),
        ("uniform", "[uniform]\nbits = ['x']\n", "bits 'x' are none"),
        ("across", "", "a kind 'across' varies platform"),
        ("across", "[vary.platform]\na = {}\nb = {}\n", "'a' has 0 platforms"),
        ("prices", "", "platforms is empty"),
        ("prices", "[prices]\nplatforms = ['silago']\nbits = [3]\n", "no platform runs any of bits 3"),
        ("prices", "[prices]\nplatforms = ['silgo']\n", "no platform 'silgo'"),
        (
            "across",
            "[search]\nobjectives = ['error', 'speedup']\n[vary.platform]\na = { platform = 'stripes' }\nb = {}\n",
            "better on a than 16 bit",
        ),
        ("steps", "=", "is not TOML"),
    ],
)
def test_bad_descriptions_are_told_in_a_line(cli, described, kind, text, said):
    described(kind, text)
    status, _, err = cli("experiment", f"my-{kind}", "--evaluations", "12")
    assert status == 2 and said in err and len(err.strip().splitlines()[-1:]) == 1 and "Traceback" not in err


def test_an_experiment_that_is_not_there(cli, tmp_path):
    status, _, err = cli("experiment", "nothing")
    assert status == 2 and "no experiment at studies/nothing/study.toml" in err
    assert cli("experiment")[0] == 2


def test_a_longer_search_of_the_same_study_changes_nothing(cli, described):
    folder = described("fronts")
    for evaluations, out in (("20", "short"), ("40", "long"), ("20", "short-again")):
        assert cli("experiment", "my-fronts", "--evaluations", evaluations, "--out", out)[0] == 0
    for name in ("within.csv", "fronts.csv"):
        short, long, again = ((folder.parents[1] / out / name).read_bytes() for out in ("short", "long", "short-again"))
        assert short == again != long


PUBLISHED = sorted(path.parent for path in Path(__file__).parents[2].glob("studies/*/study.toml"))


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_published_experiments_have_searches_that_can_be_planned(folder):
    experiment = read_experiment(folder, KINDS)
    own = {"steps": ("first", "second")}.get(experiment.kind, ())
    for variation in experiment.variations:
        for more in ({}, *(experiment.own[name] for name in own)):
            options = {
                name: value for name, value in {**variation.options, **more}.items() if name != "freeze" or not more
            }
            settings = settings_of(options, parser().parse_args([]), NetworkTask)
            assert settings.task.corpus != "synthetic" or make_plan(settings).space.size > 1
