"""HTTP → OperationalEvent: what a platform says in the words of its own types, written once."""

import hashlib
import json
from datetime import datetime
from typing import Any

import msgspec

from hookwatch import activity, errors, event_items, tables, times, writes
from hookwatch.observing.given import FARTHEST_AHEAD, OLDEST
from hookwatch.operational_events import OperationalEvent, event_id


class Request(msgspec.Struct, frozen=True):
    """A request to tell an event. `body` is as it was sent, `received_on` the day (UTC); `idempotency_key` is "" where
    none was sent."""

    key_id: str
    application_id: str
    type: str
    body: dict[str, Any]
    received_on: str
    idempotency_key: str = ""

    @property
    def digest(self) -> str:
        """The same for the same body, in whatever order its fields were sent."""
        return hashlib.sha256(json.dumps(self.body, sort_keys=True).encode()).hexdigest()

    @property
    def event_id(self) -> str:
        """With an Idempotency-Key, of the key alone, for only so can another body under it be seen to be another. With
        neither it nor a timestamp, of the body and the day: what is told each night is another event each night."""
        if self.idempotency_key:
            return event_id("", "POST /events", self.key_id, self.idempotency_key)
        day = "" if self.body.get("timestamp") else self.received_on
        return event_id(self.application_id, self.type, self.digest, day)


def to_event(request: Request, now: datetime, timestamp: datetime | None, **about: Any) -> OperationalEvent:
    """`about` is what the request may say of the event: None where it does not.

    Raises:
        errors.Problem: 422, it happened too long ago, or too far ahead.
    """
    happened_at = timestamp or now
    if not now - OLDEST <= happened_at <= now + FARTHEST_AHEAD:
        raise errors.invalid(
            "The event cannot have happened then.",
            {"loc": ["timestamp"], "msg": "is more than 7 days ago, or more than 5 minutes ahead"},
        )
    defaults = {
        "summary": f"The platform reported {request.type}.",
        "severity": "info",
        "dedup_key": request.event_id,
        "detected_at": times.to_text(now),
        "labels": {},
        "reported_by": f"key:{request.key_id}",
    }
    return OperationalEvent(
        event_id=request.event_id,
        application_id=request.application_id,
        type=request.type,
        timestamp=happened_at,
        data=defaults | {name: value for name, value in about.items() if value is not None},
    )


def store(event: OperationalEvent, request: Request, *, retention_days: int) -> None:
    """Writes the event, or finds that the same request has.

    Raises:
        errors.Problem: 409, another request has, under the same Idempotency-Key.
    """
    activity.note(event.application_id, [times.hour_of(event.timestamp)], retention_days)
    item = event_items.to_item(event, expires_at=tables.expiry(times.now(), retention_days))
    item.request_digest = request.digest
    if not writes.put_if(tables.OperationalEvent.event_id.does_not_exist(), item):
        first = tables.OperationalEvent.get(event.event_id, consistent_read=True)
        if first.request_digest != request.digest:
            raise errors.idempotency_conflict()
