"""Quantization schemes that the platforms take: scales by row, zero points."""

from dataclasses import replace

import pytest

from models.workload import Configuration, MatVec, StoredScales, Workload
from platforms import PLATFORMS, open_platform

NETWORK = Workload(
    "two",
    (MatVec("l0.input", 64, 32, "input"), MatVec("output", 50, 64, "output")),
    0,
    0,
    StoredScales(step_bits=32, row_scale_bits=8, zero_point_bits=8),
)
BY_ROW = replace(NETWORK, stored=StoredScales(step_bits=32, row_scale_bits=8))
ASYMMETRIC = replace(NETWORK, stored=StoredScales(step_bits=32, zero_point_bits=8))
ROWS = "matvecs have integer weights with a scale for each row; edgedrnn takes one scale a matrix"
ZEROS = "matvecs have integer activations with a zero point; edgedrnn takes symmetric ones only"


def test_fixed_point_delta_accelerators_alone_take_neither() -> None:
    opened = {name: open_platform(name) for name in PLATFORMS}
    assert {name for name, chip in opened.items() if not chip.row_scales} == {"edgedrnn", "deltarnn"}
    assert {name for name, chip in opened.items() if not chip.zero_points} == {"edgedrnn", "deltarnn"}


def test_only_integer_operands_have_what_is_refused() -> None:
    check = open_platform("edgedrnn").check
    uniform = Configuration.uniform(NETWORK, 8)
    assert check(NETWORK, uniform) == (f"2 of 2 {ROWS}", f"2 of 2 {ZEROS}")
    assert check(NETWORK, Configuration.uniform(NETWORK, 8, 16)) == (f"2 of 2 {ROWS}",)
    assert check(NETWORK, Configuration.uniform(NETWORK, 16, 8)) == (f"2 of 2 {ZEROS}",)
    assert check(NETWORK, uniform.with_setting("output", skip=True)) == (f"1 of 2 {ROWS}", f"1 of 2 {ZEROS}")
    assert check(NETWORK, Configuration.uniform(NETWORK, 16)) == ()
    assert check(BY_ROW, uniform) == (f"2 of 2 {ROWS}",)
    assert check(ASYMMETRIC, uniform) == (f"2 of 2 {ZEROS}",)


def test_float_has_no_scheme() -> None:
    floats = Configuration.uniform(NETWORK, 32)
    assert open_platform("epiphany:row_scales=false,zero_points=false").check(NETWORK, floats) == ()


def test_widths_scheme_and_memory_are_refused_together() -> None:
    chip = open_platform("silago:row_scales=false,memory_limit_mib=0.001")
    width, scheme, memory = chip.check(NETWORK, Configuration.uniform(NETWORK, 8).with_setting("output", weight_bits=3))
    assert width.startswith("output: weights x activations 3x8 bit")
    assert scheme.startswith("2 of 2 matvecs have integer weights with a scale for each row; silago:row_scales=false")
    assert memory.startswith("size ")


@pytest.mark.parametrize("spec", ["bitfusion", "silago", "cortex_m4"])
@pytest.mark.parametrize("rule, refused", [("row_scales", BY_ROW), ("zero_points", ASYMMETRIC)])
def test_a_rule_is_set_when_the_platform_is_opened(spec: str, rule: str, refused: Workload) -> None:
    uniform = Configuration.uniform(NETWORK, 8)
    assert open_platform(spec).check(refused, uniform) == ()
    assert len(open_platform(f"{spec}:{rule}=false").check(refused, uniform)) == 1
    assert len(open_platform(f"{spec}:{rule}=false").check(NETWORK, uniform)) == 1
    with pytest.raises(ValueError, match=f"platform {spec}, {rule}: 'no' is not true or false"):
        open_platform(f"{spec}:{rule}=no")


def test_a_rule_is_lifted_when_the_platform_is_opened() -> None:
    lifted = open_platform("edgedrnn:row_scales=true,zero_points=true")
    assert lifted.check(NETWORK, Configuration.uniform(NETWORK, 8)) == ()
