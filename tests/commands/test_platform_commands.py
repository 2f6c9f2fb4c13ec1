"""`dse search` and `dse front` with --platform."""

import json

import fake_task
import pytest
from fake_task import WORKLOAD

from dse.design.objective import OBJECTIVES, PLATFORM_OBJECTIVES
from dse.study.result import load_study
from models.workload import Configuration
from platforms import open_platform


def test_a_front_is_repriced_from_the_command_line(cli, tmp_path):
    argv = ("--evaluations", "30", "--population", "12", "--workers", "1", "--study", "s", "--limit", "none")
    assert cli("search", *argv)[0] == 0
    calls = fake_task.FakeMeasurer.calls
    status, out, _ = cli("front", "--study", "s", "--platform", "silago", "--objectives", "error,speedup")
    assert status == 0
    assert fake_task.FakeMeasurer.calls == calls
    folder = tmp_path / "studies/s/error-silago.speedup-silago"
    record = json.loads((folder / "front.json").read_text())
    assert record["repriced"] == {"silago": "silago"}
    speedups = [point["metrics"]["silago.speedup"] for point in record["front"]]
    assert speedups == sorted(speedups)
    assert "silago.energy_pj_per_frame" in (folder / "front.csv").read_text().splitlines()[0]
    kept = sum(e.status == "ok" for e in load_study("s", "sqlite:///studies/dse.db").on("silago").evaluations)
    assert f"{30 - kept} of 30 feasible evaluations cannot run on silago" in out.splitlines()[-1]
    assert cli("front", "--study", "s", "--platform", "edgedrnn")[0] == 0
    assert (tmp_path / "studies/s/edgedrnn/report.html").exists()
    status, _, err = cli("front", "--study", "s", "--platform", "stripes", "--objectives", "error,energy")
    assert (status, len(err.splitlines())) == (2, 1)
    assert "stripes gives no energy; it gives speedup, cycles" in err


def test_tables_show_the_platforms(cli):
    argv = ("--evaluations", "12", "--workers", "1", "--platform", "silago,stripes", "--objectives", "error,size")
    status, out, _ = cli("search", *argv)
    head = "\n".join(out.split("---")[0].splitlines()[1:])
    assert status == 0
    assert head.count("silago") == 2 and head.count("stripes") == 1
    assert head.count("speedup") == 2 and head.count("energy") == 1 and "pJ" in head


CHIP = '[macs_per_cycle]\n"16x16" = 1\n"8x8" = 4\n'


@pytest.mark.parametrize("name", ["mine", "My chip 2.0", None])
def test_columns_and_objectives_have_a_chips_own_name(cli, tmp_path, name):
    """The file's name is the chip's only where it gives itself none."""
    (tmp_path / "file.toml").write_text((f'name = "{name}"\n' if name else "") + CHIP)
    called = name or "file"
    argv = ("--workers", "1", "--evaluations", "8", "--study", "s", "--objectives", f"error,{called}.speedup")
    assert cli("search", *argv, "--platform", "file.toml", "--limit", f"{called}.speedup=1")[0] == 0
    assert cli("search", "--workers", "1", "--evaluations", "8", "--study", "free")[0] == 0
    assert cli("front", "--study", "free", "--platform", "file.toml")[0] == 0
    for folder in ("s", f"free/{called}"):
        head = (tmp_path / "studies" / folder / "front.csv").read_text().splitlines()[0]
        assert {column.rpartition(".")[0] for column in head.split(",") if column.endswith(".speedup")} == {called}
    assert load_study("s", "sqlite:///studies/dse.db").platforms == (called,)


def test_two_chips_of_one_name_are_refused(cli, tmp_path):
    for file in ("one.toml", "two.toml"):
        (tmp_path / file).write_text('name = "mine"\n' + CHIP)
    assert "platform 'mine' is given more than once" in cli("search", "--platform", "one.toml,two.toml")[2]


BAD = [
    (["--objectives", "error,speedup"], f"none of {', '.join(OBJECTIVES)}; it needs --platform"),
    (["--objectives", "error,speed", "--platform", "silago"], f"{', '.join((*OBJECTIVES, *PLATFORM_OBJECTIVES))}"),
    (["--objectives", "speedup,silago.speedup", "--platform", "silago"], "'speedup' is named more than once"),
    (["--objectives", "error,speedup", "--platform", "silago,loom"], "'speedup' is none of error"),
    (["--objectives", "error,energy", "--platform", "stripes"], "'stripes.energy': stripes gives no energy; it gives"),
    (["--limit", "latency=1", "--platform", "silago"], "silago gives no latency"),
    (["--limit", "speedup=+1", "--platform", "silago"], "only error and max4 take a limit relative"),
    (["--platform", "silgo"], "no platform 'silgo'; valid: silago, bitfusion"),
    (["--platform", "silago:x=1"], "'x=1' sets no parameter"),
    (["--platform", "none.toml"], "no chip description at none.toml"),
    (["--platform", "bitfusion", "--platform", "bitfusion:level=ideal"], "'bitfusion' is given more than once"),
    (["--platform", "silago", "--weight-bits", "2"], "bits 2 and 2,4,8,16 have nothing in common"),
    (["--platform", "silago", "--weight-bits", "2,9"], "weight bits 9 is none of"),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "message"), BAD, ids=[" ".join(argv) for argv, _ in BAD])
def test_bad_input_is_one_line_and_status_2(cli, argv, message, tmp_path):
    status, out, err = cli("search", "--workers", "1", *argv)
    assert (status, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "studies").exists()


def test_a_study_for_other_platforms_is_refused(cli):
    argv = ("search", "--workers", "1", "--evaluations", "12", "--study", "s")
    assert cli(*argv, "--platform", "bitfusion,silago")[0] == 0
    assert cli(*argv, "--platform", "silago", "--platform", "bitfusion")[0] == 0  # their order says nothing
    for other, message in (
        ("bitfusion:level=ideal,silago", "platforms.bitfusion: stored bitfusion, now bitfusion:level=ideal"),
        ("silago,bitfusion,loom", "platforms.loom: stored none, now loom"),
    ):
        status, out, err = cli(*argv, "--platform", other)
        assert (status, out) == (2, "")
        assert message in err
    assert "platforms.silago: stored silago, now none" in cli(*argv, "--weight-bits", "4,8,16")[2]


def test_dry_run_shows_how_the_baseline_runs(cli):
    """A chip of one core with 10 KiB: all but the smallest matvecs are streamed, and it is said why."""
    spec = "epiphany:cores=1,core_memory_bytes=10240"
    status, out, _ = cli("search", "--dry-run", "--platform", f"silago,{spec}")
    assert status == 0
    chip, baseline = open_platform(spec), Configuration.uniform(WORKLOAD, 16)
    for name, cost in chip.estimate(WORKLOAD, baseline).per_matvec.items():
        (line,) = (line for line in out.splitlines() if line.startswith(f"{name} ") and cost.mapping in line)
        assert f"{cost.cycles:,.0f}" in line
    (remark,) = chip.remarks(WORKLOAD, baseline)
    assert f"\nepiphany: {remark}\n" in out and "stream" in remark
    assert "runs as" not in cli("search", "--dry-run", "--platform", "silago")[1]


def test_dry_run_shows_what_the_baseline_costs(cli):
    status, out, _ = cli("search", "--dry-run", "--platform", "silago,stripes")
    assert status == 0
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line}
    baseline = Configuration.uniform(WORKLOAD, 16)
    costs = [open_platform(spec).estimate(WORKLOAD, baseline) for spec in ("silago", "stripes")]
    assert rows["frame"] == [
        f"{costs[0].cycles_per_frame:.2f}",
        f"{costs[0].energy_pj_per_frame:,.0f}",
        f"{costs[1].cycles_per_frame:.2f}",
        "–",
    ]
    assert rows["output"][0] == f"{48 * 64 / 32:.2f}"  # 32 multiply-accumulates a cycle
    assert set(WORKLOAD.names) < set(rows)
