"""The search, its record, corpora and training."""

import models  # noqa: F401  # settles where compiled code is kept, before anything loads the compiler
