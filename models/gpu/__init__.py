"""Engines in plain torch operations, which give the compiled engines' integers on a GPU."""
