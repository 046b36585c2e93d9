"""OperationalEventType: an application's own types of operational events, beside the catalogue's."""

import json
import re
from typing import Any

import msgspec
from pynamodb.expressions.condition import Condition

from hookwatch import audit, errors, tables, times, writes
from hookwatch.audit import Entry
from hookwatch.catalogue import EventType
from hookwatch.json_schemas import DIALECT

TYPES_AT_MOST = 100
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+", re.ASCII)
_LONGEST_NAME = 128
# Of our own types, today's and tomorrow's: a new built-in type must never meet an application's.
RESERVED_PREFIXES = ("endpoint.", "message.", "application.", "webhook.", "hookwatch.", "alarm.")

_TEXT = {"type": "string"}
# What a receiver finds in `data` whatever was posted. What was posted is in `custom`, where it meets no field of ours.
_PROPERTIES = {
    "application_id": _TEXT,
    "summary": {"type": "string", "description": "One sentence for a person."},
    "severity": {"enum": ["info", "warning", "error", "critical"]},
    "dedup_key": {"type": "string", "description": "The same for all events of one matter; else the event's id."},
    "detected_at": {"type": "string", "format": "date-time"},
    "labels": {"type": "object", "additionalProperties": _TEXT},
    "reported_by": _TEXT,
    "endpoint_id": {"type": "string", "description": "The monitored endpoint that it is about, if any."},
}


class CustomType(msgspec.Struct, frozen=True):
    """`schema` is of what the platform posts as `data` and receivers find as `data.custom`; `example` satisfies it.
    `created_at` is when it was put, "" until then."""

    application_id: str
    name: str
    description: str
    schema: dict[str, Any]
    example: dict[str, Any] | None = None
    created_at: str = ""


def check_name(name: str) -> None:
    """That an application may call a type of its own so.

    Raises:
        errors.Problem: 422.
    """
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        wrong = f"is not lower-case words joined by dots, as invoice.overdue, of {_LONGEST_NAME} characters at most"
    elif name.startswith(RESERVED_PREFIXES):
        wrong = f"starts with {name.partition('.')[0]}., which is reserved"
    else:
        return
    raise errors.invalid("The type cannot be called so.", {"loc": ["type"], "msg": wrong})


def put(custom: CustomType, old: CustomType | None, entry: Entry) -> None:
    """In the place of the application's type of that name, as `get` found it, if any.

    Raises:
        errors.Problem: 409, it has as many types as it may, or somebody else changed the type at the same moment.
    """
    if old is None and len(names(custom.application_id)) >= TYPES_AT_MOST:
        raise errors.Problem(409, "limit_reached", f"An application has at most {TYPES_AT_MOST} types of its own.")
    item = tables.OperationalEventType(
        application_id=custom.application_id,
        name=custom.name,
        description=custom.description,
        schema=json.dumps(custom.schema),
        example=None if custom.example is None else json.dumps(custom.example),
        created_at=times.to_text(times.now()),
    )
    if not writes.put_if(_is_still(old), item, beside=audit.items(entry)):
        raise errors.conflict("event type")


def get(application_id: str, name: str) -> CustomType | None:
    try:
        return _from_item(tables.OperationalEventType.get(application_id, name, consistent_read=True))
    except tables.OperationalEventType.DoesNotExist:
        return None


def of_application(application_id: str) -> list[CustomType]:
    return [_from_item(item) for item in tables.OperationalEventType.query(application_id)]


def names(application_id: str) -> set[str]:
    found = tables.OperationalEventType.query(application_id, consistent_read=True, attributes_to_get=["name"])
    return {item.name for item in found}


def delete(custom: CustomType, entry: Entry) -> None:
    """As `get` found it. Events of the type stay as they are.

    Raises:
        errors.Problem: 409, somebody else changed it, or deleted it, at the same moment.
    """
    item = tables.OperationalEventType(custom.application_id, custom.name)
    if not writes.delete_if(_is_still(custom), item, beside=audit.items(entry)):
        raise errors.conflict("event type")


def told(custom: CustomType) -> EventType:
    """The type as the catalogue would have it: the schema, and an example, of the whole body.

    The application's schema gets an `$id`, so that its references are still to its own definitions.
    """
    schema = {
        "$schema": DIALECT,
        "title": custom.name,
        "description": custom.description,
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"const": custom.name},
            "timestamp": {"type": "string", "format": "date-time", "description": "When it happened."},
            "data": {
                "type": "object",
                "required": [*(field for field in _PROPERTIES if field != "endpoint_id"), "custom"],
                "properties": {**_PROPERTIES, "custom": {**custom.schema, "$id": f"urn:hookwatch:{custom.name}"}},
            },
        },
    }
    return EventType(custom.name, custom.description, schema, _example(custom))


def _example(custom: CustomType) -> dict[str, Any]:
    """Without `custom` where the application gave no example."""
    data = {
        "application_id": custom.application_id,
        "summary": f"The platform reported {custom.name}.",
        "severity": "info",
        "dedup_key": "evt_5e0c6f9d3b7a42d18d1f0a2b3c4d5e6f",
        "detected_at": "2026-11-23T10:00:30.480Z",
        "labels": {},
        "reported_by": "key:admin",
    }
    if custom.example is not None:
        data["custom"] = custom.example
    return {"type": custom.name, "timestamp": "2026-11-23T10:00:30.000Z", "data": data}


def _is_still(custom: CustomType | None) -> Condition:
    """That it was not changed since it was read; None: that there still is none."""
    table = tables.OperationalEventType
    return table.created_at == custom.created_at if custom else table.created_at.does_not_exist()


def _from_item(item: tables.OperationalEventType) -> CustomType:
    return CustomType(
        application_id=item.application_id,
        name=item.name,
        description=item.description,
        schema=json.loads(item.schema),
        example=None if item.example is None else json.loads(item.example),
        created_at=item.created_at,
    )
