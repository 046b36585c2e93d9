"""Statistics: what an hour of attempts comes to. Pure; the outbox writes it down, the API sums it up.

Counts are `{name: number}`, so that they add up in a row of MessageStats as they do here. The names:
`messages`, `successful_messages`, `failed_messages`, `attempts`, `failed_attempts`; `timed` and `duration_ms` (how many
attempts said how long they took, and their sum); `class_2xx`, `cause_503`, `cause_timeout`; `bucket_17` of the
histogram of durations.
"""

import math
from collections.abc import Iterable, Mapping

import msgspec

from hookwatch import times
from hookwatch.observing.health import CAUSES_AT_MOST, cause_of
from hookwatch.observing.signals import Attempt, Report

Counts = dict[str, int]

# A bucket reaches from 2 ** ((n - 1) / 4) ms to 2 ** (n / 4) ms, its upper bound included; bucket 0 ends at 1 ms. A
# percentile is told as the geometric mean of its bucket's bounds, so it is at most 2 ** (1 / 8) - 1 = 9.1 % off.
_BUCKETS_PER_DOUBLING = 4
_NO_HOUR = 0


class Hour(msgspec.Struct, frozen=True, array_like=True):
    """An hour's counts; `start` in hours since the epoch. It stays in the endpoint's record until the hour turns."""

    start: int = _NO_HOUR
    counts: Counts = {}


class Rows(msgspec.Struct, frozen=True):
    """What to add to MessageStats: {hour: counts}, of the endpoint itself and of its application."""

    of_endpoint: dict[int, Counts] = {}
    of_application: dict[int, Counts] = {}

    @property
    def of_days(self) -> dict[int, Counts]:
        """The application's again by the day, {its first hour: counts}: a year by the hour is too much to read."""
        days: dict[int, Counts] = {}
        for hour, counts in self.of_endpoint.items():
            _add(days.setdefault(hour // 24 * 24, {}), counts)
        return days

    def __len__(self) -> int:
        return len(self.of_endpoint) + len(self.of_application) + len(self.of_days)


def count(hour: Hour, reports: Iterable[Report]) -> tuple[Hour, Rows]:
    """The open hour with the reports' attempts, and what is to be written down: hours that are over, and what came too
    late for the record. Each attempt counts in the hour in which it was made."""
    start, counts = hour.start, dict(hour.counts)
    over: dict[int, Counts] = {}
    began: list[int] = []
    for report in reports:
        for signal in report.signals:
            if not isinstance(signal, Attempt):
                continue
            own = times.hour_of(min(signal.at, report.received_at))
            if own > start:
                if counts:
                    _add(over.setdefault(start, {}), counts)
                start, counts = own, {}
                began.append(start)
            _count(counts if own == start else over.setdefault(own, {}), signal)
    of_application = {past: dict(row) for past, row in over.items()}
    for begun in began:
        _add(of_application.setdefault(begun, {}), {"endpoints": 1})
    return Hour(start, counts), Rows(over, of_application)


def summed(counts: Iterable[Mapping[str, int]]) -> Counts:
    total: Counts = {}
    for each in counts:
        _add(total, each)
    return total


def percentile_ms(counts: Mapping[str, int], share: float) -> float | None:
    """The duration that `share` of the timed attempts did not exceed, at most 9.1 % off; None where none was timed."""
    buckets = sorted((int(name[7:]), number) for name, number in counts.items() if name.startswith("bucket_"))
    rank = share * sum(number for _, number in buckets)
    below = 0
    for bucket, number in buckets:
        below += number
        if below >= rank:
            return round(2 ** ((bucket - 0.5) / _BUCKETS_PER_DOUBLING), 2) if bucket else 1.0  # in whole ms 8 is 7
    return None


def bucket_of(duration_ms: int) -> int:
    return max(0, math.ceil(round(math.log2(duration_ms) * _BUCKETS_PER_DOUBLING, 9))) if duration_ms > 0 else 0


def _count(counts: Counts, attempt: Attempt) -> None:
    is_scheduled = attempt.trigger == "scheduled"
    one: Counts = {
        "attempts": 1,
        "messages": int(attempt.attempt_number == 1),
        "successful_messages": int(attempt.succeeded and is_scheduled),
        "failed_messages": int(not attempt.succeeded and not attempt.will_retry and is_scheduled),
        "failed_attempts": int(not attempt.succeeded),
    }
    if attempt.response_status_code:
        one[f"class_{attempt.response_status_code // 100}xx"] = 1
    if not attempt.succeeded:
        cause = f"cause_{cause_of(attempt)}"
        is_known = cause in counts or sum(name.startswith("cause_") for name in counts) < CAUSES_AT_MOST
        one[cause if is_known else "cause_other"] = 1
    if attempt.duration_ms is not None:
        one |= {"timed": 1, "duration_ms": attempt.duration_ms, f"bucket_{bucket_of(attempt.duration_ms)}": 1}
    _add(counts, one)


def _add(counts: Counts, others: Mapping[str, int]) -> None:
    for name, number in others.items():
        if number:
            counts[name] = counts.get(name, 0) + number
