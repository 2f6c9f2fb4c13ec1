"""Users' own features and references."""
