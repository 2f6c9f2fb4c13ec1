"""Experiments on the fake network: every kind against what its studies say, the page, the index."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from described import write_described
from fake_task import WORKLOAD, answer
from scipy.stats import ttest_1samp

from dse.experiments import KINDS
from dse.experiments.description import read_experiment
from dse.experiments.page import BEGIN, END, _sentence, write_page
from dse.experiments.searches import first_of
from dse.experiments.steps import JOINT, STEPS, gains_of
from dse.study.result import load_study
from models.registry import preset
from models.workload import Configuration, size_mib
from platforms import open_platform

PUBLISHED = sorted(path.parent for path in Path(__file__).parents[2].glob("studies/*/study.toml"))


@pytest.fixture
def described(tmp_path):
    return lambda kind: write_described(tmp_path, kind)


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
    heads = re.findall(r"^([^|#`\n].*):\n\n\|", page, re.MULTILINE)
    assert heads and all(len(head.split()) >= 4 for head in heads)  # sentences, not columns' names
    for table in folder.glob("*.csv"):
        assert f"({table.name})" in page and len(pd.read_csv(table))
    before, text, after = index.read_text().partition(BEGIN)[0], index.read_text(), index.read_text().partition(END)[2]
    assert (before, after) == ("before\n", "\nafter\n") and "old" not in text
    assert f"[my-{kind}](my-{kind}/README.md)" in text and result["answer"][1:] in text
    files = {path: path.read_bytes() for path in folder.glob("*.csv")}
    assert cli("experiment", f"my-{kind}")[0] == 0  # nothing is searched again, and the same is said
    assert {path: path.read_bytes() for path in folder.glob("*.csv")} == files
    (folder / "README.md").unlink()
    (tmp_path / "studies/dse.db").unlink(missing_ok=True)
    assert cli("experiment", f"my-{kind}", "--page")[0] == 0  # of its tables, without a search
    assert (folder / "README.md").read_text() == page and not (tmp_path / "studies/dse.db").exists()


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_published_pages_are_what_the_command_writes(folder, tmp_path):
    """Page, picture and line of the index, as the tables have them; with date, commit and what surprised."""
    copy = shutil.copytree(folder, tmp_path / folder.name)
    page, experiment = (copy / "README.md").read_text(), read_experiment(copy, KINDS)
    write_page(experiment, copy)
    assert (copy / "README.md").read_text() == page
    heads = re.findall(r"^([^|#`\n].*):\n\n\|", page, re.MULTILINE)
    assert len(heads) == len(re.findall(r"^\|--", page, re.MULTILINE)) > 0
    assert [head for head in heads if len(head.split()) < 4] == []  # sentences, not columns' names
    assert re.search(r"^\d{4}-\d\d-\d\d, commit [0-9a-f]{7,}\. ", page, re.MULTILINE) and "## What surprised" in page
    result = json.loads((folder / "result.json").read_text())
    assert f"python -m dse.experiment {folder.name}" in result["command"] and result["figures"]
    assert {path.stem for path in folder.glob("*.csv")} == {*result["tables"]}
    assert all((folder / f"{name}.png").exists() for name in result["figures"])
    line = f"| [{folder.name}]({folder.name}/README.md) | {experiment.question} | {_sentence(result['answer'])} |"
    assert line in (folder.parent / "README.md").read_text().splitlines()


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
            side = pd.read_csv(folder / "best_size_mib.csv").set_index(["weights", "seed"])
            assert side.loc[(weights, seed), f"within {text}"] == row["size_mib"]
        four = mine[mine["of"] == "uniform 4 bit"]["error_percent"].item()
        assert four == pytest.approx(answer(Configuration.uniform(WORKLOAD, 4))[0], abs=1e-5)


def test_a_page_elsewhere_links_to_no_file_that_is_not_there(cli, described, tmp_path):
    described("uniform")
    assert cli("experiment", "my-uniform", "--out", "elsewhere")[0] == 0
    page = (tmp_path / "elsewhere/README.md").read_text()
    assert "`studies/my-uniform/study.toml`" in page and "None." not in page
    for link in re.findall(r"\]\((.*?)\)", page):
        assert (tmp_path / "elsewhere" / link).exists(), link


def test_first_evaluations_of_a_study_have_no_later_beacons(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path / "cache"))
    assert cli("search", "--evaluations", "30", "--population", "12", "--beacons", "2", "--study", "b")[0] == 0
    study = load_study("b", f"sqlite:///{tmp_path}/studies/dse.db")
    assert len(study.beacons) == 2
    places = [[e.configuration for e in study.evaluations].index(beacon.configuration) for beacon in study.beacons]
    for evaluations in range(1, 31):
        found = first_of(study, evaluations)
        assert len(found.evaluations) == min(evaluations, len(study.evaluations))
        assert found.beacons == study.beacons[: sum(place < evaluations for place in places)]


def test_fronts_tell_what_retraining_costs(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path / "cache"))
    varied = "[search]\nevaluations = 20\npopulation = 12\n[vary.beacons]\nnone = {}\ntwo = { beacons = 2 }\n"
    folder = write_described(tmp_path, "fronts", varied)
    assert cli("experiment", "my-fronts")[0] == 0
    cost = pd.read_csv(folder / "cost.csv", keep_default_na=False).set_index("beacons")
    points = pd.read_csv(folder / "fronts.csv", dtype=str, keep_default_na=False).set_index("beacons")
    study = load_study(points.loc["two", "study"].iloc[0], f"sqlite:///{tmp_path}/studies/dse.db")
    assert list(points.loc["two", "beacon"]) == [str(point.beacon or "") for point in study.front]
    assert dict(cost["retrained"]) == {"none": 0, "two": len(study.beacons)}
    assert cost.loc["two", "minutes"] == pytest.approx(sum(beacon.seconds for beacon in study.beacons) / 60)
    assert cost.loc["two", "front_by_them"] == sum(point.beacon is not None for point in study.front) > 0
    assert cost.loc["two", "hypervolume"] == study.hypervolume() > cost.loc["none", "hypervolume"]
    assert "| none " in (folder / "README.md").read_text()


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
    assert set(table["evaluations"]) == {20} and list(table["way"]) == [JOINT, STEPS] * 2


def test_two_steps_begin_at_the_same_points_beside_a_longer_search_of_the_first(cli, described):
    folder = described("steps")
    assert cli("experiment", "my-steps", "--out", "alone", "--storage", "sqlite:///alone.db")[0] == 0
    longer = ["--objectives", "error,size", "--delta", "0", "--population", "8", "--evaluations", "40"]
    for seed in ("1", "2"):
        assert cli("search", *longer, "--seed", seed, "--storage", "sqlite:///beside.db")[0] == 0
    assert cli("experiment", "my-steps", "--out", "beside", "--storage", "sqlite:///beside.db")[0] == 0
    alone, beside = ((folder.parents[1] / out / "hypervolumes.csv").read_bytes() for out in ("alone", "beside"))
    assert alone == beside


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
    assert (row.low_percent, row.high_percent) == pytest.approx((interval.low, interval.high))


def test_a_longer_search_of_the_same_study_changes_nothing(cli, described):
    folder = described("fronts")
    for evaluations, out in (("12", "short"), ("24", "long"), ("12", "short-again")):
        assert cli("experiment", "my-fronts", "--evaluations", evaluations, "--out", out)[0] == 0
    for name in ("within.csv", "fronts.csv"):
        short, long, again = ((folder.parents[1] / out / name).read_bytes() for out in ("short", "long", "short-again"))
        assert short == again != long
