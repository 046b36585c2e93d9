"""Standard Webhooks: the payload as the catalogue has it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from hookwatch import times
from hookwatch.operational_events import BATCH


def render(_event_id: str, payload: dict[str, Any]) -> dict[str, Any]:
    return payload


def together(payloads: Mapping[str, dict[str, Any]], timestamp: datetime) -> str:
    """The body of a batch: the events, by id and in the order given."""
    events = [{"id": event_id, **payload} for event_id, payload in payloads.items()]
    return msgspec.json.encode({"type": BATCH, "timestamp": times.to_text(timestamp), "data": events}).decode()
