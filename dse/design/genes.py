"""The kinds of genes, and a workload's own: which settings vary together, and over which choices."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import product

from dse.design.gene_groups import BIT_GROUPS, DELTA_GROUPS, free_paths, groups
from dse.design.gene_kinds import GENE_BITS, DeltaGene, PairGene, SkipGene, WidthGene
from dse.design.rules import Rule, last_of, require_met
from dse.design.space import Choice, Gene, SearchSpace
from models.workload import BASELINE_BITS, Configuration, InputError, Workload

DEFAULT_BITS = (2, 4, 8, 16)
# Rezk et al., "Shrink and Eliminate", tried 8, 16 and 32 on 8-bit activations; the embedded networks want finer ones.
DEFAULT_DELTA = (0, 2, 4, 8, 16)
SKIP_NONE, SKIP_FIRST, SKIP_LAYERS = "none", "first", "layers"  # which skip genes; see `search_space`
DELTA_LAYERS, DELTA_PATHS = "layers", "paths"  # which delta genes


def search_space(
    workload: Workload,
    weight_bits: Sequence[int] = DEFAULT_BITS,
    act_bits: Sequence[int] = DEFAULT_BITS,
    delta: Sequence[int] = DEFAULT_DELTA,
    skip: Sequence[str] = (SKIP_FIRST,),
    tied: bool = False,
    pairs: Collection[tuple[int, int]] | None = None,
    delta_genes: str = DELTA_LAYERS,
    rules: Sequence[Rule] = (),
) -> SearchSpace:
    """The genes of a workload over its 16-bit baseline.

    All matrices of one layer and path share a weight gene and an activation gene (one gene for both if `tied`, over the
    widths that both lists hold), or one gene over pairs of widths where only some combinations are in `pairs` (weight
    bits, activation bits). One delta gene serves the input side of a layer (input and projection), one its recurrent
    side, one the output; with `delta_genes` "paths" one serves these sides of all layers, as in the papers' threshold
    selection. The first layer's input, the acoustic features, has no delta gene and sends every change.
    Source: Rezk et al., MOHAQ and "Shrink and Eliminate".

    `skip` says which paths may stay at 16 bit. "first": one gene, the candidate gates' recurrent path in no layer, the
    first half (rounded up) or all, as in the papers. "layers": one gene per layer. "none": no gene. Further entries
    name matvecs that are always skipped. `rules` give single genes other choices, one after the other.
    Raises InputError on a width that the vocabulary lacks, a threshold below 0, an unknown matvec or unknown gene.
    """
    weight_bits = _bit_choices("weight bits", weight_bits)
    act_bits = _bit_choices("activation bits", act_bits)
    genes: list[Gene] = []
    for label, names in groups(workload, BIT_GROUPS).items():
        genes += _bit_genes(label, names, _combinations(label, weight_bits, act_bits, tied, pairs, rules))
    genes += _delta_genes(workload, _delta_choices(delta), delta_genes, rules)
    always = [name for name in workload.names if name in skip]
    kinds = [entry for entry in skip if entry not in always]
    genes += _skip_genes(workload, kinds, free_paths(workload, always), rules)
    labels = [
        f"{label}.{kind}" for label in groups(workload, BIT_GROUPS) for kind in ("bits", "weight_bits", "act_bits")
    ]
    require_met(rules, [*labels, *(f"{label}.delta" for label in _gated(workload)), *(gene.name for gene in genes)])
    return SearchSpace(tuple(genes), _base(workload, always))


def recorded_space(
    workload: Workload, genes: Mapping[str, Sequence[Choice]], always_skipped: Sequence[str] = ()
) -> SearchSpace:
    """The space whose genes were recorded, by name, with their choices. Raises InputError on what is none of them."""
    by_group = groups(workload, BIT_GROUPS), groups(workload, DELTA_GROUPS)
    own = {name.removesuffix(".delta") for name in genes}
    found: list[Gene] = []
    try:
        for name, choices in genes.items():
            label, _, kind = name.rpartition(".")
            if kind == "delta":
                names = by_group[1].get(label) or _of_paths(workload, own)[label]
                found.append(DeltaGene(name, _whole(choices), names))
            elif kind == "skip":
                free = free_paths(workload, always_skipped)
                together = free if label == "candidate" else [path for path in free if path[0] == label]
                if not together:
                    raise InputError(f"no path of '{name}'")
                found.append(SkipGene(name, _whole(choices), tuple(together)))
            elif kind == "bits" and isinstance(choices[0], str):
                pairs = tuple(map(_pair, choices))
                found.append(PairGene(name, pairs, by_group[0][label]))
            else:
                sets = ("weight_bits", "act_bits") if kind == "bits" else (kind,)
                found.append(WidthGene(name, _whole(choices), by_group[0][label], sets))
        space = SearchSpace(tuple(found), _base(workload, always_skipped))
        space.decode((0,) * len(found))
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise InputError(f"its genes cannot be read: {error}") from error
    return space


def _whole(choices: Sequence[Choice]) -> tuple[int, ...]:
    return tuple(map(int, choices))


def _base(workload: Workload, always_skipped: Iterable[str]) -> Configuration:
    """The 16-bit baseline, some matvecs of which are skipped."""
    base = Configuration.uniform(workload, BASELINE_BITS)
    for name in always_skipped:
        base = base.with_setting(name, skip=True)
    return base


def _combinations(
    label: str,
    weights: Sequence[int],
    acts: Sequence[int],
    tied: bool,
    pairs: Collection[tuple[int, int]] | None,
    rules: Sequence[Rule],
) -> list[tuple[int, int]]:
    """Pairs (weight bits, activation bits) that a label's genes choose from. Raises InputError where there are none."""
    wanted, last = list(product(weights, acts)), None
    for rule in rules:
        if rule.kind in ("bits", "weight_bits", "act_bits") and rule.meets(label):
            wanted, last = _changed(wanted, rule), rule
    found = [(w, a) for w, a in wanted if (w == a or not tied) and (pairs is None or (w, a) in pairs)]
    if not found:
        if last:
            raise InputError(f"gene '{last}': {label} can run with none of them")
        widths = " and ".join(",".join(map(str, choices)) for choices in (weights, acts))
        raise InputError(f"weight and activation bits {widths} have nothing in common that can run")
    return found


def _changed(pairs: Sequence[tuple[int, int]], rule: Rule) -> list[tuple[int, int]]:
    """Pairs of widths after a rule: its own, or with its choices for one of the two."""
    if rule.kind == "bits":
        return [_pair(choice) for choice in rule.choices]
    weights, acts = (sorted(set(widths)) for widths in zip(*pairs, strict=True))
    chosen = _whole(rule.choices)
    return list(product(chosen, acts) if rule.kind == "weight_bits" else product(weights, chosen))


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


def _delta_genes(
    workload: Workload, thresholds: tuple[int, ...], which: str, rules: Sequence[Rule]
) -> Iterable[DeltaGene]:
    """Delta genes of each label, or of each path: there a label that a rule names with its layer has its own gene."""
    if which not in (DELTA_LAYERS, DELTA_PATHS):
        raise InputError(f"delta genes '{which}' is none of {DELTA_LAYERS}, {DELTA_PATHS}")
    labels = _gated(workload)
    own = labels
    if which == DELTA_PATHS:
        for_all = [rule for rule in rules if any(rule.meets(label.rpartition(".")[2]) for label in labels)]
        named = [rule for rule in rules if rule not in for_all]
        own = {label: names for label, names in labels.items() if last_of(named, label, "delta")}
    for label, names in {**own, **_of_paths(workload, own)}.items():
        rule = last_of(rules, label, "delta")
        choices = _whole(rule.choices) if rule else thresholds
        if rule or choices != (0,):
            yield DeltaGene(f"{label}.delta", choices, names)


def _gated(workload: Workload) -> dict[str, tuple[str, ...]]:
    """Matvecs whose inputs have a delta gate, by label."""
    first_input = f"{workload.matvecs[0].layer}.input"
    return {label: names for label, names in groups(workload, DELTA_GROUPS).items() if label != first_input}


def _of_paths(workload: Workload, own: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Matvecs with a delta gate by path, over all layers, without those of the labels that have their own gene."""
    found: dict[str, tuple[str, ...]] = {}
    for label, names in _gated(workload).items():
        path = label.rpartition(".")[2]
        if label not in own:
            found[path] = (*found.get(path, ()), *names)
    return found


def _skip_genes(
    workload: Workload, kinds: Sequence[str], paths: Sequence[tuple[str, ...]], rules: Sequence[Rule]
) -> list[Gene]:
    for kind in kinds:
        if kind not in (SKIP_NONE, SKIP_FIRST, SKIP_LAYERS):
            known = ", ".join((SKIP_NONE, SKIP_FIRST, SKIP_LAYERS, *workload.names))
            raise InputError(f"skip '{kind}' is none of {known}")
    if len(kinds) > 1:
        raise InputError(f"skip takes one of {SKIP_NONE}, {SKIP_FIRST}, {SKIP_LAYERS}, not {' and '.join(kinds)}")
    if not paths or not kinds or kinds[0] == SKIP_NONE:
        return []
    if kinds[0] == SKIP_LAYERS:
        return [SkipGene(f"{path[0]}.skip", _skips(path[0], (0, 1), 1, rules), (path,)) for path in paths]
    some = tuple(sorted({0, (len(paths) + 1) // 2, len(paths)}))
    return [SkipGene("candidate.skip", _skips("candidate", some, len(paths), rules), tuple(paths))]


def _skips(label: str, usual: tuple[int, ...], most: int, rules: Sequence[Rule]) -> tuple[int, ...]:
    rule = last_of(rules, label, "skip")
    choices = _whole(rule.choices) if rule else usual
    if max(choices) > most:
        raise InputError(f"gene '{rule}': {label} has {most} paths to skip")
    return choices


def _pair(choice: Choice) -> tuple[int, int]:
    weight, act = str(choice).split("x")
    return int(weight), int(act)


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
