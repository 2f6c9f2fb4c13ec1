"""Where a search starts: a point of another study, at whose values genes are frozen or begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dse.design.gene_kinds import DeltaGene
from dse.design.rules import Rule, last_of, ordered
from dse.design.space import Gene, Genome, SearchSpace
from models.workload import Configuration, InputError, Setting

BOTH_WIDTHS = {"weight_bits": ("weight_bits", "bits"), "act_bits": ("act_bits", "bits")}  # kinds of rules about them


def rules_at(point: Configuration, genes: Sequence[Gene], rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The rules, those without a choice as one for each gene that they freeze at the point's value.

    Free genes get a rule where they lack the point's value. `genes` are all that there can be.
    """
    found = [rule for rule in rules if rule.choices]
    for gene in genes:
        label, _, kind = gene.name.rpartition(".")
        rule, mine = last_of(rules, label, *BOTH_WIDTHS.get(kind, (kind,))), gene.choice_in(point)
        words = tuple(gene.name.split("."))
        if rule is not None and rule.freezes:
            if not rule.choices:
                found.append(Rule(words, (mine,), freezes=True))
        elif mine not in gene.choices:
            found.append(Rule(words, ordered((*gene.choices, mine))))
    return tuple(found)


def genome_at(point: Configuration, space: SearchSpace) -> Genome:
    """The genome of a point, but for genes that are frozen at other values.

    Thresholds that differ in the point and have one gene begin at that gene's least. Raises InputError where the genes
    that are left cannot make the rest.
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
    made = space.decode(tuple(genome))
    for place, gene in enumerate(space.genes):
        if isinstance(gene, DeltaGene) and any(made[name].effect != point[name].effect for name in gene.matvecs):
            genome[place] = 0
            elsewhere.update(name for name in gene.matvecs if _widths(made[name]) == _widths(point[name]))
    for name, setting in made:
        if name not in elsewhere and setting.effect != point[name].effect:
            raise InputError(f"the point to start from cannot be made of the genes: {name} would differ")
    return tuple(genome)


def _widths(setting: Setting) -> Setting:
    """A setting but for its threshold."""
    return replace(setting, delta=0)
