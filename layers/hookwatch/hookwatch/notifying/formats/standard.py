"""Standard Webhooks: the payload as the catalogue has it."""

from typing import Any


def render(_event_id: str, payload: dict[str, Any]) -> dict[str, Any]:
    return payload
