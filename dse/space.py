"""The search space: genomes over genes, and the configurations that they stand for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from models.workload import FLOAT_BITS, Configuration, Setting

MOST_KNOWN = 2**16  # what becomes of a gene's choice beside those that it meets, remembered
DELTA_BITS = 8  # the activation width that delta choices are stated for

Genome = tuple[int, ...]
Effect = tuple[int, int, int]  # of a matvec's setting
Slot = tuple[str, str]  # (matvec name, field of its setting)
Choice = int | str  # bits, steps, a count; "4x8" for both widths at once, weights x activations


@dataclass(frozen=True)
class Gene:
    """One decision: every slot gets the chosen value, of "4x8" its half.

    Choices of a delta gene are steps of an 8-bit activation; those of a skip gene say how many of its slots, from the
    first, are skipped.
    """

    name: str
    choices: tuple[Choice, ...]
    slots: tuple[Slot, ...]


@dataclass(frozen=True)
class SearchSpace:
    """Genes over a base configuration, which supplies the slots that no gene sets.

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
        values = self.values(genome)
        fields: dict[str, dict[str, int]] = {name: {} for name, _ in self.base}
        for gene in self.genes:
            for position, (name, field) in enumerate(gene.slots):
                fields[name][field] = _chosen(field, values[gene.name], position)
        return Configuration(tuple((name, _setting(base, fields[name])) for name, base in self.base))

    def encode(self, configuration: Configuration) -> Genome:
        """The smallest genome that decodes to `configuration`. Raises ValueError if there is none."""
        genome = []
        for gene in self.genes:
            for index, choice in enumerate(gene.choices):
                if all(
                    getattr(configuration[name], field) == _slot_value(field, choice, configuration[name], position)
                    for position, (name, field) in enumerate(gene.slots)
                ):
                    genome.append(index)
                    break
            else:
                raise ValueError(f"gene {gene.name}: no choice of {list(gene.choices)} gives this configuration")
        found = tuple(genome)
        if self.decode(found) != configuration:
            raise ValueError("the configuration differs from the base in a slot that no gene sets")
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
        """Of every gene those that meet it in a matvec, itself included, and smallest choices found before."""
        meet = [sorted({gene for m in touched for gene, _, _ in self._matvecs[m][1]}) for touched in self._touched]
        return [(related, {}) for related in meet]

    @cached_property
    def _matvecs(self) -> list[tuple[Setting, list[tuple[int, int, str]], dict[Genome, Effect]]]:
        """Of every matvec its base, (gene, position among the gene's slots, field) of its slots, and known effects."""
        slots: dict[str, list[tuple[int, int, str]]] = {name: [] for name, _ in self.base}
        for number, gene in enumerate(self.genes):
            for position, (name, field) in enumerate(gene.slots):
                slots[name].append((number, position, field))
        return [(base, slots[name], {}) for name, base in self.base]

    @cached_property
    def _touched(self) -> list[list[int]]:
        """Of every gene the matvecs that it sets."""
        return [
            [m for m, (_, slots, _) in enumerate(self._matvecs) if any(slot[0] == gene for slot in slots)]
            for gene in range(len(self.genes))
        ]

    def _effect(self, matvec: int, genome: Sequence[int]) -> Effect:
        """What the genome makes of one matvec; few choices meet there, so each combination is worked out once."""
        base, slots, known = self._matvecs[matvec]
        key = tuple(genome[gene] for gene, _, _ in slots)
        if key not in known:
            fields = {field: _chosen(field, self.genes[gene].choices[genome[gene]], p) for gene, p, field in slots}
            known[key] = _setting(base, fields).effect
        return known[key]

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


def _chosen(field: str, choice: Choice, position: int) -> int:
    """What a choice puts into the slot at `position`; a threshold still in steps of an 8-bit activation."""
    if isinstance(choice, str):
        weight_bits, _, act_bits = choice.partition("x")
        return int(weight_bits if field == "weight_bits" else act_bits)
    return position < choice if field == "skip" else choice


def _slot_value(field: str, choice: Choice, setting: Setting, position: int) -> int:
    """The same, given the rest of the slot's setting."""
    chosen = _chosen(field, choice, position)
    return delta_steps(chosen, setting.operand_bits[1]) if field == "delta" else chosen
