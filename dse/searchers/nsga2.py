"""NSGA-II: survivors by rank of domination and by distance to their neighbours.

Source: Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II" (2002), as implemented by pymoo.
"""

from typing import Any

from pymoo.algorithms.moo.nsga2 import NSGA2

from dse.searchers.genetic import Genetic


class Nsga2(Genetic):
    def algorithm(self, objectives: int, population: int, **given: Any) -> NSGA2:
        return NSGA2(pop_size=population, **given)
