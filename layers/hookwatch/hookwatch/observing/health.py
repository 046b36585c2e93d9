"""The health of a monitored endpoint: what the rules know of it from one fold to the next."""

from datetime import datetime
from typing import Any

import msgspec

from hookwatch import times
from hookwatch.observing.signals import Attempt

_MINUTES_KEPT = 15
SHARE_MINUTES = 5
CAUSES_AT_MOST = 20  # a hostile receiver can answer with every code there is, and the record must stay small


class Minute(msgspec.Struct, frozen=True, array_like=True):
    """The attempts of one minute; `start` in minutes since the epoch."""

    start: int
    attempts: int = 0
    failed: int = 0


class Incident(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One spell of failing, from opening to closing. `incident_id` is the `dedup_key` of its events.

    `announced_at` is when it opened or, the `reopened`th time, reopened; `calm_since` when the share of failures last
    fell below what closes it; `warnings` how many of the steps of endpoint.warning are past.
    """

    incident_id: str
    reason: str
    opened_at: datetime
    announced_at: datetime
    failing_since: datetime
    failures_by_cause: dict[str, int] = {}
    messages_failing: int = 0
    messages_exhausted: int = 0
    reopened: int = 0
    warnings: int = 0
    calm_since: datetime | None = None
    closed_at: datetime | None = None


class Health(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is known of one monitored endpoint. Holds no more than the rules need, for it is written with every fold.

    `configured_at` and `switched_at` are when the platform last said something of the configuration and of
    `is_enabled`; `disabled_at` is when Hookwatch itself disabled the endpoint. `failing_since` and
    `consecutive_failures` are of the run of failures since the last success; `troubled_since` and
    `failures_by_cause` go back to where failures became frequent. `closed` is an incident that may yet reopen,
    `messages_told_at` when messages were last told one by one, outside an incident.
    """

    application_id: str
    endpoint_id: str
    configuration: dict[str, Any] = {}
    configured_at: datetime | None = None
    switched_at: datetime | None = None
    created_at: datetime | None = None
    deleted_at: datetime | None = None
    disabled_at: datetime | None = None
    is_sourced: bool = False
    consecutive_failures: int = 0
    failing_since: datetime | None = None
    troubled_since: datetime | None = None
    failures_by_cause: dict[str, int] = {}
    last_attempt: Attempt | None = None
    last_success_at: datetime | None = None
    minutes: tuple[Minute, ...] = ()
    incident: Incident | None = None
    closed: Incident | None = None
    messages_told_at: tuple[datetime, ...] = ()
    sequence: int = 0

    @property
    def is_enabled(self) -> bool | None:
        """None where nobody has said."""
        return False if self.disabled_at else self.configuration.get("is_enabled")

    @property
    def state(self) -> str:
        """`deleted`, `disabled`, `failing` or `healthy`: the strongest that applies."""
        if self.deleted_at:
            return "deleted"
        if self.is_enabled is False:
            return "disabled"
        return "failing" if self.incident else "healthy"

    def latest(self, at: datetime) -> datetime:
        """`at`, or the last attempt's time where that is later: what is belated is judged by what is known now."""
        return max(at, self.last_attempt.at) if self.last_attempt else at


def counted(minutes: tuple[Minute, ...], at: datetime, *, failed: bool) -> tuple[Minute, ...]:
    """One attempt more in its minute; the newest 15 are kept."""
    start = times.minute_of(at)
    if minutes and minutes[-1].start == start:  # nearly always
        last = minutes[-1]
        return (*minutes[:-1], Minute(start, last.attempts + 1, last.failed + failed))
    by_start = {minute.start: minute for minute in minutes}
    old = by_start.get(start, Minute(start))
    by_start[start] = Minute(start, old.attempts + 1, old.failed + failed)
    newest = max(by_start)
    return tuple(by_start[key] for key in sorted(by_start) if key > newest - _MINUTES_KEPT)


def last_minutes(minutes: tuple[Minute, ...], at: datetime, span: int = SHARE_MINUTES) -> tuple[int, int]:
    """(attempts, failed) of the last `span` minutes before `at`, its own minute included."""
    newest = times.minute_of(at)
    attempts = failed = 0
    for minute in minutes:
        if newest - span < minute.start <= newest:
            attempts += minute.attempts
            failed += minute.failed
    return attempts, failed


def cause_of(attempt: Attempt) -> str:
    """The response code, or the class of the error."""
    return str(attempt.response_status_code) if attempt.response_status_code else attempt.error or "other"


def increased(counts: dict[str, int], cause: str) -> dict[str, int]:
    """One failure more; beyond 20 causes, what is new is `other`."""
    if cause not in counts and len(counts) >= CAUSES_AT_MOST:
        cause = "other"
    return {**counts, cause: counts.get(cause, 0) + 1}
