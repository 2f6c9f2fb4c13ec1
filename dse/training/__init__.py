"""Training of float networks on a corpus: resumable training, targets, float phone error."""
