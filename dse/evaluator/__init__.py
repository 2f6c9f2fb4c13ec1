"""Evaluation of one candidate: a configuration in, an Evaluation out."""
