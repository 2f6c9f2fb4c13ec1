"""AGE-MOEA-II, for more than three objectives: survivors by their place on the front's estimated geometry.

Source: Panichella, "An improved Pareto front modeling algorithm for large-scale many-objective optimization" (2022), as
implemented by pymoo.
"""

from pymoo.algorithms.moo.age2 import AGEMOEA2

from dse.searchers.genetic import Genetic


class AgeMoea2(Genetic):
    algorithm = AGEMOEA2
