"""Counts of the elements that delta gates send."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(eq=False)
class Counter:
    """Counts per matvec: elements of its input, and those that its delta gate sent."""

    elements: dict[str, int] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)

    def add(self, matvec: str, elements: int, sent: int) -> None:
        """Add to the counts of a matvec."""
        self.elements[matvec] = self.elements.get(matvec, 0) + elements
        self.sent[matvec] = self.sent.get(matvec, 0) + sent

    def of(self, names: tuple[str, ...]) -> Counter:
        """Copy of the counts of these matvecs."""
        return Counter(*({name: counts[name] for name in names} for counts in (self.elements, self.sent)))

    @property
    def computed(self) -> dict[str, float]:
        """Computed fraction of each matvec."""
        return {name: self.sent[name] / max(elements, 1) for name, elements in self.elements.items()}
