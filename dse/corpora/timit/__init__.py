"""TIMIT, whole or a sample, in any layout that it is found in."""
