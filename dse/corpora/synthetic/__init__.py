"""Synthetic corpus that needs no licence and no download, spoken by espeak-ng on first use."""
