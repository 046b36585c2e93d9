"""The health of a monitored endpoint: what the rules know of it from one fold to the next."""

from datetime import datetime
from typing import Any

import msgspec

from hookwatch.observing.signals import Attempt

_MINUTES_KEPT = 15
_SHARE_WINDOW = 5  # minutes


class Minute(msgspec.Struct, frozen=True, array_like=True):
    """The attempts of one minute; `start` in minutes since the epoch."""

    start: int
    attempts: int = 0
    failed: int = 0


class Incident(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One spell of failing, from opening to closing. `incident_id` is the `dedup_key` of its events."""

    incident_id: str
    reason: str
    opened_at: datetime
    failing_since: datetime
    failures_by_cause: dict[str, int] = {}
    messages_exhausted: int = 0


class Health(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is known of one monitored endpoint. Holds no more than the rules need, for it is written with every fold."""

    application_id: str
    endpoint_id: str
    configuration: dict[str, Any] = {}
    configured_at: datetime | None = None
    is_created: bool = False
    is_deleted: bool = False
    consecutive_failures: int = 0
    failing_since: datetime | None = None
    failures_by_cause: dict[str, int] = {}
    last_attempt: Attempt | None = None
    last_success_at: datetime | None = None
    minutes: tuple[Minute, ...] = ()
    incident: Incident | None = None
    sequence: int = 0

    @property
    def state(self) -> str:
        """`deleted`, `disabled`, `failing` or `healthy`: the strongest that applies."""
        if self.is_deleted:
            return "deleted"
        if self.configuration.get("is_enabled") is False:
            return "disabled"
        return "failing" if self.incident else "healthy"


def counted(minutes: tuple[Minute, ...], at: datetime, *, failed: bool) -> tuple[Minute, ...]:
    """One attempt more in its minute; the newest 15 are kept."""
    start = int(at.timestamp()) // 60
    by_start = {minute.start: minute for minute in minutes}
    old = by_start.get(start, Minute(start))
    by_start[start] = Minute(start, old.attempts + 1, old.failed + failed)
    newest = max(by_start)
    return tuple(by_start[key] for key in sorted(by_start) if key > newest - _MINUTES_KEPT)


def last_minutes(minutes: tuple[Minute, ...], at: datetime) -> tuple[int, int]:
    """(attempts, failed) of the last five minutes before `at`, its own minute included."""
    newest = int(at.timestamp()) // 60
    window = [minute for minute in minutes if newest - _SHARE_WINDOW < minute.start <= newest]
    return sum(minute.attempts for minute in window), sum(minute.failed for minute in window)
