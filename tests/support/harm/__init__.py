"""Faults done to searches on the fake network, and what is lost by them.

A fault is a function of a `Search` that was not started yet. It starts it, does its harm, accounts for what is lost,
lets the same command go on to the end with `finish`, and returns how often it did harm. `tests/faults.py` lists them.
"""
