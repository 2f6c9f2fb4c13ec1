"""Engines in plain torch operations, which compute the compiled engines' integers on a GPU."""
