"""OperationalAttempt: the record of every attempt, and with it the truth about every delivery."""

import math
import zlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import msgspec

from hookwatch import tables, times, writes
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.notifying import batches
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


class OperationalAttempt(msgspec.Struct, frozen=True):
    """One attempt as it is on record. `webhook_id` is the id of what was posted, an event or a batch; `application_id`
    is the operational endpoint's; `response` is the first kilobyte of the answer, any bytes."""

    webhook_id: str
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
    def is_of_batch(self) -> bool:
        return self.webhook_id.startswith(batches.PREFIX)

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


def untried(deliveries: Iterable[Delivery]) -> set[str]:
    """The ids of those of which there is no attempt on record: one strong read for all of them."""
    firsts = {(delivery.event_id, _key_of(delivery, 1)): delivery.delivery_id for delivery in deliveries}
    found = tables.OperationalAttempt.batch_get(
        list(firsts), consistent_read=True, attributes_to_get=["event_id", "attempt_key"]
    )
    tried = {(item.event_id, item.attempt_key) for item in found}
    return {delivery_id for first, delivery_id in firsts.items() if first not in tried}


class Attempted(msgspec.Struct, frozen=True):
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
        attempt_key=_key_of(delivery, attempted.number),
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
            packed = zlib.compress(body)
            if len(packed) < len(body):
                item.packed_response = packed  # a page of HTML would make the item, and its index's, two kilobytes
            else:
                item.response = body
        case Failed(error):
            item.error = error
        case Blocked():
            item.error = "blocked"
    return writes.put_if(tables.OperationalAttempt.event_id.does_not_exist(), item)


def of_event(event_id: str) -> list[OperationalAttempt]:
    """Newest first, those of batches that have it among them. At most five for each operational endpoint and replay."""
    now = times.now().timestamp()
    found = chain(
        tables.OperationalAttempt.query(event_id),
        *(tables.OperationalAttempt.query(batch.batch_id) for batch in batches.of_event(event_id)),
    )
    kept = (from_item(item) for item in found if item.expires_at > now)
    return sorted(kept, key=lambda attempt: attempt.listed_at, reverse=True)


def attempted_for(event_id: str) -> set[str]:
    """The operational endpoints to which the event was delivered, or is being delivered, or waits to be in a batch; not
    by a replay."""
    keys = tables.OperationalAttempt.query(event_id, attributes_to_get=["attempt_key"], consistent_read=True)
    parts = (item.attempt_key.split("#") for item in keys)
    alone = {operational_endpoint_id for operational_endpoint_id, replay, _ in parts if not replay}
    return alone | {batch.operational_endpoint_id for batch in batches.of_event(event_id)}


def has_failed(event_id: str, operational_endpoint_id: str, *, apart_from: str) -> bool:
    """Whether the event has not reached the operational endpoint, and is not on its way there any more: each of its
    deliveries, of replays and in a batch too, ended without success, or there is none. The replay `apart_from` is not
    looked at."""
    last = _last_of_each(event_id, operational_endpoint_id)
    last.pop(apart_from, None)
    of_batches = [
        _last_of_each(batch.batch_id, operational_endpoint_id)
        for batch in batches.of_event(event_id)
        if batch.operational_endpoint_id == operational_endpoint_id
    ]
    if not all(of_batches):
        return False  # it waits in one that was not posted yet
    statuses = {status for each in (last, *of_batches) for status in each.values()}
    return {"delivered", "retrying"}.isdisjoint(statuses)


def _last_of_each(webhook_id: str, operational_endpoint_id: str) -> dict[str, str]:
    """The status of the last attempt, by replay."""
    table = tables.OperationalAttempt
    keys = table.attempt_key.startswith(f"{operational_endpoint_id}#")
    found = table.query(webhook_id, keys, attributes_to_get=["attempt_key", "status"], consistent_read=True)
    return {item.attempt_key.split("#")[1]: item.status for item in found}  # in the order of their numbers


def _key(delivery: Delivery) -> str:
    return f"{delivery.operational_endpoint_id}#{delivery.replay}#"


def _key_of(delivery: Delivery, number: int) -> str:
    return f"{_key(delivery)}{number:03d}"


def from_item(item: tables.OperationalAttempt) -> OperationalAttempt:
    return OperationalAttempt(
        webhook_id=item.event_id,
        attempt_key=item.attempt_key,
        operational_endpoint_id=item.operational_endpoint_id,
        application_id=item.application_id or EVERY_APPLICATION,
        number=int(item.number),
        status=item.status,
        attempted_at=item.attempted_at,
        next_attempt_at=item.next_attempt_at,
        response_status_code=_integer(item.response_status_code),
        response=zlib.decompress(item.packed_response) if item.packed_response else item.response,
        duration_ms=_integer(item.duration_ms),
        error=item.error,
        reason=item.reason,
    )


def _integer(number: float | None) -> int | None:
    return None if number is None else int(number)
