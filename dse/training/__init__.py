"""Float networks: how they are trained, resumed and scored on a corpus."""
