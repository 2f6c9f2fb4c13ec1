"""The search space: genomes over genes, and the configurations that they stand for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any, Protocol

from models.workload import FLOAT_BITS, Configuration, Setting

MOST_KNOWN = 2**16  # what becomes of a gene's choice beside those that it meets, remembered
DELTA_BITS = 8  # the activation width that delta choices are stated for

Genome = tuple[int, ...]
Effect = tuple[int, int, int]  # of a matvec's setting
Choice = int | str  # as it is recorded: bits, steps, a count; "4x8" for both widths at once, weights x activations


class Gene(Protocol):
    """One decision over some matvecs; `dse.design.gene_kinds` has the kinds there are."""

    @property
    def name(self) -> str: ...
    @property
    def choices(self) -> tuple[Choice, ...]: ...
    @property
    def matvecs(self) -> tuple[str, ...]: ...

    def fields(self, index: int, position: int) -> dict[str, int]:
        """Fields that a choice sets of the matvec at `position`; a delta in steps of an 8-bit activation."""
        ...

    def choice_in(self, configuration: Configuration) -> Choice:
        """The choice that a configuration has, whether it is one of `choices` or not."""
        ...


@dataclass(frozen=True)
class SearchSpace:
    """Genes over a base configuration, which supplies what no gene sets.

    A genome holds, gene by gene, the index of its choice.
    """

    genes: tuple[Gene, ...]
    base: Configuration

    @property
    def size(self) -> int:
        """Number of genomes."""
        return math.prod(len(gene.choices) for gene in self.genes)

    def values(self, genome: Genome) -> dict[str, Choice]:
        """The chosen value of every gene, by name. Raises ValueError on a genome that is not of this space."""
        if len(genome) != len(self.genes):
            raise ValueError(f"genome of {len(genome)} genes in a space of {len(self.genes)}")
        for gene, index in zip(self.genes, genome, strict=True):
            if not 0 <= index < len(gene.choices):
                raise ValueError(f"gene {gene.name}: choice {index} is not in 0..{len(gene.choices) - 1}")
        return {gene.name: gene.choices[index] for gene, index in zip(self.genes, genome, strict=True)}

    def decode(self, genome: Genome) -> Configuration:
        """The configuration that a genome stands for."""
        self.values(genome)
        fields: dict[str, dict[str, int]] = {name: {} for name, _ in self.base}
        for gene, index in zip(self.genes, genome, strict=True):
            for position, name in enumerate(gene.matvecs):
                fields[name] |= gene.fields(index, position)
        return Configuration(tuple((name, _setting(base, fields[name])) for name, base in self.base))

    def encode(self, configuration: Configuration) -> Genome:
        """The smallest genome that decodes to `configuration`. Raises ValueError if there is none."""
        genome = []
        for gene in self.genes:
            for index in range(len(gene.choices)):
                if all(
                    _has(configuration[name], gene.fields(index, position))
                    for position, name in enumerate(gene.matvecs)
                ):
                    genome.append(index)
                    break
            else:
                raise ValueError(f"gene {gene.name}: no choice of {list(gene.choices)} gives this configuration")
        found = tuple(genome)
        if self.decode(found) != configuration:
            raise ValueError("the configuration differs from the base in what no gene sets")
        return found

    def canonical(self, genome: Genome) -> Genome:
        """The smallest genome with the same effect: equal operand widths and equal thresholds in every matvec."""
        smallest = list(genome)
        for position, index in enumerate(genome):
            if not index:
                continue
            related, known = self._related[position]
            key = tuple([smallest[gene] for gene in related])
            if key not in known:
                if len(known) == MOST_KNOWN:
                    known.clear()
                known[key] = self._smallest(position, smallest)
            smallest[position] = known[key]
        return tuple(smallest)

    def _smallest(self, position: int, genome: Sequence[int]) -> int:
        """The smallest choice of one gene that leaves all matvecs as they are."""
        trial, touched = list(genome), self._touched[position]
        effect = [self._effect(matvec, trial) for matvec in touched]
        for lower in range(genome[position]):
            trial[position] = lower
            if all(self._effect(m, trial) == known for m, known in zip(touched, effect, strict=True)):
                return lower
        return genome[position]

    @cached_property
    def _related(self) -> list[tuple[list[int], dict[Genome, int]]]:
        """Genes that meet in a matvec, by gene, itself included, and smallest choices found before."""
        meet = [sorted({gene for m in touched for gene, _ in self._matvecs[m][1]}) for touched in self._touched]
        return [(related, {}) for related in meet]

    @cached_property
    def _matvecs(self) -> list[tuple[Setting, list[tuple[int, int]], dict[Genome, Effect]]]:
        """Matvecs: the base setting, the genes that set it with its position among theirs, and known effects."""
        setters: dict[str, list[tuple[int, int]]] = {name: [] for name, _ in self.base}
        for number, gene in enumerate(self.genes):
            for position, name in enumerate(gene.matvecs):
                setters[name].append((number, position))
        return [(base, setters[name], {}) for name, base in self.base]

    @cached_property
    def _touched(self) -> list[list[int]]:
        """Matvecs that each gene sets."""
        return [
            [m for m, (_, setters, _) in enumerate(self._matvecs) if any(setter == gene for setter, _ in setters)]
            for gene in range(len(self.genes))
        ]

    def _effect(self, matvec: int, genome: Sequence[int]) -> Effect:
        """Effect of the genome on one matvec; few choices meet there, so each combination is worked out once."""
        base, setters, known = self._matvecs[matvec]
        key = tuple(genome[gene] for gene, _ in setters)
        if key not in known:
            fields: dict[str, int] = {}
            for gene, position in setters:
                fields |= self.genes[gene].fields(genome[gene], position)
            known[key] = _setting(base, fields).effect
        return known[key]

    def effects(self) -> list[tuple[tuple[int, ...], dict[Genome, Effect]]]:
        """For each matvec the genes that set it, and what every combination of their choices does to it."""
        found = []
        for matvec, (_, setters, known) in enumerate(self._matvecs):
            genes = tuple(gene for gene, _ in setters)
            trial = [0] * len(self.genes)
            for chosen in product(*(range(len(self.genes[gene].choices)) for gene in genes)):
                for gene, index in zip(genes, chosen, strict=True):
                    trial[gene] = index
                self._effect(matvec, trial)
            found.append((genes, known))
        return found

    def nearest(self, configuration: Configuration) -> Genome:
        """The canonical genome whose choices are nearest to those that a configuration has, gene by gene."""
        chosen = []
        for gene in self.genes:
            wanted = _numbers(gene.choice_in(configuration))
            gaps = [_gap(_numbers(choice), wanted) for choice in gene.choices]
            chosen.append(gaps.index(min(gaps)))
        return self.canonical(tuple(chosen))

    def settings_of(self, name: str) -> tuple[Setting, ...]:
        """The different settings that genes give a matvec."""
        base, setters, _ = self._matvecs[[matvec for matvec, _ in self.base].index(name)]
        found: dict[Setting, None] = {}
        for chosen in product(*(range(len(self.genes[gene].choices)) for gene, _ in setters)):
            fields: dict[str, int] = {}
            for (gene, position), index in zip(setters, chosen, strict=True):
                fields |= self.genes[gene].fields(index, position)
            found[_setting(base, fields)] = None
        return tuple(found)

    def uniform(self, bits: Iterable[int] = (16, 8, 4)) -> list[Genome]:
        """The genomes of the uniform configurations without delta, those that the space holds."""
        genomes = []
        for width in bits:
            try:
                plain = ((n, replace(s, weight_bits=width, act_bits=width, delta=0)) for n, s in self.base)
                genomes.append(self.encode(Configuration(tuple(plain))))
            except ValueError:  # this width is not among the choices
                continue
        return genomes


def delta_steps(choice: int, act_bits: int) -> int:
    """A threshold in steps of an 8-bit activation, as whole steps of a `act_bits`-bit one, rounded down.

    Float activations have no steps and get no threshold. Source: Rezk et al., "Shrink and Eliminate": thresholds
    16 and 32 of 8-bit activations go with 1 and 2 of 4-bit ones.
    """
    if act_bits == FLOAT_BITS:
        return 0
    return math.floor(choice * 2.0 ** (act_bits - DELTA_BITS))


def _setting(base: Setting, fields: Mapping[str, int]) -> Setting:
    values: dict[str, Any] = {field: value for field, value in fields.items() if field != "delta"}
    setting = replace(base, **values)
    if "delta" in fields:
        setting = replace(setting, delta=delta_steps(fields["delta"], setting.operand_bits[1]))
    return setting


def _numbers(choice: Choice) -> list[int]:
    return [int(number) for number in str(choice).split("x")]


def _gap(choice: Sequence[int], wanted: Sequence[int]) -> float:
    """Distance of two choices, in doublings."""
    return sum(abs(math.log2((1 + one) / (1 + other))) for one, other in zip(choice, wanted, strict=True))


def _has(setting: Setting, fields: Mapping[str, int]) -> bool:
    """Whether a setting is as a gene's choice would set it, given the rest of the setting."""
    steps = {"delta": delta_steps(fields["delta"], setting.operand_bits[1])} if "delta" in fields else {}
    return all(getattr(setting, field) == value for field, value in {**fields, **steps}.items())
