"""Benchmarks: what is counted and timed, never asserted on a clock."""
