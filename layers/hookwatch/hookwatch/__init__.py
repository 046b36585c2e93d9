"""Hookwatch: observes a webhook platform and notifies people about it by webhook."""

import gc

__version__ = "0.1.0"

# A start makes a hundred thousand objects that stay. To look through them for garbage whenever there are 700 more takes
# a sixth of it.
gc.set_threshold(50_000)
