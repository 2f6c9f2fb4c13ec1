"""The kinds of genes, and a workload's own: which settings vary together, and over which choices."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from dse.design.space import Choice, Gene, SearchSpace
from models.workload import BASELINE_BITS, INTEGER_BITS, Configuration, InputError, Workload

DEFAULT_BITS = (2, 4, 8, 16)
# Rezk et al., "Shrink and Eliminate", tried 8, 16 and 32 on 8-bit activations; the embedded networks want finer ones.
DEFAULT_DELTA = (0, 2, 4, 8, 16)
SKIP_NONE, SKIP_FIRST, SKIP_LAYERS = "none", "first", "layers"  # which skip genes; see `search_space`
GENE_BITS = (*INTEGER_BITS, BASELINE_BITS)

BIT_GROUPS = {
    "input": "input",
    "recurrent": "recurrent",
    "candidate": "recurrent",
    "projection": "projection",
    "output": "output",
}
DELTA_GROUPS = {**BIT_GROUPS, "projection": "input"}


@dataclass(frozen=True)
class WidthGene:
    """One width for some matvecs: of weights, of activations, or of both where they are tied."""

    name: str
    choices: tuple[int, ...]  # bits
    matvecs: tuple[str, ...]
    sets: tuple[str, ...]  # "weight_bits", "act_bits"

    def fields(self, index: int, position: int) -> dict[str, int]:
        return dict.fromkeys(self.sets, self.choices[index])


@dataclass(frozen=True)
class PairGene:
    """Both widths of some matvecs at once, where only some combinations run."""

    name: str
    pairs: tuple[tuple[int, int], ...]  # weight bits, activation bits
    matvecs: tuple[str, ...]

    @property
    def choices(self) -> tuple[Choice, ...]:
        return tuple(f"{weight}x{act}" for weight, act in self.pairs)

    def fields(self, index: int, position: int) -> dict[str, int]:
        return dict(zip(("weight_bits", "act_bits"), self.pairs[index], strict=True))


@dataclass(frozen=True)
class DeltaGene:
    """One threshold for the delta gates of some matvecs, in steps of an 8-bit activation."""

    name: str
    choices: tuple[int, ...]
    matvecs: tuple[str, ...]

    def fields(self, index: int, position: int) -> dict[str, int]:
        return {"delta": self.choices[index]}


@dataclass(frozen=True)
class SkipGene:
    """How many of some matvecs, from the first, stay at 16 bit."""

    name: str
    choices: tuple[int, ...]
    matvecs: tuple[str, ...]

    def fields(self, index: int, position: int) -> dict[str, int]:
        return {"skip": position < self.choices[index]}


def search_space(
    workload: Workload,
    weight_bits: Sequence[int] = DEFAULT_BITS,
    act_bits: Sequence[int] = DEFAULT_BITS,
    delta: Sequence[int] = DEFAULT_DELTA,
    skip: Sequence[str] = (SKIP_FIRST,),
    tied: bool = False,
    pairs: Collection[tuple[int, int]] | None = None,
) -> SearchSpace:
    """The genes of a workload over its 16-bit baseline.

    All matrices of one layer and path share a weight gene and an activation gene (one gene for both if `tied`, over the
    widths that both lists hold), or one gene over pairs of widths where only some combinations are in `pairs` (weight
    bits, activation bits). One delta gene serves the input side of a layer (input and projection), one its recurrent
    side, one the output. The first layer's input, the acoustic features, has no delta gene and sends every change.
    Source: Rezk et al., MOHAQ and "Shrink and Eliminate".

    `skip` says which paths may stay at 16 bit. "first": one gene, the candidate gates' recurrent path in no layer, the
    first half (rounded up) or all, as in the papers. "layers": one gene per layer. "none": no gene. Further entries
    name matvecs that are always skipped.
    Raises InputError on a width that the vocabulary lacks, a threshold below 0 or an unknown matvec.
    """
    weight_bits = _bit_choices("weight bits", weight_bits)
    act_bits = _bit_choices("activation bits", act_bits)
    thresholds = _delta_choices(delta)
    genes: list[Gene] = []
    combinations = [
        (weight, act)
        for weight, act in product(weight_bits, act_bits)
        if (pairs is None or (weight, act) in pairs) and (weight == act or not tied)
    ]
    if not combinations:
        widths = " and ".join(",".join(map(str, choices)) for choices in (weight_bits, act_bits))
        raise InputError(f"weight and activation bits {widths} have nothing in common that can run")
    for label, names in groups(workload, BIT_GROUPS).items():
        genes += _bit_genes(label, names, combinations)
    if thresholds != (0,):
        first_input = f"{workload.matvecs[0].layer}.input"
        for label, names in groups(workload, DELTA_GROUPS).items():
            if label != first_input:
                genes.append(DeltaGene(f"{label}.delta", thresholds, names))
    always = [name for name in workload.names if name in skip]
    kinds = [entry for entry in skip if entry not in always]
    return SearchSpace((*genes, *_skip_genes(workload, kinds, free_paths(workload, always))), _base(workload, always))


def recorded_space(
    workload: Workload, genes: Mapping[str, Sequence[Choice]], always_skipped: Sequence[str] = ()
) -> SearchSpace:
    """The space whose genes were recorded, by name, with their choices. Raises InputError on what is none of them."""
    by_group = groups(workload, BIT_GROUPS), groups(workload, DELTA_GROUPS)
    found: list[Gene] = []
    try:
        for name, choices in genes.items():
            label, _, kind = name.rpartition(".")
            if kind == "delta":
                found.append(DeltaGene(name, _whole(choices), by_group[1][label]))
            elif kind == "skip":
                together = free_paths(workload, always_skipped) if label == "candidate" else (label,)
                found.append(SkipGene(name, _whole(choices), together))
            elif kind == "bits" and isinstance(choices[0], str):
                pairs = tuple((int(w), int(a)) for w, a in (str(choice).split("x") for choice in choices))
                found.append(PairGene(name, pairs, by_group[0][label]))
            else:
                sets = ("weight_bits", "act_bits") if kind == "bits" else (kind,)
                found.append(WidthGene(name, _whole(choices), by_group[0][label], sets))
        space = SearchSpace(tuple(found), _base(workload, always_skipped))
        space.decode((0,) * len(found))
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise InputError(f"its genes cannot be read: {error}") from error
    return space


def free_paths(workload: Workload, always_skipped: Collection[str]) -> tuple[str, ...]:
    """Matvecs that skip genes decide on: the candidate gates' recurrent paths that are not always skipped."""
    return tuple(m.name for m in workload if m.path == "candidate" and m.name not in always_skipped)


def _whole(choices: Sequence[Choice]) -> tuple[int, ...]:
    return tuple(map(int, choices))


def _base(workload: Workload, always_skipped: Iterable[str]) -> Configuration:
    """The 16-bit baseline, some matvecs of which are skipped."""
    base = Configuration.uniform(workload, BASELINE_BITS)
    for name in always_skipped:
        base = base.with_setting(name, skip=True)
    return base


def _bit_genes(label: str, names: tuple[str, ...], pairs: Sequence[tuple[int, int]]) -> list[Gene]:
    """The genes that choose one of `pairs` (weight bits, activation bits) for the matvecs."""
    weights, acts = (tuple(sorted(set(widths))) for widths in zip(*pairs, strict=True))
    if len(pairs) == len(weights) * len(acts):
        return [
            WidthGene(f"{label}.weight_bits", weights, names, ("weight_bits",)),
            WidthGene(f"{label}.act_bits", acts, names, ("act_bits",)),
        ]
    if all(weight == act for weight, act in pairs):
        return [WidthGene(f"{label}.bits", weights, names, ("weight_bits", "act_bits"))]
    return [PairGene(f"{label}.bits", tuple(pairs), names)]


def _skip_genes(workload: Workload, kinds: Sequence[str], names: Sequence[str]) -> list[Gene]:
    for kind in kinds:
        if kind not in (SKIP_NONE, SKIP_FIRST, SKIP_LAYERS):
            known = ", ".join((SKIP_NONE, SKIP_FIRST, SKIP_LAYERS, *workload.names))
            raise InputError(f"skip '{kind}' is none of {known}")
    if len(kinds) > 1:
        raise InputError(f"skip takes one of {SKIP_NONE}, {SKIP_FIRST}, {SKIP_LAYERS}, not {' and '.join(kinds)}")
    if not names or not kinds or kinds[0] == SKIP_NONE:
        return []
    if kinds[0] == SKIP_LAYERS:
        return [SkipGene(f"{name}.skip", (0, 1), (name,)) for name in names]
    return [SkipGene("candidate.skip", tuple(sorted({0, (len(names) + 1) // 2, len(names)})), tuple(names))]


def groups(workload: Workload, by_path: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Matvec names by 'layer.group', in the workload's order. The output layer's group is just 'output'."""
    found: dict[str, tuple[str, ...]] = {}
    for matvec in workload:
        group = by_path[matvec.path]
        label = group if matvec.path == "output" else f"{matvec.layer}.{group}"
        found[label] = (*found.get(label, ()), matvec.name)
    return found


def _bit_choices(what: str, choices: Sequence[int]) -> tuple[int, ...]:
    for bits in choices:
        if bits not in GENE_BITS:
            raise InputError(f"{what} {bits} is none of {', '.join(map(str, GENE_BITS))}")
    return _ordered(what, choices)


def _delta_choices(choices: Sequence[int]) -> tuple[int, ...]:
    for steps in choices:
        if steps < 0:
            raise InputError(f"delta {steps} is negative; it counts steps of an 8-bit activation, 0 or more")
    return _ordered("delta", choices)


def _ordered(what: str, choices: Sequence[int]) -> tuple[int, ...]:
    if not choices:
        raise InputError(f"{what}: no choice given")
    return tuple(sorted(set(choices)))
