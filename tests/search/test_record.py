"""What is written down of a study: its format's version, old formats, records that cannot be read."""

import json
from dataclasses import replace

import optuna
import pytest
from fake_task import WORKLOAD, FakeMeasurer, FakeTask
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from dse.design.evaluation import Evaluation
from dse.design.genes import search_space
from dse.design.utterance_errors import UtteranceErrors
from dse.evaluator.evaluate import evaluate
from dse.exploration.run import run_search
from dse.exploration.settings import SearchSettings
from dse.study.record import FORMAT
from dse.study.result import load_study
from dse.study.store import StoreError, find_study
from models.checkpoint import content_hash
from models.workload import InputError

SPACE = search_space(WORKLOAD)
COUNTS = st.integers(0, 2**32 - 1)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/dse.db"


def search(url, **changes):
    given = {"evaluations": 20, "population": 12, "workers": 1, "storage": url, "study": "s"}
    return run_search(SearchSettings(FakeTask(), **{**given, "objectives": ("error", "size", "ops"), **changes}))


def some_evaluation(k=0):
    return evaluate(SPACE.decode(SPACE.uniform()[k]), FakeMeasurer(), genome=SPACE.uniform()[k])


@given(st.lists(st.tuples(COUNTS, COUNTS, COUNTS, COUNTS)))
def test_errors_of_utterances_come_back(rows):
    errors = UtteranceErrors(*(tuple(row[k] for row in rows) for k in range(4)))
    assert UtteranceErrors.from_text(errors.to_text()) == errors


@pytest.mark.parametrize("text", ["", "nonsense!", "AAAA", "eJwDAAAAAAE=x", 7])
def test_damaged_errors_of_utterances_are_one_line(text):
    with pytest.raises(InputError, match="errors per utterance cannot be read"):
        UtteranceErrors.from_text(text)


def test_every_measured_evaluation_keeps_the_errors_of_every_utterance(url):
    study = search(url)
    for evaluation in (*load_study("s", url).evaluations, study.baseline):
        assert (evaluation.errors is not None) == evaluation.measured
        if evaluation.errors:
            metrics, errors = evaluation.metrics, evaluation.errors
            assert sum(errors.substitutions) == metrics["substitutions"]
            assert sum(errors.reference_phones) == metrics["reference_phones"]
            assert errors.percent == metrics["error_percent"]
            assert max(errors.quarters_percent) == metrics["error_max4_percent"]


def test_evaluations_of_400_utterances_take_little_room(tmp_path):
    """300 stay under 5 MB."""
    errors = UtteranceErrors(*(tuple((u * 7919 + k * 31) % 29 for u in range(400)) for k in range(4)))

    class Measurer(FakeMeasurer):
        def measure(self, configuration):
            return replace(super().measure(configuration), errors=errors)

    class Task(FakeTask):
        def open(self, split="validation"):
            return Measurer()

    sizes = []
    for evaluations in (20, 60):
        url = f"sqlite:///{tmp_path}/dse.db"
        run_search(SearchSettings(Task(), evaluations=evaluations, population=20, workers=1, storage=url, study="s"))
        sizes.append((tmp_path / "dse.db").stat().st_size)
    assert sizes[0] + 280 * (sizes[1] - sizes[0]) / 40 < 5_000_000


def test_the_record_holds_what_makes_the_measurer_again(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    task = FakeTask(corpus="timit", corpus_path="speech", skip_bad=True)
    run_search(SearchSettings(task, evaluations=4, population=4, workers=1, storage=url, study="s"))
    kept = load_study("s", url).task
    assert kept["corpus_path"] == str(tmp_path / "speech")  # wherever the next command is started
    assert (kept["corpus"], kept["skip_bad"], kept["checkpoint"]) == ("timit", True, None)
    assert "device" not in kept
    moved = FakeTask(corpus="timit", corpus_path=str(tmp_path / "elsewhere"), skip_bad=True)
    run_search(SearchSettings(moved, evaluations=4, population=4, workers=1, storage=url, study="s"))
    assert load_study("s", url).task["corpus_path"] == str(tmp_path / "elsewhere")


def old_study(url, error="whole"):
    """A study as format 1 left it: three measured, one screened, one failed."""
    identity = {
        "model": "sru", "preset": "edge", "corpus": "synthetic", "content": FakeTask().fingerprint,
        "objectives": ["error", "size"], "limits": ["error=+10"], "searcher": "surrogate", "seed": 1, "population": 12,
        "genes": {gene.name: list(gene.choices) for gene in SPACE.genes}, "always skipped": [],
    }  # fmt: skip
    if error != "whole":
        identity["error"] = error
    study = optuna.create_study(storage=url, study_name="s", directions=["minimize", "minimize"])
    study.set_user_attr("settings", identity)
    for k, genome in enumerate([(), *SPACE.uniform(), (1,) * len(SPACE.genes), (2,) * len(SPACE.genes)]):
        configuration = SPACE.decode(genome) if genome else SPACE.base
        evaluation = evaluate(configuration, FakeMeasurer(), genome=genome)
        metrics = dict(evaluation.metrics)
        worst = metrics.pop("error_max4_percent")
        metrics["error_percent"] = metrics["error_percent"] if error == "whole" else worst
        status = ("ok", "ok", "ok", "ok", "screened", "failed")[k]
        record = {
            "genome": list(genome), "configuration": configuration.to_json(), "status": status,
            "reasons": [] if status == "ok" else ["why"], "computed": {} if status == "failed" else evaluation.computed,
            "violation": 0.0, "seconds": 0.5,
        }  # fmt: skip
        if not genome:
            study.set_user_attr("baseline", record | {"metrics": metrics})
            continue
        state = {"screened": TrialState.PRUNED, "failed": TrialState.FAIL}.get(status, TrialState.COMPLETE)
        values = [metrics["error_percent"], metrics["size_mib"]] if status == "ok" else None
        study.add_trial(optuna.trial.create_trial(state=state, values=values, user_attrs=record | metrics))


def test_a_study_of_the_former_format_opens(url):
    old_study(url)
    study = load_study("s", url)
    assert [objective.name for objective in study.objectives] == ["error", "size"]
    assert [e.status for e in study.evaluations] == ["ok", "ok", "ok", "infeasible", "failed"]
    assert study.task is None and all(e.errors is None for e in study.evaluations)
    for evaluation, genome in zip(study.evaluations[:3], SPACE.uniform(), strict=True):
        assert evaluation.metrics == some_evaluation(SPACE.uniform().index(genome)).metrics
    screened = study.evaluations[3]
    assert not screened.measured and set(screened.metrics) == {"size_mib", "compression"}
    with pytest.raises(InputError, match="holds no workload to price"):
        study.on("silago")


def test_a_study_of_the_worst_quarters_error_keeps_its_meaning(url):
    old_study(url, "max4")
    study = load_study("s", url)
    assert [objective.name for objective in study.objectives] == ["max4", "size"]
    assert study.identity["limits"] == ["max4=+10"] and "error" not in study.identity
    for k, evaluation in enumerate(study.evaluations[:3]):
        expected = some_evaluation(k).metrics
        assert evaluation.metrics["error_max4_percent"] == expected["error_max4_percent"]
        assert evaluation.metrics["error_percent"] == pytest.approx(expected["error_percent"])


def test_a_search_goes_on_with_a_study_of_the_former_format(url):
    old_study(url)
    study = run_search(
        SearchSettings(
            FakeTask(), delta=(0, 2, 4, 8, 16), evaluations=20, population=12, workers=1, storage=url, study="s"
        )
    )
    assert study.count("ok") >= 3
    assert optuna.load_study(storage=url, study_name="s").user_attrs.get("format") is None  # it stays what it is
    assert any(e.errors for e in load_study("s", url).evaluations)


def test_a_later_format_is_one_line(url):
    search(url)
    study = optuna.load_study(storage=url, study_name="s")
    assert study.user_attrs["format"] == FORMAT
    study.set_user_attr("format", FORMAT + 1)
    with pytest.raises(StoreError, match=rf"format {FORMAT + 1}, this version reads up to {FORMAT}") as caught:
        load_study("s", url)
    assert "\n" not in str(caught.value)


def test_unknown_fields_are_kept_and_missing_ones_have_defaults():
    record = some_evaluation().to_json()
    later = Evaluation.from_json(json.loads(json.dumps(record | {"weights": "beacon-3", "notes": [1]})))
    assert later.extra == {"weights": "beacon-3", "notes": [1]}
    assert later.to_json() == record | {"weights": "beacon-3", "notes": [1]}
    settings = record["configuration"] | {"output": record["configuration"]["output"] | {"block": 16}}
    inner = Evaluation.from_json(record | {"configuration": settings})
    assert inner.configuration == some_evaluation().configuration
    assert inner.to_json() == record | {"configuration": settings}
    needed = {name: record[name] for name in ("genome", "configuration", "status")}
    bare = Evaluation.from_json(needed)
    assert (bare.reasons, bare.metrics, bare.computed, bare.violation, bare.errors) == ((), {}, {}, 0.0, None)


def test_unknown_fields_of_a_trial_are_kept(url):
    search(url, evaluations=4, population=4)
    store = find_study(url, "s")
    told = replace(next(iter(store.evaluations.values())), genome=(3,) * len(SPACE.genes), extra={"weights": "beacon"})
    space = search_space(WORKLOAD)
    store.add(told, space)
    assert find_study(url, "s").evaluations[told.genome] == told


def test_a_checkpoint_that_was_moved_is_told(cli, tmp_path, monkeypatch):
    """What the study recorded is looked for first; an option takes its place."""
    monkeypatch.setattr(FakeTask, "workload", property(lambda task: WORKLOAD))
    monkeypatch.setattr(
        FakeTask, "fingerprint", property(lambda task: {"checkpoint": content_hash(task.checkpoint_path)})
    )
    (tmp_path / "net").write_bytes(b"weights")
    argv = ("--study", "s", "--workers", "1", "--evaluations", "4", "--population", "4")
    assert cli("search", "--checkpoint", "net", *argv)[0] == 0
    assert cli("report", "study", "s", "--workers", "1")[0] == 0
    (tmp_path / "net").rename(tmp_path / "moved")
    status, _, err = cli("report", "study", "s", "--workers", "1")
    where = "the study was searched there: say where it is now, with --checkpoint or --corpus-path"
    assert (status, err) == (2, f"error: no checkpoint at {tmp_path}/net; {where}\n")
    (tmp_path / "net").write_bytes(b"others")
    status, _, err = cli("report", "study", "s", "--workers", "1")
    assert status == 2 and f"another checkpoint or corpus than {tmp_path}/net and synthetic (checkpoint: stored" in err
    assert cli("report", "study", "s", "--checkpoint", "moved")[0] == 0
