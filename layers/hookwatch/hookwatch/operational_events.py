"""The catalogue of operational events: types, schemas, ids, and how one is told. The seam of the two halves."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from hookwatch import times


class OperationalEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What Hookwatch has to say. `timestamp` is when it happened; `data` is without what `to_payload` renders."""

    event_id: str
    application_id: str
    type: str
    timestamp: datetime
    data: dict[str, Any]
    quiet: bool = False


def event_id(application_id: str, event_type: str, *derived_from: str) -> str:
    """`evt_` + 32 hex digits of SHA-256 over what the event follows from: the same fact is the same event."""
    parts = msgspec.json.encode([application_id, event_type, *derived_from])
    return f"evt_{hashlib.sha256(parts).hexdigest()[:32]}"


def to_payload(event: OperationalEvent) -> dict[str, Any]:
    """`{"type", "timestamp", "data"}` as receivers get it and the API shows it."""
    if event.type in CATALOGUE:
        summary, severity = _summary(event), _severity(event)
    else:  # an application's own type: whoever posted the event said both
        summary, severity = event.data["summary"], event.data["severity"]
    data = {"application_id": event.application_id, "summary": summary, "severity": severity, **event.data}
    return {"type": event.type, "timestamp": times.to_text(event.timestamp), "data": data}


def _severity(event: OperationalEvent) -> str:
    if event.type == "endpoint.disabled" and event.data.get("trigger") == "automatic":
        return "critical"
    return CATALOGUE[event.type].severity


def _summary(event: OperationalEvent) -> str:
    data = event.data
    endpoint = f"Endpoint {data['endpoint_id']}" + (f" ({data['endpoint_url']})" if data.get("endpoint_url") else "")
    by = f" by {data['actor']}" if data.get("actor") else ""
    match event.type:
        case "endpoint.failing":
            causes = ", ".join(f"{cause} × {count}" for cause, count in data["failures_by_cause"].items())
            return (
                f"{endpoint} is failing since {data['failing_since']}: "
                f"{data['consecutive_failures']} attempts in a row failed ({causes})."
            )
        case "endpoint.recovered":
            how = {
                "traffic": "attempts succeed again",
                "enabled": "it was enabled",
                "disabled": "it was disabled by hand",
                "deleted": "it was deleted",
            }[data["reason"]]
            return f"{endpoint} is no longer in an incident after {data['duration_seconds']} s: {how}."
        case "endpoint.disabled":
            return f"{endpoint} was disabled{' automatically' if data.get('trigger') == 'automatic' else by}."
        case "endpoint.updated":
            changed = ", ".join(data["changes"]) if data.get("changes") else "its configuration"
            return f"{endpoint} was updated{by}: {changed}."
        case "message.attempt.exhausted":
            attempt = data["attempt"]
            cause = attempt.get("response_status_code") or attempt.get("error") or "no answer"
            return (
                f"Message {data['message_id']} was not delivered to {endpoint[0].lower()}{endpoint[1:]}: "
                f"attempt {attempt['number']} was the last and failed ({cause})."
            )
        case _:
            return f"{endpoint} was {event.type.removeprefix('endpoint.')}{by}."


@dataclass(frozen=True, slots=True)
class EventType:
    """A type of operational event. `schema` is a JSON Schema (2020-12) of the whole body; `example` satisfies it."""

    name: str
    description: str
    severity: str
    schema: dict[str, Any]
    example: dict[str, Any]


_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_TIME = {"type": "string", "format": "date-time"}
_NULLABLE_TEXT = {"type": ["string", "null"]}
_NULLABLE_TIME = {"type": ["string", "null"], "format": "date-time"}
_COUNTS = {"type": "object", "additionalProperties": _COUNT}

_EVERY = {
    "application_id": _TEXT,
    "summary": {"type": "string", "description": "One sentence for a person."},
    "severity": {"enum": ["info", "warning", "error", "critical"]},
    "dedup_key": {"type": "string", "description": "The same for all events of one incident, or of one message."},
    "sequence": {"type": "integer", "minimum": 1, "description": "Rises with every event of the endpoint."},
    "detected_at": _TIME,
    "labels": {"type": "object", "additionalProperties": _TEXT},
    "reported_by": _TEXT,
    "endpoint_id": _TEXT,
    "endpoint_url": _NULLABLE_TEXT,
}
_ATTEMPT = {
    "type": "object",
    "required": ["number", "outcome", "attempted_at", "will_retry", "trigger"],
    "properties": {
        "message_id": _TEXT,
        "number": {"type": "integer", "minimum": 1},
        "outcome": {"enum": ["succeeded", "failed"]},
        "response_status_code": {"type": ["integer", "null"]},
        "error": _NULLABLE_TEXT,
        "duration_ms": {"type": ["integer", "null"]},
        "attempted_at": _TIME,
        "will_retry": {"type": "boolean"},
        "trigger": {"enum": ["scheduled", "manual"]},
    },
}
_CHANGE = {"actor": _NULLABLE_TEXT, "reason": _NULLABLE_TEXT}
_INCIDENT = {
    "reason": _TEXT,
    "failing_since": _TIME,
    "last_success_at": _NULLABLE_TIME,
    "consecutive_failures": _COUNT,
    "attempts_5m": _COUNT,
    "failed_5m": _COUNT,
    "failures_by_cause": _COUNTS,
    "last_attempt": _ATTEMPT,
    "messages_exhausted": _COUNT,
}


def _event_type(
    name: str,
    description: str,
    severity: str,
    *,
    properties: dict[str, Any],
    optional: tuple[str, ...] = (),
    example: dict[str, Any],
) -> EventType:
    every_example: dict[str, Any] = {
        "application_id": "9f0d8c2a-5c1b-4a7e-9d64-5b1a0f3e0002",
        "severity": severity,
        "sequence": 7,
        "detected_at": "2026-11-23T10:00:30.480Z",
        "labels": {"env": "prod"},
        "reported_by": "key:admin",
        "endpoint_id": "1a2b3c4d",
        "endpoint_url": "https://erp.example.com/hooks/billing",
    }
    event = OperationalEvent(
        event_id="evt_0",
        application_id=every_example["application_id"],
        type=name,
        timestamp=datetime(2026, 11, 23, 10, 0, 30, tzinfo=UTC),
        data={**every_example, **example},
    )
    all_properties = {**_EVERY, **properties}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": name,
        "description": description,
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"const": name},
            "timestamp": {**_TIME, "description": "When it happened."},
            "data": {
                "type": "object",
                "required": [field for field in all_properties if field not in optional],
                "properties": all_properties,
            },
        },
    }
    return EventType(
        name,
        description,
        severity,
        schema,
        {
            "type": name,
            "timestamp": times.to_text(event.timestamp),
            "data": {"summary": _summary(event), **event.data},
        },
    )


_EXAMPLE_ATTEMPT = {
    "message_id": "m_17",
    "number": 5,
    "outcome": "failed",
    "response_status_code": 503,
    "error": None,
    "duration_ms": 812,
    "attempted_at": "2026-11-23T10:00:30.000Z",
    "will_retry": False,
    "trigger": "scheduled",
}
_EXAMPLE_INCIDENT = {
    "dedup_key": "inc_5e0c6f9d3b7a42d18d1f0a2b3c4d5e6f",
    "failing_since": "2026-11-23T10:00:00.000Z",
    "last_success_at": "2026-11-23T09:59:58.000Z",
    "consecutive_failures": 10,
    "attempts_5m": 40,
    "failed_5m": 10,
    "failures_by_cause": {"503": 9, "timeout": 1},
    "last_attempt": _EXAMPLE_ATTEMPT,
    "messages_exhausted": 1,
}
_EXAMPLE_CHANGE = {"dedup_key": "endpoint:1a2b3c4d", "actor": "user:42", "reason": None}

CATALOGUE: dict[str, EventType] = {
    event_type.name: event_type
    for event_type in (
        _event_type(
            "endpoint.created",
            "A monitored endpoint was created on the platform.",
            "info",
            properties=_CHANGE,
            example=_EXAMPLE_CHANGE,
        ),
        _event_type(
            "endpoint.updated",
            "The configuration of a monitored endpoint changed. `changes` has before and after where they are known.",
            "info",
            properties={**_CHANGE, "changes": {"type": "object"}},
            optional=("changes",),
            example={
                **_EXAMPLE_CHANGE,
                "changes": {"url": {"from": "https://erp.example.com/a", "to": "https://erp.example.com/b"}},
            },
        ),
        _event_type(
            "endpoint.deleted",
            "A monitored endpoint was removed from the platform.",
            "info",
            properties=_CHANGE,
            example=_EXAMPLE_CHANGE,
        ),
        _event_type(
            "endpoint.enabled",
            "A monitored endpoint receives messages again.",
            "info",
            properties=_CHANGE,
            example=_EXAMPLE_CHANGE,
        ),
        _event_type(
            "endpoint.disabled",
            "A monitored endpoint receives no messages any more: by hand (`manual`) or for its failures (`automatic`).",
            "warning",
            properties={**_CHANGE, "trigger": {"enum": ["manual", "automatic"]}},
            example={**_EXAMPLE_CHANGE, "trigger": "manual"},
        ),
        _event_type(
            "endpoint.failing",
            "An incident opened: the attempts to a monitored endpoint fail.",
            "error",
            properties=_INCIDENT,
            example={**_EXAMPLE_INCIDENT, "reason": "consecutive"},
        ),
        _event_type(
            "endpoint.recovered",
            "The incident with the same dedup_key closed. Only the reason `traffic` claims health.",
            "info",
            properties={
                **_INCIDENT,
                "reason": {"enum": ["traffic", "enabled", "disabled", "deleted"]},
                "duration_seconds": _COUNT,
            },
            example={**_EXAMPLE_INCIDENT, "reason": "traffic", "consecutive_failures": 0, "duration_seconds": 300},
        ),
        _event_type(
            "message.attempt.exhausted",
            "A message was not delivered: its last attempt failed and the platform will not retry. "
            "While its endpoint is in an incident, only operational endpoints with message_events `all` receive it.",
            "error",
            properties={"message_id": _TEXT, "attempt": _ATTEMPT},
            example={"dedup_key": "message:1a2b3c4d:m_17", "message_id": "m_17", "attempt": _EXAMPLE_ATTEMPT},
        ),
    )
}
