"""Hookwatch: observes a webhook platform and notifies people about it by webhook."""

__version__ = "0.1.0"
