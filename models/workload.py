"""Vocabulary that every package shares: matvecs, workloads, settings, configurations. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import reduce
from operator import add
from typing import Any, Literal

Path = Literal["input", "recurrent", "candidate", "projection", "output"]
PATHS: tuple[Path, ...] = ("input", "recurrent", "candidate", "projection", "output")

INTEGER_BITS = (2, 3, 4, 5, 6, 7, 8)
BASELINE_BITS = 16  # 16-bit binary fixed point: the baseline, and the precision of skipped paths and vectors
MOST_STEPS = 2**31 - 1  # of a delta threshold; far beyond what any activation reaches
FLOAT_BITS = 32  # unquantized; what "float" means in tables
BITS = (*INTEGER_BITS, BASELINE_BITS, FLOAT_BITS)
BITS_PER_MIB = 8 * 2**20
BitPair = tuple[int, int]  # (weight bits, activation bits)


class InputError(ValueError):
    """Error that a user can mend: commands report it in one line, with exit status 2. Any other error is a bug.

    Its text is one line whatever it quotes.
    """

    def __str__(self) -> str:
        return " ".join(super().__str__().splitlines())


class MissingError(InputError, FileNotFoundError):
    """Error for a file or folder that is not where it should be."""


@dataclass(frozen=True)
class MatVec:
    """One matrix-vector product of a network, `rows` outputs from `cols` inputs.

    `passes` is how often it runs per frame: where both directions of a network share their weights each recurrent
    matrix runs twice, and once where there is one direction, or each has a matrix of its own.
    """

    name: str
    rows: int
    cols: int
    path: Path
    passes: int = 1

    def __post_init__(self) -> None:
        if self.path not in PATHS:
            raise ValueError(f"matvec {self.name}: path '{self.path}' is none of {', '.join(PATHS)}")
        if min(self.rows, self.cols, self.passes) < 1:
            raise ValueError(f"matvec {self.name}: rows, cols and passes must be at least 1")

    @property
    def layer(self) -> str:
        """Name of the layer: 'l1' of 'l1.input'; 'output' of 'output'."""
        return self.name.partition(".")[0]

    @property
    def weights(self) -> int:
        return self.rows * self.cols

    @property
    def macs_per_frame(self) -> int:
        return self.rows * self.cols * self.passes


@dataclass(frozen=True)
class StoredScales:
    """Bits that a quantization scheme stores beside the weights; 16-bit operands need none, their steps are shifts.

    `step_bits` for each integer matrix and each integer activation quantizer, `row_scale_bits` for each row of an
    integer matrix, `zero_point_bits` for each integer activation quantizer.
    """

    step_bits: int = 0
    row_scale_bits: int = 0
    zero_point_bits: int = 0


@dataclass(frozen=True)
class Workload:
    """Work of one frame: the matvecs in the order they run, the 16-bit vector weights and elementwise operations.

    `stored` is what the network's quantization scheme stores besides; a model alone has no scheme, and stores nothing.
    """

    model: str
    matvecs: tuple[MatVec, ...]
    vector_weights: int
    elementwise_ops_per_frame: int
    stored: StoredScales = StoredScales()

    def __post_init__(self) -> None:
        names = self.names
        if len(set(names)) != len(names):
            raise ValueError(f"workload {self.model}: matvec names are not unique: {', '.join(names)}")

    def __iter__(self) -> Iterator[MatVec]:
        return iter(self.matvecs)

    def __getitem__(self, name: str) -> MatVec:
        for matvec in self.matvecs:
            if matvec.name == name:
                return matvec
        raise KeyError(f"no matvec '{name}' in {self.model}; it has {', '.join(self.names)}")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(matvec.name for matvec in self.matvecs)

    @property
    def weights(self) -> int:
        """Number of matrix weights; vector weights are not included."""
        return sum(matvec.weights for matvec in self.matvecs)

    @property
    def macs_per_frame(self) -> int:
        return sum(matvec.macs_per_frame for matvec in self.matvecs)


@dataclass(frozen=True, slots=True)
class Setting:
    """Bitwidths and delta threshold of one matvec.

    `delta` is the threshold of its input's delta gate, in integer steps of the quantized activation. A skipped matvec
    keeps weights and activations at 16 bits, whatever `weight_bits` and `act_bits` say. Raises InputError for a value
    out of range.
    """

    weight_bits: int = BASELINE_BITS
    act_bits: int = BASELINE_BITS
    delta: int = 0
    skip: bool = False

    def __post_init__(self) -> None:
        for field, bits in (("weight_bits", self.weight_bits), ("act_bits", self.act_bits)):
            if type(bits) is not int or bits not in BITS:
                raise InputError(f"{field} {bits} is none of {', '.join(map(str, BITS))}")
        if type(self.delta) is not int or not 0 <= self.delta <= MOST_STEPS:
            raise InputError(f"delta {self.delta} is not a count of integer steps, 0 to {MOST_STEPS}")
        if type(self.skip) is not bool:
            raise InputError(f"skip {self.skip!r} is neither true nor false")

    @property
    def effect(self) -> tuple[int, int, int]:
        """Weight bits and activation bits in use, and delta: all of the setting that the matvec's result depends on."""
        return (*self.operand_bits, self.delta)

    @property
    def operand_bits(self) -> tuple[int, int]:
        """Weight bits and activation bits in use: those of the baseline where the matvec is skipped."""
        return (BASELINE_BITS, BASELINE_BITS) if self.skip else (self.weight_bits, self.act_bits)


@dataclass(frozen=True)
class Configuration:
    """All settings of a design point: one per matvec, in the workload's order. Hashable, JSON in and out."""

    settings: tuple[tuple[str, Setting], ...]

    @classmethod
    def uniform(
        cls, workload: Workload, weight_bits: int, act_bits: int | None = None, delta: int = 0
    ) -> Configuration:
        """Configuration with the same setting everywhere; activations are as wide as weights unless given."""
        setting = Setting(weight_bits, weight_bits if act_bits is None else act_bits, delta)
        return cls(tuple((name, setting) for name in workload.names))

    @classmethod
    def from_json(cls, data: Mapping[str, Mapping[str, Any]]) -> Configuration:
        """Configuration from its JSON form. Raises InputError, naming the matvec, on an unknown or invalid field."""
        settings = []
        for name, fields in data.items():
            try:
                settings.append((name, Setting(**fields)))
            except (TypeError, ValueError) as error:
                raise InputError(f"configuration, matvec {name}: {error}") from error
        return cls(tuple(settings))

    def to_json(self) -> dict[str, dict[str, Any]]:
        return {name: asdict(setting) for name, setting in self.settings}

    def __iter__(self) -> Iterator[tuple[str, Setting]]:
        return iter(self.settings)

    def __getitem__(self, name: str) -> Setting:
        for known, setting in self.settings:
            if known == name:
                return setting
        raise KeyError(f"no setting for matvec '{name}'; there are {', '.join(n for n, _ in self.settings)}")

    def with_setting(self, name: str, **changes: Any) -> Configuration:
        """Copy with fields of one matvec's setting replaced. Raises KeyError for an unknown matvec."""
        self[name]
        return Configuration(tuple((n, replace(s, **changes) if n == name else s) for n, s in self.settings))


def size_bits(workload: Workload, configuration: Configuration) -> int:
    """Size in bits of all that is stored: matrices at their own width, vectors at 16 bit, scales and zero points."""
    bits, stored = workload.vector_weights * BASELINE_BITS, workload.stored
    for matvec in workload:
        weight_bits, act_bits = configuration[matvec.name].operand_bits
        bits += matvec.weights * weight_bits
        if weight_bits in INTEGER_BITS:
            bits += stored.step_bits + matvec.rows * stored.row_scale_bits
        if act_bits in INTEGER_BITS:
            bits += stored.step_bits + stored.zero_point_bits
    return bits


def size_mib(workload: Workload, configuration: Configuration) -> float:
    """Size in MiB of all that is stored, see `size_bits`."""
    return size_bits(workload, configuration) / BITS_PER_MIB


def total(numbers: Iterable[float]) -> float:
    """Sum from left to right: the same bits on every Python, whose own `sum` compensates its rounding from 3.12 on."""
    return reduce(add, numbers, 0.0)


def computed_fraction(workload: Workload, computed: Mapping[str, float]) -> float:
    """Computed fraction of the network: that of each matvec, weighted by its multiply-accumulates per frame."""
    return total(m.macs_per_frame * computed[m.name] for m in workload) / workload.macs_per_frame


def is_float(configuration: Configuration) -> bool:
    """Return whether the configuration is float (unquantized). Raises InputError if only some of its matvecs are."""
    floats = [name for name, s in configuration if FLOAT_BITS in s.operand_bits]
    if not floats:
        return False
    settings = [s for _, s in configuration]
    if len(floats) < len(settings) or any(s.operand_bits != (FLOAT_BITS, FLOAT_BITS) or s.delta for s in settings):
        raise InputError(
            f"float ({FLOAT_BITS} bits) is for all weights and activations at once, with delta 0; found at {floats[0]}"
        )
    return True
