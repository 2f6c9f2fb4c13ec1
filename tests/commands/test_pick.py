"""dse.pick: the point, its place, what one more bit buys, and the command that exports it."""

import re
import shlex

import pytest
from fake_task import FakeTask
from searches import search

from dse import pick
from dse.reports.choice import widened
from dse.study.result import load_study


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pick")
    search(folder, study="s", evaluations=60)
    return f"sqlite:///{folder}/dse.db"


def run(capsys, url, *argv):
    status = pick.main(["--study", "s", "--storage", url, *argv], FakeTask)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize(
    ("argv", "rule"),
    [
        (["--error", "+1", "--minimize", "size"], {"error": "+1", "minimize": "size"}),
        (["--knee"], {"knee": True}),
        (["--number", "3"], {"number": 3}),
        (["--weights", "error=2, size=1"], {"weights": {"error": 2.0, "size": 1.0}}),
        (["--size", "0.01", "--maximize", "ops"], {"size": 0.01, "maximize": "ops"}),
        (["--limit", "ops=20", "--minimize", "error"], {"ops": 20, "minimize": "error"}),
    ],
)
def test_every_rule_is_that_of_python(url, capsys, argv, rule):
    study = load_study("s", url)
    number = study.front.number(study.pick(**rule))
    status, out, err = run(capsys, url, "--no-inference", *argv)
    assert (status, err) == (0, "")
    assert out.startswith(f"point {number} of {len(study.front)} on the front of study s\n")
    assert re.search(rf"^ *> {number} ", out, re.MULTILINE)
    assert out.endswith(f"python -m dse.export --study s --number {number} --storage {url} --to exports/s-{number}\n")


def test_its_neighbours_stand_around_it(url, capsys):
    rows = re.findall(r"^ *(?:> )?(\d+)  ", run(capsys, url, "--number", "5", "--no-inference")[1], re.MULTILINE)
    assert rows == ["3", "4", "5", "6", "7"]
    assert re.findall(r"^ *(?:> )?(\d+)  ", run(capsys, url, "--number", "1", "--no-inference")[1], re.MULTILINE) == [
        "1",
        "2",
        "3",
    ]


def test_one_more_bit_is_evaluated_where_it_is_not_stored(url, capsys):
    study = load_study("s", url)
    number = study.front.number(study.pick(minimize="size"))
    _, out, _ = run(capsys, url, "--number", str(number))
    table = re.findall(r"^(\S+) (\S+) → (\S+) +([+-][\d.]+) +([+-][\d.]+) +([+-][\d.]+)$", out, re.MULTILINE)
    wider = dict(widened(study, study.front[number - 1]))
    assert {f"{group} {before} → {after}" for group, before, after, *_ in table} == set(wider)
    assert [float(row[3]) for row in table] == sorted(float(row[3]) for row in table)
    measurer = FakeTask().open()
    for group, before, after, error, *_ in table:
        measured = measurer.measure(wider[f"{group} {before} → {after}"]).error_percent
        assert measured - study.front[number - 1].metrics["error_percent"] == pytest.approx(float(error), abs=0.006)


def test_only_the_next_width_of_one_group_moves(url):
    study = load_study("s", url)
    for point in study.front:
        for name, configuration in widened(study, point):
            moved = {matvec for matvec, setting in configuration if setting != point.configuration[matvec]}
            assert {matvec.partition("_")[0].replace("candidate", "recurrent") for matvec in moved} == {name.split()[0]}
            for matvec in moved:
                before, after = point.configuration[matvec], configuration[matvec]
                assert (before.weight_bits < after.weight_bits) != (before.act_bits < after.act_bits)
                assert (after.delta, after.skip) == (before.delta, before.skip)


def test_widths_that_a_chip_ties_move_together(tmp_path):
    study = search(tmp_path, "silago", objectives=("error", "silago.speedup"), evaluations=30)
    moved = [
        (configuration[matvec].weight_bits, configuration[matvec].act_bits)
        for point in study.front
        for _, configuration in widened(study, point)
        for matvec, _ in configuration
    ]
    assert moved and all(weights == activations for weights, activations in moved)


def test_the_command_to_export_is_one_that_export_takes(url, capsys):
    from dse.export import parser

    argv = ["--platform", "edgedrnn", "--objectives", "error,speedup", "--number", "2", "--no-inference"]
    _, out, _ = run(capsys, url, *argv)
    command = shlex.split(out.splitlines()[-1])
    options = parser().parse_args(command[3:])
    assert (options.platform, options.objectives, options.number) == (["edgedrnn"], ("error", "edgedrnn.speedup"), 2)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "error: say which point: minimize or maximize an objective, number, knee or weights, one of them\n"),
        (["--number", "900"], r"error: point 900 is not on the front; it has 1 to \d+\n"),
        (["--number", "x"], r"python -m dse.pick: argument --number: invalid int value: 'x'\n"),
        (["--weights", "error"], "error: weights 'error' are not NAME=NUMBER, as in error=2,size=1\n"),
        (["--weights", "error=-1"], "error: the weight of error is -1.0, not a number above 0\n"),
        (["--limit", "ops", "--knee"], "error: limit 'ops' is not NAME=VALUE, as in error=.3 or silago.speedup=2\n"),
        (["--size", "small", "--knee"], "error: limit size=small: 'small' is not a number\n"),
        (["--size", "0.0001", "--knee"], "error: no point of the front keeps the limits; the nearest: size .*\n"),
        (["--minimize", "speed"], "error: objective 'speed' is none of error, size, ops, compression, max4\n"),
    ],
)
def test_a_rule_that_picks_nothing_is_told_in_one_line(url, capsys, argv, message):
    try:
        status, _, err = run(capsys, url, *argv)
    except SystemExit as error:
        status, err = error.code, capsys.readouterr().err
    assert status == 2
    assert re.fullmatch(message, err), err
