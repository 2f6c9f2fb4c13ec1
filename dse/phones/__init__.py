"""Phone sets, targets, decoding and the phone error. Independent of corpora."""
