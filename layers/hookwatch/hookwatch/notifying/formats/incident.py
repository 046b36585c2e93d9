"""What an event does to an incident, for the formats that know only alerts. Pure."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from hookwatch.operational_events import ALARM, SEVERITIES, TEST

# type: (the type that names the incident, whether it is open then)
_STEPS = {
    "endpoint.failing": ("endpoint.failing", True),
    "endpoint.warning": ("endpoint.failing", True),
    "endpoint.recovered": ("endpoint.failing", False),
    "message.attempt.failing": ("message.attempt.failing", True),
    "message.attempt.exhausted": ("message.attempt.failing", True),
    "message.attempt.recovered": ("message.attempt.failing", False),
    "application.degraded": ("application.degraded", True),
    "application.recovered": ("application.degraded", False),
    TEST: (TEST, True),
}
_OF_ALARM = {"ALARM": True, "OK": False}  # INSUFFICIENT_DATA is no news of the incident


class Step(msgspec.Struct, frozen=True):
    """`name` is the same for all events of an incident."""

    name: str
    is_open: bool


def step(event_id: str, event_type: str, data: Mapping[str, Any]) -> Step | None:
    """None where the event is of no incident: a change of the configuration, a heartbeat.

    Of an application's own types what is `info` closes what the same dedup_key opened, and the rest opens.
    """
    if event_type in _STEPS:
        return Step(*_STEPS[event_type])
    if event_type == ALARM:
        return Step(ALARM, _OF_ALARM[data["state"]]) if data["state"] in _OF_ALARM else None
    if event_type == "endpoint.disabled" and "opened_at" in data:  # for its incident, which goes on
        return Step("endpoint.failing", is_open=True)
    if event_type in SEVERITIES:
        return None
    is_open = data["severity"] != "info"
    return Step(event_type, is_open) if is_open or data["dedup_key"] != event_id else None


def known_step(event_id: str, payload: Mapping[str, Any]) -> Step:
    """
    Raises:
        ValueError: the event is of no incident, and so it is owed to nobody in such a format.
    """
    found = step(event_id, payload["type"], payload["data"])
    if found is None:
        raise ValueError(f"{payload['type']} is of no incident")
    return found


def digest(dedup_key: str) -> str:
    return hashlib.sha256(dedup_key.encode()).hexdigest()
