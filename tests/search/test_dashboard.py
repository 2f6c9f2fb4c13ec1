"""A study in optuna-dashboard, asked as its page asks: names, objective values, parameters."""

from collections import Counter

import pytest
from dashboard import asked, dashboard
from searches import search

pytest.importorskip("optuna_dashboard")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return search(tmp_path_factory.mktemp("study"), evaluations=25)


@pytest.fixture(scope="module")
def shown(study):
    """What the dashboard tells of all studies, and all of the one."""
    with dashboard(study.storage) as address:
        listed = asked(address, "studies")["study_summaries"]
        (number,) = (each["study_id"] for each in listed if each["study_name"] == study.name)
        yield listed, asked(address, f"studies/{number}?after=0")


def test_the_study_is_listed_with_its_directions(study, shown):
    listed, detail = shown
    (mine,) = (each for each in listed if each["study_name"] == study.name)
    assert mine["directions"] == detail["directions"] == [objective.direction for objective in study.objectives]
    assert detail["objective_names"] == [objective.metric for objective in study.objectives]


def test_every_evaluation_is_a_trial_with_its_values_and_parameters(study, shown):
    trials = [trial for trial in shown[1]["trials"] if trial["state"] == "Complete"]
    told = Counter(tuple(round(value, 6) for value in trial["values"]) for trial in trials)
    measured = [evaluation for evaluation in study.evaluations if evaluation.measured]
    known = Counter(tuple(round(e.metrics[o.metric], 6) for o in study.objectives) for e in measured)
    assert known and told >= known
    genes = [parameter["name"] for parameter in trials[0]["params"]]
    assert len(genes) == len(study.evaluations[0].genome) and any("l1.input" in gene for gene in genes)
    assert all(parameter["param_external_value"] for trial in trials for parameter in trial["params"])
