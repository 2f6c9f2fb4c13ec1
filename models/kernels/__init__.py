"""Compiled loops: exact integer products, elementwise steps on full vector registers, the layers of every model."""
