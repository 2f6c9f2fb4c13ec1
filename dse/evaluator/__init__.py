"""One candidate: a configuration in, an Evaluation out."""
