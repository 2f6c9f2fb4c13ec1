"""Design points and what makes one better: spaces, objectives, limits, evaluations, fronts. Pure; no I/O."""
