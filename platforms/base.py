"""Common base of all platforms: constants with sources, a check of feasibility, a price in cycles and energy.

A platform prices one matvec at a time (`matvec_cost`), or all of them together where they share what it has (`costs`);
`Platform` sums the matvecs and compares with the baseline.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal

from models.workload import BASELINE_BITS, BITS, BitPair, Configuration, InputError, MatVec, Workload, size_mib, total
from platforms.refusals import scheme_refusals, unsupported_bits

# read: in the named source. derived: by arithmetic from what was read. recalled: from memory of the source, to be
# checked before it is quoted. assumed: no source, a placeholder. set: given when the platform is opened.
Trust = Literal["read", "derived", "recalled", "assumed", "set"]
ANY_BITS = tuple(bits for bits in BITS if bits <= BASELINE_BITS)
ONE_AND_ANY_BITS = (1, *ANY_BITS)  # no network is quantized to 1 bit, but some platforms' rules price it


@dataclass(frozen=True)
class Constant:
    """One constant of a platform's cost model."""

    name: str
    value: Any
    unit: str
    source: str
    trust: Trust


@dataclass(frozen=True)
class Cost:
    """Cost of one matvec per frame. `parts` are further sums, each name ending in its unit per frame.

    `mapping` says in words how the platform runs the matvec, where it chooses between ways.
    """

    cycles: float
    energy_pj: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    mapping: str = ""


@dataclass(frozen=True)
class Estimate:
    """Cost of one frame of a configured network on a platform.

    `speedup` and `energy_saving` are the baseline's cost over this one on the same platform; the baseline is 16 bit
    everywhere with every column computed. Energy, latency and area are None where the platform's sources do not give
    them.
    `metrics` always holds `speedup_mac_mean`: the MAC-weighted arithmetic mean of the matvecs' own speedups.
    """

    cycles_per_frame: float
    speedup: float
    energy_pj_per_frame: float | None
    energy_saving: float | None
    latency_seconds: float | None
    area_mm2: float | None
    per_matvec: Mapping[str, Cost]
    metrics: Mapping[str, float]


def constant(default: Any, unit: str, source: str, trust: Trust) -> Any:
    """Make a dataclass field that documents its number; a mapping gives one constant for each of its entries."""
    about = {"unit": unit, "source": source, "trust": trust}
    if isinstance(default, Mapping):
        return field(default_factory=lambda: dict(default), metadata=about)
    return field(default=default, metadata=about)


@dataclass(frozen=True, kw_only=True, eq=False)
class Platform(ABC):
    """Base of all platforms. Every field made with `constant` can be set when the platform is opened, as can two rules:

    `row_scales`: it takes a scale for each row of an integer matrix; if not, one a matrix. `zero_points`: it takes
    integer activations with a zero point; if not, symmetric ones only.
    Raises InputError for a value that is not finite or out of range.
    """

    name: str = ""
    memory_limit_mib: float | None = constant(None, "MiB", "study parameter: room for all weights", "set")
    clock_hz: float | None = constant(None, "Hz", "unknown", "assumed")
    # True unless a platform's source says otherwise: a row's scale is one multiplication of its result, and a zero
    # point adds a constant to it.
    row_scales: bool = True
    zero_points: bool = True

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if "unit" not in item.metadata or not isinstance(value, int | float):
                continue
            may_be_zero = item.default == 0 or item.metadata["unit"].startswith("pJ")
            bound = "0 or above" if may_be_zero else "above 0"
            if not 0 <= value <= sys.float_info.max or (value == 0 and not may_be_zero):
                raise InputError(f"{self.name}: {item.name} must be {bound}, not {value}")

    @property
    @abstractmethod
    def supported_bits(self) -> tuple[BitPair, ...]:
        """Pairs (weight bits, activation bits) that the platform can run, narrowest first; includes the baseline's."""

    @property
    def priced_bits(self) -> tuple[BitPair, ...]:
        """Pairs that `matvec_cost` prices: those supported and, where the rules know them, 1-bit operands."""
        return self.supported_bits

    @abstractmethod
    def matvec_cost(self, matvec: MatVec, weight_bits: int, act_bits: int, computed: float) -> Cost:
        """Cost of a matvec per frame, all passes; `computed` is its computed fraction, of columns."""

    def costs(
        self, workload: Workload, configuration: Configuration, computed: Mapping[str, float] | None
    ) -> list[Cost]:
        """Costs of all matvecs per frame, in their order; each by itself unless a platform overrides it."""
        settings = dict(configuration.settings)
        return [
            self._cost(m, settings[m.name].operand_bits, 1.0 if computed is None else _fraction(computed, m.name))
            for m in workload.matvecs
        ]

    def remarks(self, workload: Workload, configuration: Configuration) -> tuple[str, ...]:
        """What a reader should know of how the platform runs a configuration; nothing unless a platform overrides it.

        Raises as `estimate` does.
        """
        return ()

    def elementwise_cost(self, workload: Workload) -> Cost:
        """Cost of a frame's vector weights and elementwise operations; 0 unless a platform overrides it."""
        return Cost(0.0, 0.0)

    @property
    def exploits_computed(self) -> bool:
        """Whether eliminated columns save cost on this platform; if not, computed fractions are ignored."""
        return False

    @property
    def area_mm2(self) -> float | None:
        return None

    def derived_constants(self) -> tuple[Constant, ...]:
        """Constants computed from the fields, which `describe` lists too."""
        return ()

    @property
    def tied(self) -> bool:
        """Whether weights and activations of a matvec must be equally wide."""
        return all(weight_bits == act_bits for weight_bits, act_bits in self.supported_bits)

    def check(self, workload: Workload, configuration: Configuration) -> tuple[str, ...]:
        """Reasons why the platform cannot run a configuration, with demand, bound, gap and unit; empty if it can.

        Raises InputError for a matvec without a setting.
        """
        settings = _settings(workload, configuration)
        reasons = [
            unsupported_bits(self.name, self.supported_bits, matvec, bits)
            for matvec, bits in settings.items()
            if bits not in self._supported
        ]
        reasons += scheme_refusals(self.name, self.row_scales, self.zero_points, workload.stored, settings.values())
        if self.memory_limit_mib is not None:
            size = size_mib(workload, configuration)
            if size > self.memory_limit_mib:
                gap = size - self.memory_limit_mib
                reasons.append(f"size {size:.3f} MiB > {self.memory_limit_mib:g} MiB limit by {gap:.3f} MiB")
        return tuple(reasons)

    def estimate(
        self, workload: Workload, configuration: Configuration, computed: Mapping[str, float] | None = None
    ) -> Estimate:
        """Price a configuration; `computed` gives each matvec's computed fraction, None means 1.

        Memory limits and quantization schemes are not checked here but in `check`. Raises InputError for a bit pair
        that the platform cannot run, a matvec without a setting, a computed fraction that is missing or outside 0..1.
        """
        for name, bits in _settings(workload, configuration).items():
            if bits not in self._supported:
                raise InputError(f"{self.name} cannot run {name} at {bits[0]}x{bits[1]} bit; ask check() first")
        baseline_costs, baseline_cycles, baseline_energy, rest = self._baseline(workload)
        found = self.costs(workload, configuration, computed if self.exploits_computed else None)
        costs, cycles, energy, speedup_macs = {}, rest.cycles, rest.energy_pj, 0.0
        parts: dict[str, float] = dict(rest.parts)
        for matvec, base, cost in zip(workload.matvecs, baseline_costs, found, strict=True):
            costs[matvec.name] = cost
            cycles += cost.cycles
            energy = None if energy is None or cost.energy_pj is None else energy + cost.energy_pj
            speedup_macs += matvec.macs_per_frame * base.cycles / cost.cycles
            for part, value in cost.parts.items():
                parts[part] = parts.get(part, 0.0) + value
        parts["speedup_mac_mean"] = speedup_macs / workload.macs_per_frame
        saving = baseline_energy / energy if energy and baseline_energy is not None else None
        latency = cycles / self.clock_hz if self.clock_hz else None
        return Estimate(cycles, baseline_cycles / cycles, energy, saving, latency, self.area_mm2, costs, parts)

    @cached_property
    def _supported(self) -> frozenset[BitPair]:
        return frozenset(self.supported_bits)

    @cached_property
    def _costs(self) -> dict[tuple[int, int, int, BitPair], Cost]:
        return {}

    @cached_property
    def _baselines(self) -> dict[Workload, tuple[list[Cost], float, float | None, Cost]]:
        return {}

    def _cost(self, matvec: MatVec, bits: BitPair, computed: float) -> Cost:
        if computed != 1.0:
            return self.matvec_cost(matvec, *bits, computed)
        key = (matvec.rows, matvec.cols, matvec.passes, bits)
        if key not in self._costs:
            self._costs[key] = self.matvec_cost(matvec, *bits, 1.0)
        return self._costs[key]

    def _baseline(self, workload: Workload) -> tuple[list[Cost], float, float | None, Cost]:
        """Costs of the matvecs at the baseline, total cycles and energy, and the elementwise cost."""
        if workload not in self._baselines:
            rest = self.elementwise_cost(workload)
            costs = self.costs(workload, Configuration.uniform(workload, BASELINE_BITS), None)
            energies = [cost.energy_pj for cost in (rest, *costs)]
            energy = None if None in energies else total(e for e in energies if e is not None)
            cycles = total(cost.cycles for cost in (rest, *costs))
            self._baselines[workload] = (costs, cycles, energy, rest)
        return self._baselines[workload]


def _settings(workload: Workload, configuration: Configuration) -> dict[str, BitPair]:
    settings = {name: setting.operand_bits for name, setting in configuration.settings}
    missing = [name for name in workload.names if name not in settings]
    if missing:
        raise InputError(f"configuration has no setting for {', '.join(missing)} of {workload.model}")
    return {name: settings[name] for name in workload.names}


def _fraction(computed: Mapping[str, float] | None, name: str) -> float:
    if computed is None or name not in computed:
        raise InputError(f"no computed fraction for matvec {name}")
    if not 0.0 <= computed[name] <= 1.0:
        raise InputError(f"computed fraction of {name} is {computed[name]:g}; valid: 0 to 1")
    return computed[name]
