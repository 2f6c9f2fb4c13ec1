"""Records that cannot be read: one line that names what is wrong, nothing changed."""

import base64
import math
import re
import shutil
import sqlite3
import zlib
from contextlib import closing

import optuna
import pytest
from fake_task import FakeTask
from optuna.trial import TrialState

from dse.exploration.run import run_search
from dse.exploration.settings import SearchSettings
from dse.study.record import IDENTITY, from_record, from_trial, read_workload
from dse.study.result import load_study
from dse.study.store import StoreError
from models.workload import InputError


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A small study, to be copied and damaged."""
    path = tmp_path_factory.mktemp("searched") / "dse.db"
    given = {"evaluations": 4, "population": 4, "workers": 1, "storage": f"sqlite:///{path}", "study": "s"}
    run_search(SearchSettings(FakeTask(), **given))
    return path


@pytest.fixture
def url(searched, tmp_path):
    shutil.copy(searched, tmp_path / "copy.db")
    return f"sqlite:///{tmp_path}/copy.db"


def packed(data):
    return base64.b64encode(zlib.compress(data)).decode()


WRONG = [
    ("utterance_errors", packed(b"")), ("utterance_errors", packed(bytes(16))),
    ("utterance_errors", packed(bytes(80 << 20))),
    ("genome", None), ("genome", [1, "x"]), ("genome", [-1]), ("configuration", {"l0.input": {"weight_bits": 9}}),
    ("configuration", [1]), ("configuration", {"l0.input": "red"}), ("status", "screened-ish"),
    ("status", None), ("reasons", "text"), ("computed", [0.5]), ("computed", {"l0.input": "half"}),
    ("violation", "much"), ("seconds", True), ("utterance_errors", "nonsense"), ("utterance_errors", 3),
    ("configuration", {"l0.input": {"delta": 1.5}}), ("configuration", {"l0.input": {"skip": 1}}),
    ("violation", -0.5), ("violation", 0.5), ("seconds", -1), ("computed", {"l0.input": 1.5}),
    ("computed", {"another": 0.5}), ("metrics", {"error_percent": -1.0}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG, ids=[f"{name}={value!r:.60}" for name, value in WRONG])
@pytest.mark.parametrize("where", ["trial", "baseline"])
def test_a_record_that_cannot_be_read_is_one_line(cli, url, where, name, value):
    study = optuna.load_study(storage=url, study_name="s")
    if where == "baseline":
        study.set_user_attr("baseline", study.user_attrs["baseline"] | {name: value})
    else:
        attributes = study.trials[0].user_attrs | (value if name == "metrics" else {name: value})
        study.add_trial(optuna.trial.create_trial(state=TrialState.PRUNED, user_attrs=attributes))
    status, out, err = cli("front", "--study", "s", "--storage", url)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1 and "Traceback" not in err
    assert "s' in sqlite" in err


@pytest.mark.parametrize("value", [3, None, [], "x"])
def test_a_baseline_that_is_no_record_is_one_line(url, value):
    optuna.load_study(storage=url, study_name="s").set_user_attr("baseline", value)
    with pytest.raises(StoreError, match="an evaluation's record is"):
        load_study("s", url)


@pytest.mark.parametrize(
    "damage",
    [
        "trial_user_attributes SET value_json = CAST(X'22FF22' AS TEXT)",  # not UTF-8
        "trial_user_attributes SET value_json = '[1'",
        "trial_params SET distribution_json = '[]'",
        "trial_params SET distribution_json = '3'",
        "trial_params SET param_value = 99",
        "trials SET state = 'x'",
        "trial_values SET value_type = 'x'",
    ],
)
def test_rows_that_optuna_cannot_read_are_one_line(cli, url, damage):
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        connection.execute(f"UPDATE {damage} WHERE trial_id = 2")
        connection.commit()
    status, out, err = cli("front", "--study", "s", "--storage", url)
    assert (status, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("value", [3, [], {"a": 3}, {"a": {"path": "p"}}, {"a": {"path": 1, "text": ""}}])
def test_chips_that_cannot_be_read_are_one_line(url, value):
    optuna.load_study(storage=url, study_name="s").set_user_attr("chips", value)
    with pytest.raises(StoreError, match="its chips cannot be read"):
        load_study("s", url)


MATVEC = {"name": "a", "rows": 3, "cols": 2, "path": "input", "passes": 1}
WORKLOAD = {"model": "x", "matvecs": [MATVEC], "vector_weights": 0, "elementwise_ops_per_frame": 1}
IMPOSSIBLE = [
    *(
        {**WORKLOAD, name: value}
        for name in ("vector_weights", "elementwise_ops_per_frame")
        for value in (-1, "3", None)
    ),
    *({**WORKLOAD, "matvecs": matvecs} for matvecs in ([], [MATVEC, MATVEC], [{**MATVEC, "path": "x"}])),
    *({**WORKLOAD, "matvecs": [{**MATVEC, name: value}]} for name in ("rows", "cols", "passes") for value in (0, 1.5)),
    {**WORKLOAD, "stored": {"step_bits": -1}},
]


@pytest.mark.parametrize("value", [3, {"matvecs": 1}, {"model": "x"}, {"matvecs": [{"name": "a"}]}, *IMPOSSIBLE])
def test_a_workload_that_cannot_be_read_is_one_line(url, value):
    study = optuna.load_study(storage=url, study_name="s")
    assert read_workload(WORKLOAD)
    study.set_user_attr("workload", value)
    with pytest.raises(StoreError, match="its workload cannot be read"):
        load_study("s", url)


@pytest.mark.parametrize("value", [3, [], {}, *({name: None} for name in IDENTITY)])
def test_an_identity_that_cannot_be_read_is_one_line(url, value):
    study = optuna.load_study(storage=url, study_name="s")
    whole = study.user_attrs["identity"]
    study.set_user_attr("identity", whole | value if isinstance(value, dict) and value else value)
    with pytest.raises(StoreError, match="its identity cannot be read"):
        load_study("s", url)
    study.set_user_attr("identity", whole | {"later": 3})  # a field of a later version
    assert load_study("s", url).identity["later"] == 3


@pytest.mark.parametrize("name", ["objectives", "limits"])
def test_an_identity_of_numbers_is_one_line(url, name):
    study = optuna.load_study(storage=url, study_name="s")
    study.set_user_attr("identity", study.user_attrs["identity"] | {name: [1]})
    with pytest.raises(StoreError, match=f"its identity cannot be read: {name} is"):
        load_study("s", url)


@pytest.mark.parametrize("value", [3, ["x"]])
def test_a_task_that_cannot_be_read_is_one_line(cli, url, value):
    optuna.load_study(storage=url, study_name="s").set_user_attr("task", value)
    status, out, err = cli("front", "--study", "s", "--storage", url)
    assert (status, out, err.count("\n")) == (2, "", 1) and "task" in err


def test_a_baseline_without_its_metrics_is_one_line(url):
    study = optuna.load_study(storage=url, study_name="s")
    metrics = dict(study.user_attrs["baseline"]["metrics"])
    del metrics["size_mib"]
    study.set_user_attr("baseline", study.user_attrs["baseline"] | {"metrics": metrics})
    with pytest.raises(StoreError, match="an evaluation lacks its size_mib"):
        load_study("s", url)


GONE = object()
IMPOSSIBLE = [GONE, None, True, -1, -0.5, math.nan, math.inf, 10**400, "", "x", "1", [], [None], {}, {"x": 1}]
OPTIONAL = {"reasons", "violation", "seconds", "utterance_errors"}
# What one record alone cannot tell: these are kept by utterance too; a setting lacks fields with defaults; the genes.
ALLOWED = re.compile(
    r"(metrics\.)?(substitutions|deletions|insertions|reference_phones|error_quarter_\d_percent)=GONE"
    r"|configuration\.\S+(=\{'x': 1\}|\.\w+=GONE|\.skip=True)|genome=\[\]"
)


def mutations(record):
    """Every field of a record, of whatever depth, with each impossible value in its place."""
    for name, value in record.items():
        for wrong in IMPOSSIBLE:
            changed = {**record, name: wrong}
            if wrong is GONE:
                del changed[name]
            yield f"{name}={'GONE' if wrong is GONE else repr(wrong)}", changed
        if isinstance(value, dict):
            for path, inner in mutations(value):
                yield f"{name}.{path}", {**record, name: inner}


def test_no_impossible_value_passes_in_silence(searched):
    study = optuna.load_study(storage=f"sqlite:///{searched}", study_name="s")
    trial = study.trials[0]

    def of_trial(attributes):
        return from_trial(optuna.trial.create_trial(state=TrialState.PRUNED, user_attrs=attributes))

    passed, refused = [], 0
    for read, record in ((of_trial, trial.user_attrs), (from_record, study.user_attrs["baseline"])):
        whole = read(record).to_json()
        for what, changed in mutations(record):
            try:
                found = read(changed).to_json()
            except InputError as error:
                refused += 1
                assert "\n" not in str(error)
                continue
            if found != whole and what.split("=")[0] not in OPTIONAL and not ALLOWED.fullmatch(what):
                passed.append(what)
    assert not passed and refused > 500


@pytest.mark.parametrize("name", ["genome", "configuration"])
def test_an_evaluation_of_another_space_is_refused(url, name):
    study = optuna.load_study(storage=url, study_name="s")
    attributes = dict(study.trials[0].user_attrs)
    others = {"genome": ([0], [99, *attributes["genome"][1:]], []), "configuration": ()}
    for genome in others[name]:
        study.add_trial(optuna.trial.create_trial(state=TrialState.PRUNED, user_attrs=attributes | {"genome": genome}))
        with pytest.raises(StoreError, match="none of its"):
            load_study("s", url)
    if name == "configuration":
        setting = attributes["configuration"]["output"]
        other = {"status": "failed", "computed": {}, "configuration": {"elsewhere": setting}, "reasons": ["x"]}
        study.add_trial(optuna.trial.create_trial(state=TrialState.FAIL, user_attrs=attributes | other))
        with pytest.raises(StoreError, match=r"configuration is of elsewhere, not l0\.input"):
            load_study("s", url)


@pytest.mark.parametrize(
    ("name", "value"), [("size_mib", 0.0), ("size_mib", 1e308), ("compression", 9.0), ("eliminated_percent", 100.0)]
)
def test_a_metric_that_its_configuration_does_not_have_is_refused(cli, url, name, value):
    """Such a point would lead the front."""
    study = optuna.load_study(storage=url, study_name="s")
    attributes = study.trials[0].user_attrs | {name: value, "genome": [0] * len(study.trials[0].user_attrs["genome"])}
    study.add_trial(optuna.trial.create_trial(state=TrialState.PRUNED, user_attrs=attributes))
    status, _, err = cli("front", "--study", "s", "--storage", url)
    assert status == 2
    assert re.search(rf"trial \d+ of study 's' in .*: an evaluation's {name} is \S+, of its configuration ", err), err
