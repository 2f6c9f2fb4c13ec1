"""Networks, their quantized evaluation and the vocabulary every package shares. Never imports dse or platforms."""
