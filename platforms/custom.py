"""Chips described by a table of throughput and energy per bit pair, such as a user's own chip from a TOML file."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from models.workload import BASELINE_BITS, BITS, BitPair, InputError, MatVec, MissingError, Workload
from platforms.base import Cost, Platform, constant

BASELINE = (BASELINE_BITS, BASELINE_BITS)
SHOWN_CHARACTERS = 60
NAME = re.compile(r"\w[^,=:<>/\\\x00-\x1f]*")  # of columns and folders, and before = in a limit
FILE = "the chip's description file"


@dataclass(frozen=True, kw_only=True, eq=False)
class TableChip(Platform):
    """Chip with MACs per cycle and energy per MAC by (weight bits, activation bits); weights are read once a pass.

    Without `dram_bits_per_cycle` all weights are on chip; with it they stream in every frame and the slower of
    arithmetic and streaming decides. With `delta`, eliminated columns are neither fetched nor multiplied.
    There is no padding: cycles are work over throughput.
    """

    macs_per_cycle: Mapping[BitPair, float] = constant({BASELINE: 1.0}, "MAC/cycle", FILE, "set")
    mac_pj: Mapping[BitPair, float] | None = constant(None, "pJ/MAC", FILE, "set")
    weight_read_pj_per_bit: float = constant(0.0, "pJ/bit", FILE, "set")
    dram_bits_per_cycle: float | None = constant(None, "bit/cycle", FILE, "set")
    elementwise_ops_per_cycle: float | None = constant(None, "op/cycle", FILE, "set")
    chip_area_mm2: float | None = constant(None, "mm2", FILE, "set")
    delta: bool = False

    @property
    def supported_bits(self) -> tuple[BitPair, ...]:
        return tuple(sorted(self.macs_per_cycle))

    @property
    def exploits_computed(self) -> bool:
        return self.delta

    @property
    def area_mm2(self) -> float | None:
        return self.chip_area_mm2

    def matvec_cost(self, matvec: MatVec, weight_bits: int, act_bits: int, computed: float) -> Cost:
        pair = (weight_bits, act_bits)
        macs = matvec.macs_per_frame * computed
        cycles, bits = macs / self.macs_per_cycle[pair], macs * weight_bits
        if self.dram_bits_per_cycle is not None:
            cycles = max(cycles, bits / self.dram_bits_per_cycle)
        cycles = max(cycles, matvec.passes)  # a pass with nothing to compute still takes a cycle to detect that
        if self.mac_pj is None:
            return Cost(cycles)
        memory_pj, mac_pj = bits * self.weight_read_pj_per_bit, macs * self.mac_pj[pair]
        return Cost(cycles, memory_pj + mac_pj, {"memory_pj_per_frame": memory_pj, "mac_pj_per_frame": mac_pj})

    def elementwise_cost(self, workload: Workload) -> Cost:
        rate = self.elementwise_ops_per_cycle
        cycles = workload.elementwise_ops_per_frame / rate if rate else 0.0
        if self.mac_pj is None:
            return Cost(cycles)
        memory_pj = workload.vector_weights * BASELINE_BITS * self.weight_read_pj_per_bit
        return Cost(cycles, memory_pj, {"memory_pj_per_frame": memory_pj})


def load_chip(path: Path) -> TableChip:
    """Read the chip described by a TOML file; `example_chip.toml` shows every key.

    Raises MissingError without the file, InputError naming file, key and valid values.
    """
    if not path.is_file():
        raise MissingError(f"no chip description at {path}; platforms/example_chip.toml is one to start from")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except ValueError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from error
    return read_chip(text, path)


def read_chip(text: str, path: Path) -> TableChip:
    """The chip that the text of a TOML file describes. Raises InputError as `load_chip` does."""
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of numbers too long, and tables too deep
        raise InputError(f"{path}: not valid TOML: {error}") from error
    valid = [f.name for f in fields(TableChip)]
    values: dict[str, Any] = {"name": path.stem}
    for key, value in data.items():
        if key not in valid:
            raise InputError(f"{path}: unknown key '{key}'; valid: {', '.join(valid)}")
        values[key] = _value(f"{path}: {key}", key, value)
    if not NAME.fullmatch(values["name"]):
        raise InputError(
            f"{path}: name: {_short(values['name'])} is no name of columns: it begins with a letter or digit and goes "
            "without , = : < > / and \\"
        )
    if BASELINE not in values.get("macs_per_cycle", {}):
        raise InputError(f'{path}: macs_per_cycle: needs "16x16", the baseline that speedup is measured against')
    missing = set(values["macs_per_cycle"]) ^ set(values.get("mac_pj", values["macs_per_cycle"]))
    if missing:
        pairs = ", ".join(f"{w}x{a}" for w, a in sorted(missing))
        raise InputError(f"{path}: mac_pj: must have the same bit pairs as macs_per_cycle; differing: {pairs}")
    return TableChip(**values)


def _value(where: str, key: str, value: Any) -> Any:
    if key == "name":
        if not isinstance(value, str):
            raise InputError(f"{where}: {_short(value)} is not a string")
        return value
    if key in ("delta", "row_scales", "zero_points"):
        if not isinstance(value, bool):
            raise InputError(f"{where}: {_short(value)} is neither true nor false")
        return value
    if key in ("macs_per_cycle", "mac_pj"):
        if not isinstance(value, dict):
            raise InputError(f'{where}: {_short(value)} is not a table of weight x activation bits, like "8x8" = 64')
        return {_pair(where, pair): _positive(f"{where}.{pair}", number) for pair, number in value.items()}
    return _positive(where, value)


def _positive(where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= sys.float_info.max:
        raise InputError(f"{where}: {_short(value)} is not a number above 0 that a float holds")
    return float(value)


def _short(value: Any) -> str:
    """A value as messages show it; a file's may be of any length."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def _pair(where: str, text: str) -> BitPair:
    weight_bits, _, act_bits = text.partition("x")
    if not (weight_bits.isdecimal() and act_bits.isdecimal()):
        raise InputError(f'{where}: "{text}" is not weight bits x activation bits, like "4x8"')
    pair = (int(weight_bits), int(act_bits))
    if not set(pair) <= set(BITS):
        raise InputError(f'{where}: "{text}" is outside the valid bits {", ".join(map(str, BITS))}')
    return pair
