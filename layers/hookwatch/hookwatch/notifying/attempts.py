"""OperationalAttempt: the record of every attempt, and with it the truth about every delivery."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hookwatch import tables, times, writes
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.notifying.queue import Delivery
from hookwatch.notifying.retry import (
    Blocked,
    Delivered,
    Exhausted,
    Failed,
    GiveUp,
    LastAttempt,
    Outcome,
    Responded,
    RetryLater,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class OperationalAttempt:
    """One attempt as it is on record. `application_id` is the operational endpoint's; `response` is the first kilobyte
    of the answer, any bytes."""

    event_id: str
    attempt_key: str
    operational_endpoint_id: str
    application_id: str
    number: int
    status: str
    attempted_at: str
    next_attempt_at: str | None
    response_status_code: int | None
    response: bytes | None
    duration_ms: int | None
    error: str | None
    reason: str | None

    @property
    def replay_id(self) -> str | None:
        return self.attempt_key.split("#")[1] or None

    @property
    def listed_at(self) -> tuple[str, str]:
        """Its place among the event's attempts."""
        return self.attempted_at, self.attempt_key


def last(delivery: Delivery) -> LastAttempt | None:
    """The newest attempt on record: one strong read."""
    found = tables.OperationalAttempt.query(
        delivery.event_id,
        tables.OperationalAttempt.attempt_key.startswith(_key(delivery)),
        scan_index_forward=False,
        limit=1,
        consistent_read=True,
    )
    item = next(found, None)
    if item is None:
        return None
    due = times.from_text(item.next_attempt_at) if item.next_attempt_at else None
    outcome = item.error or (str(_integer(item.response_status_code)) if item.response_status_code else "")
    return LastAttempt(int(item.number), due, item.status, outcome)


@dataclass(frozen=True, slots=True)
class Attempted:
    """An attempt that was just made. `outcome` is None where nothing was posted."""

    number: int
    outcome: Outcome | None
    verdict: Verdict
    attempted_at: datetime
    duration: timedelta

    @property
    def status(self) -> str:
        match self.verdict:
            case Delivered():
                return "delivered"
            case RetryLater():
                return "retrying"
            case Exhausted():
                return "exhausted"
            case GiveUp("cancelled" | "expired"):
                return "cancelled"
            case GiveUp():
                return "given_up"

    @property
    def next_attempt_at(self) -> str | None:
        if not isinstance(self.verdict, RetryLater):
            return None
        return times.to_text(self.attempted_at + self.duration + self.verdict.delay)

    @property
    def duration_ms(self) -> int | None:
        return None if self.outcome is None else math.ceil(self.duration / timedelta(milliseconds=1))

    def told(self) -> dict[str, Any]:
        """For a log line. How a receiver has taken it, on record, is nothing to look for."""
        is_delivered = isinstance(self.verdict, Delivered)
        return {
            "number": self.number,
            "status": self.status,
            "outcome": None if self.outcome is None or is_delivered else str(self.outcome),
            "duration_ms": self.duration_ms,
        }


def record(delivery: Delivery, attempted: Attempted, retention_days: int) -> bool:
    """Puts the attempt on record. False where one of its number is there: a copy of the message was first."""
    item = tables.OperationalAttempt(
        event_id=delivery.event_id,
        attempt_key=f"{_key(delivery)}{attempted.number:03d}",
        operational_endpoint_id=delivery.operational_endpoint_id,
        application_id=delivery.application_id,
        number=attempted.number,
        status=attempted.status,
        attempted_at=times.to_text(attempted.attempted_at),
        next_attempt_at=attempted.next_attempt_at,
        duration_ms=attempted.duration_ms,
        reason=attempted.verdict.reason if isinstance(attempted.verdict, GiveUp) else None,
        expires_at=tables.expiry(attempted.attempted_at, retention_days),
    )
    match attempted.outcome:
        case Responded(status_code, body=body):
            item.response_status_code = status_code
            item.response = body
        case Failed(error):
            item.error = error
        case Blocked():
            item.error = "blocked"
    return writes.put_if(tables.OperationalAttempt.event_id.does_not_exist(), item)


def of_event(event_id: str) -> list[OperationalAttempt]:
    """Newest first. At most five for each operational endpoint and replay."""
    now = times.now().timestamp()
    found = (item for item in tables.OperationalAttempt.query(event_id) if item.expires_at > now)
    return sorted(map(from_item, found), key=lambda attempt: attempt.listed_at, reverse=True)


def attempted_for(event_id: str) -> set[str]:
    """The operational endpoints to which the event was delivered, or is being delivered, without a replay."""
    keys = tables.OperationalAttempt.query(event_id, attributes_to_get=["attempt_key"], consistent_read=True)
    parts = (item.attempt_key.split("#") for item in keys)
    return {operational_endpoint_id for operational_endpoint_id, replay, _ in parts if not replay}


def has_failed(event_id: str, operational_endpoint_id: str, *, apart_from: str) -> bool:
    """Whether the event has not reached the operational endpoint, and is not on its way there any more: each of its
    deliveries, of replays too, ended without success, or there is none. The replay `apart_from` is not looked at."""
    table = tables.OperationalAttempt
    keys = table.attempt_key.startswith(f"{operational_endpoint_id}#")
    last: dict[str, str] = {}
    for item in table.query(event_id, keys, attributes_to_get=["attempt_key", "status"], consistent_read=True):
        last[item.attempt_key.split("#")[1]] = item.status  # in the order of their numbers
    last.pop(apart_from, None)
    return {"delivered", "retrying"}.isdisjoint(last.values())


def _key(delivery: Delivery) -> str:
    return f"{delivery.operational_endpoint_id}#{delivery.replay}#"


def from_item(item: tables.OperationalAttempt) -> OperationalAttempt:
    return OperationalAttempt(
        event_id=item.event_id,
        attempt_key=item.attempt_key,
        operational_endpoint_id=item.operational_endpoint_id,
        application_id=item.application_id or EVERY_APPLICATION,
        number=int(item.number),
        status=item.status,
        attempted_at=item.attempted_at,
        next_attempt_at=item.next_attempt_at,
        response_status_code=_integer(item.response_status_code),
        response=item.response,
        duration_ms=_integer(item.duration_ms),
        error=item.error,
        reason=item.reason,
    )


def _integer(number: float | None) -> int | None:
    return None if number is None else int(number)
