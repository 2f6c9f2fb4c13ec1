"""Studies: what a search left behind, and questions to it."""
