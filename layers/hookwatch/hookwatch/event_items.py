"""Operational events as DynamoDB keeps them: written by observing, read by notifying and by the API."""

import base64
import zlib
from typing import Any

import msgspec

from hookwatch import activity, tables, times, writes
from hookwatch.operational_events import OperationalEvent

# What reading and telling an event raises where its item is not what `create` writes.
MALFORMED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, zlib.error)

# From so many bytes on `data` is kept compressed: an event is written twice over in its transaction and once to its
# index, each billed by the started kilobyte, and that of an incident would take two.
_PACKED_FROM = 600


def to_item(event: OperationalEvent, *, expires_at: int) -> tables.OperationalEvent:
    timestamp, data = times.to_text(event.timestamp), msgspec.json.encode(event.data)
    is_packed = len(data) >= _PACKED_FROM
    return tables.OperationalEvent(
        event_id=event.event_id,
        application_id=event.application_id,
        listed_at=f"{timestamp}#{event.event_id}",
        type=event.type,
        timestamp=timestamp,
        data=None if is_packed else data.decode(),
        packed_data=zlib.compress(data) if is_packed else None,
        quiet=event.quiet,
        endpoint_id=event.data.get("endpoint_id"),
        expires_at=expires_at,
    )


def create(event: OperationalEvent, *, retention_days: int) -> bool:
    """Writes it. False where there is one of its id."""
    activity.note(event.application_id, [times.hour_of(event.timestamp)], retention_days)
    item = to_item(event, expires_at=tables.expiry(times.now(), retention_days))
    return writes.put_if(tables.OperationalEvent.event_id.does_not_exist(), item)


def from_item(item: tables.OperationalEvent) -> OperationalEvent:
    data = zlib.decompress(item.packed_data) if item.data is None else item.data
    return OperationalEvent(
        event_id=item.event_id,
        application_id=item.application_id,
        type=item.type,
        timestamp=times.from_text(item.timestamp),
        data=msgspec.json.decode(data, type=dict[str, Any]),
        quiet=item.quiet,
    )


def from_image(image: dict[str, Any]) -> OperationalEvent:
    """From a record of the table's stream, in which Lambda has bytes as base64."""
    if packed := image.get("packed_data"):
        image = image | {"packed_data": {"B": base64.b64decode(packed["B"])}}
    item = tables.OperationalEvent()
    item.deserialize(image)
    return from_item(item)
