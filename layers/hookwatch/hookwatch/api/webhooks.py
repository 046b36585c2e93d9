"""Of the OpenAPI document what a receiver gets: every operational event, and a batch of them."""

import re
from typing import Any

from hookwatch.catalogue import CATALOGUE, EventType
from hookwatch.notifying import batches
from hookwatch.operational_events import BATCH

Json = dict[str, Any]
_TIME = {"type": "string", "format": "date-time"}
_HEADERS = {
    "webhook-id": "The event's id, or the batch's; the same each time that it is sent.",
    "webhook-timestamp": "When it was sent, in seconds since the epoch.",
    "webhook-signature": "`v1,` and the base64 of an HMAC-SHA256, one for each secret, by Standard Webhooks.",
}


def webhooks() -> Json:
    events = {name: {"post": _event(event_type)} for name, event_type in CATALOGUE.items()}
    return events | {BATCH: {"post": _batch()}}


def schemas() -> Json:
    """Those that `webhooks` refers to."""
    return {
        _camel(name): {key: value for key, value in event_type.schema.items() if key != "$schema"}
        for name, event_type in CATALOGUE.items()
    }


def _event(event_type: EventType) -> Json:
    name = event_type.name
    return _webhook(
        name,
        event_type.description,
        {"schema": {"$ref": f"#/components/schemas/{_camel(name)}"}, "example": event_type.example},
    )


def _batch() -> Json:
    """Of the events that the catalogue has, or of an application's own types."""
    text, object_ = {"type": "string"}, {"type": "object"}
    event = {"id": text, "type": text, "timestamp": _TIME, "data": object_}
    items = {**object_, "required": list(event), "properties": event}
    batch = {
        "type": {"const": BATCH},
        "timestamp": _TIME,
        "data": {"type": "array", "minItems": 1, "maxItems": batches.EVENTS_AT_MOST, "items": items},
    }
    told = (
        "Several events in one POST, for an operational endpoint with a `batch`: each as it would be alone, and its id."
    )
    some = list(CATALOGUE.values())[:2]
    example = {
        "type": BATCH,
        "timestamp": some[-1].example["timestamp"],
        "data": [{"id": f"evt_{number:032x}", **each.example} for number, each in enumerate(some)],
    }
    return _webhook(
        BATCH, told, {"schema": {**object_, "required": list(batch), "properties": batch}, "example": example}
    )


def _webhook(name: str, description: str, body: Json) -> Json:
    return {
        "operationId": _camel(name),
        "summary": name,
        "description": description,
        "tags": ["webhooks"],
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": what, "schema": {"type": "string"}}
            for name, what in _HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": body},
        },
        "responses": {
            "2XX": {"description": "It was received."},
            "410": {"description": "Nothing is to be sent there any more: the operational endpoint is disabled."},
            "default": {"description": "It is sent again, up to four times; `Retry-After` is heeded up to an hour."},
        },
    }


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in re.split(r"[._]", name))
