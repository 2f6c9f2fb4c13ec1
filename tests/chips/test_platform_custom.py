"""A chip of one's own from a TOML file: what it prices, and what a wrong file is told."""

from pathlib import Path

import pytest

import platforms
from models.workload import Configuration, MatVec, StoredScales, Workload
from platforms import open_platform
from platforms.custom import TableChip

EXAMPLE = Path(platforms.__file__).with_name("example_chip.toml")
WORKLOAD = Workload("one", (MatVec("output", 64, 32, "output", 2),), 100, 320)


def chip(tmp_path: Path, text: str) -> TableChip:
    path = tmp_path / "my_chip.toml"
    path.write_text(text)
    found = open_platform(str(path))
    assert isinstance(found, TableChip)
    return found


def test_the_example_is_short_and_complete() -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 60
    example = open_platform(str(EXAMPLE))
    found = example.estimate(WORKLOAD, Configuration.uniform(WORKLOAD, 4), {"output": 0.5})
    weight_bits, macs = 64 * 32 * 2 * 4 * 0.5, 64 * 32 * 2 * 0.5
    assert found.cycles_per_frame == pytest.approx(weight_bits / 128 + 320 / 16)  # streaming, then elementwise
    assert found.energy_pj_per_frame == pytest.approx(weight_bits * 4.0 + macs * 0.15 + 100 * 16 * 4.0)
    assert found.latency_seconds == pytest.approx(found.cycles_per_frame / 200e6)
    assert found.area_mm2 == 4.0
    assert example.exploits_computed and not example.tied
    big = Workload("big", (MatVec("output", 2048, 4096, "output"),), 0, 0)
    (reason,) = example.check(big, Configuration.uniform(big, 8))
    assert reason == "size 8.000 MiB > 4 MiB limit by 4.000 MiB"


def test_a_minimal_chip_knows_cycles_only(tmp_path: Path) -> None:
    found = chip(tmp_path, '[macs_per_cycle]\n"16x16" = 1\n"8x8" = 4\n')
    assert found.name == "my_chip"
    estimate = found.estimate(WORKLOAD, Configuration.uniform(WORKLOAD, 8))
    assert (estimate.cycles_per_frame, estimate.speedup) == (64 * 32 * 2 / 4, 4.0)
    assert (estimate.energy_pj_per_frame, estimate.latency_seconds, estimate.area_mm2) == (None, None, None)
    assert "nearest on my_chip is 8x8 bit" in found.check(WORKLOAD, Configuration.uniform(WORKLOAD, 4))[0]


def test_a_file_says_which_schemes_the_chip_takes(tmp_path: Path) -> None:
    scheme = Workload("one", WORKLOAD.matvecs, 0, 0, StoredScales(32, 8, 8))
    table, uniform = '[macs_per_cycle]\n"16x16" = 1\n"8x8" = 4\n', Configuration.uniform(WORKLOAD, 8)
    assert chip(tmp_path, table).check(scheme, uniform) == ()
    (reason,) = chip(tmp_path, "row_scales = false\n" + table).check(scheme, uniform)
    assert reason == "1 of 1 matvecs have integer weights with a scale for each row; my_chip takes one scale a matrix"
    (reason,) = chip(tmp_path, "row_scales = true\nzero_points = false\n" + table).check(scheme, uniform)
    assert reason == "1 of 1 matvecs have integer activations with a zero point; my_chip takes symmetric ones only"


def test_widths_between_powers_of_two_are_as_good_as_others(tmp_path: Path) -> None:
    found = chip(tmp_path, '[macs_per_cycle]\n"16x16" = 1\n"3x5" = 8\n')
    assert found.supported_bits == ((3, 5), (16, 16))
    assert found.estimate(WORKLOAD, Configuration.uniform(WORKLOAD, 3, 5)).speedup == 8.0


def test_nothing_computed_still_takes_a_cycle_a_pass(tmp_path: Path) -> None:
    found = chip(tmp_path, 'delta = true\n[macs_per_cycle]\n"16x16" = 1\n')
    idle = found.estimate(WORKLOAD, Configuration.uniform(WORKLOAD, 16), {"output": 0.0})
    assert (idle.cycles_per_frame, idle.speedup) == (2, 64 * 32)


TABLE = '[macs_per_cycle]\n"16x16" = 1\n'


@pytest.mark.parametrize(
    "text, message",
    [
        ("clock = 5\n" + TABLE, "my_chip.toml: unknown key 'clock'; valid: name, memory_limit_mib"),
        ("clock_hz = -5\n" + TABLE, "clock_hz: -5 is not a number above 0"),
        ("clock_hz = true\n" + TABLE, "clock_hz: True is not a number above 0"),
        ("clock_hz = nan\n" + TABLE, "clock_hz: nan is not a number above 0"),
        ('delta = "yes"\n' + TABLE, "delta: 'yes' is neither true nor false"),
        ("row_scales = 1\n" + TABLE, "row_scales: 1 is neither true nor false"),
        ('zero_points = "no"\n' + TABLE, "zero_points: 'no' is neither true nor false"),
        ("name = 3\n" + TABLE, "name: 3 is not a string"),
        *(
            (f"name = {name!r}\n" + TABLE, f"name: {name!r} is no name of columns: it begins with a letter or digit")
            for name in ("", "..", " a", "a,b", "a=b", "a:b", "../a", "a/b", "<b>")
        ),
        ("macs_per_cycle = 3\n", "is not a table of weight x activation bits"),
        ('[macs_per_cycle]\n"8x8" = 4\n', 'needs "16x16", the baseline'),
        ('[macs_per_cycle]\n"16by16" = 4\n', '"16by16" is not weight bits x activation bits, like "4x8"'),
        ('[macs_per_cycle]\n"16x16" = 4\n"1x1" = 4\n', '"1x1" is outside the valid bits 2, 3, 4'),
        (
            TABLE + '[mac_pj]\n"8x8" = 4\n',
            "must have the same bit pairs as macs_per_cycle; differing: 8x8, 16x16",
        ),
        ("clock_hz =\n", "not valid TOML"),
        ("clock_hz = " + "[" * 100_000, "not valid TOML"),
        ("clock_hz = 1" + "0" * 10_000, "not valid TOML"),
        ("clock_hz = 1" + "0" * 400 + "\n" + TABLE, "0000… is not a number above 0 that a float holds"),
    ],
)
def test_a_wrong_file_is_told_where_and_what(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"my_chip\.toml") as error:
        chip(tmp_path, text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.toml"):
        open_platform(str(tmp_path / "absent.toml"))
