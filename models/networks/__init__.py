"""Sizes of every model (a spec, which loads no torch) and its float network. Neither depends on the engines."""
