"""NSGA-III, for more than three objectives: survivors by rank of domination, spread over directions of the front.

Source: Deb and Jain, "An evolutionary many-objective optimization algorithm using reference-point-based nondominated
sorting approach" (2014), as implemented by pymoo; directions by Riesz s-energy, Blank et al. (2021).
"""

from typing import Any

import numpy as np
from pymoo.algorithms.moo.nsga3 import NSGA3
from pymoo.util.ref_dirs import get_reference_directions

from dse.searchers.genetic import Genetic


class Nsga3(Genetic):
    def algorithm(self, objectives: int, population: int, **given: Any) -> NSGA3:
        """As many directions as survivors."""
        spread = (
            np.ones((1, 1)) if objectives == 1 else get_reference_directions("energy", objectives, population, seed=1)
        )
        return NSGA3(spread, pop_size=population, **given)
