"""What a design point is and when one is better: spaces, objectives, limits, evaluations, fronts. Pure; no I/O."""
