"""Retraining of a network under the quantization and the delta gates of one configuration."""
