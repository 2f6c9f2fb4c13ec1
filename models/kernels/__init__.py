"""Compiled loops: exact integer products, elementwise steps on whole registers, the layers of every model."""
