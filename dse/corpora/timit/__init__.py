"""TIMIT, whole or a sample, in any of its layouts."""
