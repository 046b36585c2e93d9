"""Signals, reports and events of one monitored endpoint; times in seconds after START."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from jsonschema import Draft202012Validator

from hookwatch.catalogue import CATALOGUE
from hookwatch.observing.signals import Attempt, ChangeType, EndpointChange, Report, Signal
from hookwatch.operational_events import OperationalEvent, to_payload

START = datetime(2026, 11, 23, 10, tzinfo=UTC)
APPLICATION_ID = "9f0d8c2a"
ENDPOINT_ID = "1a2b3c4d"

_VALIDATORS = {name: Draft202012Validator(event_type.schema) for name, event_type in CATALOGUE.items()}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def attempt(seconds: float, *, succeeded: bool, **fields: Any) -> Attempt:
    told: dict[str, Any] = {"endpoint_id": ENDPOINT_ID, "message_id": f"m_{seconds}", "attempt_number": 1}
    return Attempt(succeeded=succeeded, attempted_at=at(seconds), **told | fields)


def success(seconds: float, **fields: Any) -> Attempt:
    return attempt(seconds, succeeded=True, **{"response_status_code": 200} | fields)


def failure(seconds: float, **fields: Any) -> Attempt:
    return attempt(seconds, succeeded=False, **{"response_status_code": 503, "will_retry": True} | fields)


def change(type_: ChangeType, seconds: float, **fields: Any) -> EndpointChange:
    told: dict[str, Any] = {"endpoint_id": ENDPOINT_ID, "signal_id": f"{type_} {seconds}"}
    return EndpointChange(type=type_, occurred_at=at(seconds), **told | fields)


def report(*signals: Signal, received: float | None = None, report_id: str = "") -> Report:
    """Received a second after its last signal, where nothing else is said."""
    return Report(
        id=report_id,
        application_id=APPLICATION_ID,
        endpoint_id=ENDPOINT_ID,
        received_at=max(signal.at for signal in signals) + timedelta(seconds=1) if received is None else at(received),
        reported_by="key:k1",
        batch_id="batch_1",
        signals=signals,
    )


def schema_errors(event: OperationalEvent) -> list[str]:
    payload = msgspec.json.decode(msgspec.json.encode(to_payload(event, {})))
    return [error.message for error in _VALIDATORS[event.type].iter_errors(payload)]
