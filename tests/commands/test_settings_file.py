"""Settings of a search from a TOML file."""

import pytest

from dse.console import FLAGS, from_settings_file
from dse.search import parser
from dse.study.result import load_study


def test_settings_come_from_a_file_and_the_command_line_wins(cli, tmp_path):
    (tmp_path / "study.toml").write_text(
        'objectives = ["error", "size", "ops"]\nweight_bits = [4, 8]\n'
        'limit = ["error=+5", "size=1"]\nskip = "output"\nseed = 3\n'
    )
    status, out, _ = cli("search", "--settings", "study.toml", "--seed", "4", "--dry-run")
    assert status == 0
    assert "objectives error,size,ops; limits error=+5,size=1" in out
    argv = ("search", "--settings", "study.toml", "--workers", "1", "--evaluations", "5", "--study", "s")
    assert cli(*argv)[0] == 0
    stored = load_study("s", f"sqlite:///{tmp_path}/studies/dse.db").identity
    assert (stored["seed"], stored["always skipped"]) == (3, ["output"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = ", "study.toml is not TOML"),
        ("seed = " + "[" * 100_000, "study.toml is not TOML"),
        ("seed = " + "9" * 10_000, "study.toml is not TOML"),
        ("[seed]\nx = 1", "[seed] is a table"),
        ("seed = false", "'off'"),
        ("sead = 1", "unknown setting 'sead' in settings file study.toml; seed?"),
        ("a = 1", "unknown setting 'a' in settings file study.toml; --help shows all"),
        ("weight-bit = 1", "unknown setting 'weight-bit' in settings file study.toml; weight_bits?"),
        ("limits = []", "unknown setting 'limits' in settings file study.toml; limit?"),
        ("help = true", "unknown setting 'help' in settings file study.toml; --help shows all"),
        ("evaluation = 8", "unknown setting 'evaluation' in settings file study.toml; evaluations?"),
        ('settings = "other.toml"', "study.toml: settings files name no others; leave out settings"),
        (None, "no settings file at study.toml"),
    ],
)
def test_bad_settings_files_are_one_line(cli, tmp_path, text, message):
    if text is not None:
        (tmp_path / "study.toml").write_text(text)
    status, out, err = cli("search", "--settings", "study.toml")
    assert (status, out) == (2, "") and message in err and err.count("\n") == 1


def test_true_and_false_are_flags_or_on_and_off(tmp_path):
    without_value = {action.option_strings[0] for action in parser()._actions if action.nargs == 0} - {"-h"}
    assert without_value == set(FLAGS)
    for text, wanted in {
        "zero_points = false": {"zero_points": False},
        "zero_points = true": {"zero_points": True},
        "zero_points = 'off'": {"zero_points": False},
        "skip_bad = true\ndry-run = false": {"skip_bad": True, "dry_run": False},
        "skip_bad = false\nlist = true": {"skip_bad": False, "list": True},
    }.items():
        (tmp_path / "study.toml").write_text(text)
        given = vars(parser().parse_args(from_settings_file(["--settings", str(tmp_path / "study.toml")], parser())))
        assert {name: given[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("report", "study", "s", "--worker", "2"), "unknown option --worker; --workers?"),
        (("front", "--study", "s", "--objective=error"), "unknown option --objective; --objectives?"),
        (("train", "--model", "sru", "--epoch", "3"), "unknown option --epoch; --epochs?"),
        (("pick", "--study", "s", "--kne"), "unknown option --kne; --knee?"),
    ],
)
def test_unknown_options_of_every_command_name_the_nearest(cli, argv, message):
    status, out, err = cli(*argv)
    assert (status, out) == (2, "") and err.endswith(f": {message}\n") and err.count("\n") == 1
