"""Networks, their quantized evaluation and the vocabulary every room shares. Never imports dse or platforms."""
