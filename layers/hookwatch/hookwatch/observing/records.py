"""MonitoredEndpoint: the record of one monitored endpoint, as the rules have it and as DynamoDB keeps it."""

import zlib
from datetime import datetime
from typing import Any

import msgspec

from hookwatch import tables, times
from hookwatch.observing.counting import Counted
from hookwatch.observing.health import Health
from hookwatch.observing.signals import digest
from hookwatch.observing.stats import Hour

OPEN_SHARDS = tuple("0123456789abcdef")


class Record(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`version` is what was read, 0 where there was none; `due_at` when the sweeper must look."""

    health: Health
    counted: Counted = Counted()
    hour: Hour = Hour()
    due_at: datetime | None = None
    version: int = 0


def read(application_id: str, endpoint_id: str) -> Record:
    try:
        return from_item(tables.MonitoredEndpoint.get(application_id, endpoint_id, consistent_read=True))
    except tables.MonitoredEndpoint.DoesNotExist:
        return Record(health=Health(application_id=application_id, endpoint_id=endpoint_id))


def from_item(item: tables.MonitoredEndpoint) -> Record:
    if item.record is None:
        return _of_version_0_1(item)
    record = msgspec.json.decode(zlib.decompress(item.record), type=Record)
    return msgspec.structs.replace(record, version=int(item.version))


def to_item(record: Record) -> tables.MonitoredEndpoint:
    """With the next version. Compressed, for it is written with every message of SIGNALS, and DynamoDB bills each
    kilobyte: JSON would take two."""
    health = record.health
    due_at = record.due_at
    packed = msgspec.json.encode(msgspec.structs.replace(record, version=0))
    return tables.MonitoredEndpoint(
        application_id=health.application_id,
        endpoint_id=health.endpoint_id,
        version=record.version + 1,
        state=health.state,
        record=zlib.compress(packed),
        active_hour=record.hour.start if due_at else None,
        open_shard=digest(health.application_id, health.endpoint_id)[0] if due_at else None,
        due_at=times.to_text(due_at) if due_at else None,
    )


def _of_version_0_1(item: tables.MonitoredEndpoint) -> Record:
    """What the first version kept as two texts. The record's next write leaves them out."""
    known: dict[str, Any] = msgspec.json.decode(item.health or "{}")
    said_at = known.get("configured_at")
    for was, since in (("is_created", "created_at"), ("is_deleted", "deleted_at")):
        known[since] = said_at if known.pop(was, False) else None
    known["switched_at"] = said_at
    if known.get("incident"):
        known["incident"]["announced_at"] = known["incident"]["opened_at"]
    return Record(
        health=msgspec.convert(known, Health),
        counted=msgspec.json.decode(item.counted or "{}", type=Counted),
        version=int(item.version),
    )
