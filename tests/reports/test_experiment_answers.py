"""Answers of experiments that compare fronts, on the fake network: shares, savings, winners."""

import json

import pandas as pd
import pytest
from described import write_described
from fake_task import WORKLOAD, answer

from dse.experiments import searches
from models.workload import Configuration


def test_shares_are_of_what_uniform_bits_gain(cli, tmp_path):
    more = 'objectives = ["error", "speedup", "energy"]\nplatform = "silago"\nevaluations = 60\npopulation = 12\n'
    text = f"[fronts]\nwithin = ['+0.05', '+1']\ntells = 'shares'\nof = '4 bit'\n[search]\n{more}"
    folder = write_described(tmp_path, "fronts", text)
    assert cli("experiment", "my-fronts")[0] == 0
    shares = pd.read_csv(folder / "shares.csv").set_index("objective")
    rows = pd.read_csv(folder / "within.csv").set_index("of")
    answer_line = json.loads((folder / "result.json").read_text())["answer"]
    speed, energy = "silago.speedup", "silago.energy_pj_per_frame"
    for within in ("within +0.05", "within +1"):
        speed_share = rows.loc[within, speed] / rows.loc["uniform 4 bit", speed]
        saved = (rows.loc["uniform 16 bit", energy] - rows.loc[within, energy]) / (
            rows.loc["uniform 16 bit", energy] - rows.loc["uniform 4 bit", energy]
        )
        assert 0 < shares.loc["speedup", within] == pytest.approx(100 * speed_share)
        assert 0 < shares.loc["energy", within] == pytest.approx(100 * saved)
        assert f"{100 * saved:.0f}" in answer_line
    assert answer_line.startswith("share of what uniform 4 bit gain, within +0.05, +1 points: speedup ")


SAVED = """
[fronts]
within = ["+0.05", "+1"]
tells = "saved"
[search]
objectives = ["error", "speedup", "energy", "ops", "compression"]
platform = "edgedrnn"
evaluations = 60
population = 12
[vary.weights]
wide = { weight_bits = [8, 16] }
all = {}
[vary.thresholds]
without = { delta = [0] }
with = { delta = [0, 2, 8] }
"""


def test_what_a_search_saves_is_over_its_neighbour_without(cli, tmp_path):
    folder = write_described(tmp_path, "fronts", SAVED)
    assert cli("experiment", "my-fronts")[0] == 0
    saved = pd.read_csv(folder / "saved.csv")
    assert list(saved.groupby(["weights", "thresholds"]).groups) == [("all", "with"), ("wide", "with")]
    points = pd.read_csv(folder / "fronts.csv")
    least = answer(Configuration.uniform(WORKLOAD, 16))[0]
    told = []
    for (weights, of), row in saved.set_index(["weights", "of"]).iterrows():
        for within, more in (("within +0.05", 0.05), ("within +1", 1)):
            kept = points[(points["weights"] == weights) & (points["error_percent"] <= least + more + 1e-5)]
            without, with_ = (kept[kept["thresholds"] == name] for name in ("without", "with"))
            took = {
                "time": lambda rows: (1 / rows["edgedrnn.speedup"]).min(),
                "energy": lambda rows: rows["edgedrnn.energy_pj_per_frame"].min(),
                "size": lambda rows: (1 / rows["compression"]).min(),
            }[of]
            assert row[within] == pytest.approx(100 * (1 - took(with_) / took(without)), abs=1e-4)
        told.append(row["within +1"])
    assert len(told) == 6 and max(told) > 10  # thresholds save something; eliminated operations are no share
    answer_line = json.loads((folder / "result.json").read_text())["answer"]
    assert answer_line.startswith("saved over without, within +0.05, +1 points: wide, with time ")
    assert f"{told[0]:.0f} %, energy" in answer_line


def test_uniform_bits_have_the_scheme_of_the_search(cli, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(searches, "measure_aside", lambda study, _, task, *more: asked.append((study, task)))
    write_described(tmp_path, "fronts", "[search]\nplatform = 'edgedrnn'\nevaluations = 12\npopulation = 12\n")
    assert cli("experiment", "my-fronts")[0] == 0
    ((study, task),) = asked
    assert study.identity["content"]["quantization"] == str(task.scheme) and not task.scheme.zero_points


def test_winners_are_the_best_of_all_searches(cli, tmp_path):
    folder = write_described(tmp_path, "fronts")
    file = folder / "study.toml"
    file.write_text(file.read_text().replace('"+1"]', '"+1", "1 %", "20 %"]\ntells = "winners"'))
    assert cli("experiment", "my-fronts")[0] == 0
    points = pd.read_csv(folder / "fronts.csv").astype({"seed": str})
    answer_line = json.loads((folder / "result.json").read_text())["answer"]
    least = points.loc[points["error_percent"].idxmin()]
    assert answer_line.startswith(f"least error {least['error_percent']:.2f} % ({least['weights']}, {least['seed']})")
    assert "within 1 % none" in answer_line
    kept = points[points["error_percent"] <= 20]
    won = pd.read_csv(folder / "winners.csv").set_index("error").loc["within 20 % of error"]
    for head, unit, row in (
        ("size", "MiB", kept.loc[kept["size_mib"].idxmin()]),
        ("eliminated", "%", kept.loc[kept["eliminated_percent"].idxmax()]),
    ):
        value, *whose = won[head].split(", ")
        assert whose == [row["weights"], row["seed"]] and value.endswith(unit)
