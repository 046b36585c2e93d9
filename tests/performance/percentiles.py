"""Seconds in, milliseconds out, as a table shows them."""

import statistics
from collections.abc import Sequence


def of(seconds: Sequence[float], *shares: float) -> list[str]:
    ordered = sorted(seconds)
    return [_milliseconds(ordered[min(len(ordered) - 1, int(share * len(ordered)))]) for share in shares]


def spread(seconds: Sequence[float]) -> list[str]:
    """Median, lowest, highest."""
    return [_milliseconds(found) for found in (statistics.median(seconds), min(seconds), max(seconds))]


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f}"
