"""Phone sets, targets, decoding and the phone error. Knows no corpus."""
