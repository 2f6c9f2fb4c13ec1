"""Where a search starts: a point of another study, at whose values genes are frozen or begin."""

from __future__ import annotations

from collections.abc import Sequence

from dse.design.rules import Rule, ordered
from dse.design.space import Gene, Genome, SearchSpace
from models.workload import Configuration, InputError

BOTH_WIDTHS = {"weight_bits": ("weight_bits", "bits"), "act_bits": ("act_bits", "bits")}  # kinds of rules about them


def rules_at(point: Configuration, genes: Sequence[Gene], rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The rules, those without a choice as one for each gene that they freeze at the point's value.

    Free genes get a rule where they lack the point's value. `genes` are all that there can be.
    """
    found = [rule for rule in rules if rule.choices]
    for gene in genes:
        label, _, kind = gene.name.rpartition(".")
        kinds, mine = BOTH_WIDTHS.get(kind, (kind,)), gene.choice_in(point)
        freezing = [r for r in rules if r.freezes and r.kind in kinds and r.meets(label)]
        words = tuple(gene.name.split("."))
        if freezing and not freezing[-1].choices:
            found.append(Rule(words, (mine,), freezes=True))
        elif not freezing and mine not in gene.choices:
            found.append(Rule(words, ordered((*gene.choices, mine))))
    return tuple(found)


def genome_at(point: Configuration, space: SearchSpace) -> Genome:
    """The genome of a point, but for genes that are frozen at other values.

    Raises InputError where the genes that are left cannot make it.
    """
    genome, elsewhere = [], set[str]()
    for gene in space.genes:
        mine = gene.choice_in(point)
        if mine in gene.choices:
            genome.append(gene.choices.index(mine))
        elif len(gene.choices) == 1:
            genome.append(0)
            elsewhere.update(gene.matvecs)
        else:
            valid = ", ".join(map(str, gene.choices))
            raise InputError(f"the point to start from has {gene.name}={mine}, which is none of {valid}")
    for name, setting in space.decode(tuple(genome)):
        if name not in elsewhere and setting.effect != point[name].effect:
            raise InputError(f"the point to start from cannot be made of the genes: {name} would differ")
    return tuple(genome)
