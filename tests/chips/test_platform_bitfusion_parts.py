"""Parts of Bit Fusion: the authors' synthesis of small arrays, units and buffers that no source prices."""

from itertools import product

import pytest

from models.workload import Configuration, InputError, MatVec, Workload
from platforms import describe, open_platform
from platforms.base import Constant
from platforms.bitfusion import PRECISIONS, BitFusion
from platforms.bitfusion_parts import SYNTHESIZED, synthesized_core

SIZES = [(a, b) for a, b in product((1, 2, 4, 8, 16), repeat=2) if a * b <= 16]
WORKLOAD = Workload("one", (MatVec("output", 100, 30, "output"),), 0, 0)
EIGHT = Configuration.uniform(WORKLOAD, 8)


def constants(chip: BitFusion) -> dict[str, Constant]:
    return {row.name: row for row in describe(chip)}


def test_every_array_of_up_to_16_units_has_a_row_of_its_own() -> None:
    for precision, rows in SYNTHESIZED.items():
        assert sorted(rows) == sorted(SIZES), precision
    # How far the 4x4 row, scaled, is from the rows: found against the authors' simulator.
    off_energy, off_area = [], []
    for precision, size in product(((8, 2), (16, 2)), SIZES):
        own, square = synthesized_core(*precision, *size), synthesized_core(*precision, 4, 4)
        assert own and square and not own.scaled
        units = size[0] * size[1] / 16
        off_energy.append(square.pj_per_cycle * units / own.pj_per_cycle - 1)
        off_area.append(square.area_mm2 * units / own.area_mm2 - 1)
    assert [round(100 * off) for off in (min(off_energy), max(off_energy))] == [-18, 11]
    assert [round(100 * off) for off in (min(off_area), max(off_area))] == [-10, 34]
    assert sum(abs(off) > 1e-12 for off in off_energy) == 28


@pytest.mark.parametrize(
    "precision, size, um2, pj_per_cycle",
    [  # of the array, from the sheet of the simulator's synthesis
        ((8, 2), (1, 1), 1733.13, 0.55992),
        ((8, 2), (4, 4), 16 * 1734.552, 16 * 0.4591875),
        ((8, 8), (4, 4), 16 * 510.733, 16 * 0.2034375),
        ((2, 2), (4, 4), 16 * 81.067, 16 * 0.040702),
        ((16, 2), (4, 4), 16 * 8831.389, 16 * 2.11345),
        ((16, 16), (16, 1), 21804.451, 10.5334),
        ((4, 2), (1, 16), 7100.629, 2.512184),
    ],
)
def test_synthesised_arrays(precision: tuple[int, int], size: tuple[int, int], um2: float, pj_per_cycle: float) -> None:
    core = synthesized_core(*precision, *size)
    assert core
    assert core.area_mm2 == pytest.approx(1e-6 * um2, rel=1e-5)
    assert core.pj_per_cycle == pytest.approx(pj_per_cycle, rel=1e-5)


def test_a_size_without_a_row_is_scaled_from_4x4_and_marked() -> None:
    small = constants(BitFusion(array_inputs=8, array_outputs=2, weight_buffer_bytes=4096))
    default = constants(BitFusion())
    for name in ("array_core_pj_per_cycle", "array_core_area_mm2"):
        assert small[name].trust == "read" and small[name].source.endswith("row 8x2")
        assert default[name].trust == "derived" and default[name].source.endswith("row 4x4, scaled to the size")
    assert default["array_core_pj_per_cycle"].value == pytest.approx(235.104)


def test_a_given_energy_replaces_the_derived_one() -> None:
    chip = BitFusion(core_pj_per_cycle=9.0, weight_buffer_pj_per_bit=0.5)
    assert (chip.energies.core_pj_per_cycle, chip.energies.weight_read_pj, chip.energies.weight_write_pj) == (
        9,
        0.5,
        0.5,
    )
    assert chip.energies.input_read_pj == BitFusion().energies.input_read_pj
    assert not {"array_core_pj_per_cycle", "weight_read_pj", "weight_write_pj"} & set(constants(chip))
    assert constants(chip)["weight_buffer_pj_per_bit"].trust == "set"
    assert chip.area_mm2 == BitFusion().area_mm2


@pytest.mark.parametrize("high_bits, low_bits", [p for p in product(PRECISIONS, PRECISIONS) if p[1] <= p[0]])
@pytest.mark.parametrize("level", ["ideal", "compute", "tiled"])
def test_units_of_every_precision_are_priced_where_energies_are_not_needed_or_given(
    level: str, high_bits: int, low_bits: int
) -> None:
    chip = f"bitfusion:level={level},array_outputs=64,high_bits={high_bits},low_bits={low_bits}"
    if level == "tiled":
        with pytest.raises(InputError, match=r"give \w+ or level=compute"):
            open_platform(chip).estimate(WORKLOAD, EIGHT)
        chip += ",core_pj_per_cycle=1" + "".join(f",{b}_buffer_pj_per_bit=1" for b in ("weight", "input", "output"))
    opened = open_platform(chip)
    found = opened.estimate(WORKLOAD, EIGHT)
    assert found.cycles_per_frame > 0 and found.area_mm2 is None
    assert (found.energy_pj_per_frame is not None) == (level == "tiled")
    assert describe(opened)
