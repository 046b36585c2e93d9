"""Operational events: their ids, and how one is told. The seam of the two halves; catalogue.py has the types."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from hookwatch import times

TEST = "webhook.test"
BATCH = "batch"  # the type of a body that holds several events; no event is of it
ALARM = "alarm.state_changed"
HEARTBEAT = "hookwatch.heartbeat"

SEVERITIES = {
    "endpoint.created": "info",
    "endpoint.updated": "info",
    "endpoint.deleted": "info",
    "endpoint.enabled": "info",
    "endpoint.failing": "error",
    "endpoint.warning": "warning",
    "endpoint.disabled": "warning",  # critical where nobody did it by hand
    "endpoint.recovered": "info",
    "message.attempt.failing": "warning",
    "message.attempt.exhausted": "error",
    "message.attempt.recovered": "info",
    "application.degraded": "critical",
    "application.recovered": "info",
    ALARM: "critical",  # in the state ALARM
    HEARTBEAT: "info",
    TEST: "info",
}
_ALARM_SEVERITIES = {"OK": "info", "INSUFFICIENT_DATA": "warning", "ALARM": SEVERITIES[ALARM]}
_REASON_IN_SUMMARY = 256  # characters: on-call tools cut a longer summary


class OperationalEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What Hookwatch has to say. `timestamp` is when it happened; `data` is without what `to_payload` renders."""

    event_id: str
    application_id: str
    type: str
    timestamp: datetime
    data: dict[str, Any]
    quiet: bool = False


Events = tuple[OperationalEvent, ...]


def event_id(application_id: str, event_type: str, *derived_from: str) -> str:
    """`evt_` + 32 hex digits of SHA-256 over what the event follows from: the same fact is the same event."""
    parts = msgspec.json.encode([application_id, event_type, *derived_from])
    return f"evt_{hashlib.sha256(parts).hexdigest()[:32]}"


def to_payload(event: OperationalEvent, links: Mapping[str, str]) -> dict[str, Any]:
    """`{"type", "timestamp", "data"}` as receivers get it and the API shows it.

    `links` are templates, `{name: "https://…/{endpoint_id}"}`; what they may name is in docs/operations.md.
    """
    if event.type in SEVERITIES:
        summary, severity = _summary(event), _severity(event)
    else:  # an application's own type: whoever posted the event said both
        summary, severity = event.data["summary"], event.data["severity"]
    data = {
        "application_id": event.application_id,
        "summary": summary,
        "severity": severity,
        "links": _links(event, links),
        **event.data,
    }
    return {"type": event.type, "timestamp": times.to_text(event.timestamp), "data": data}


def detected_at(event: OperationalEvent) -> datetime:
    """When Hookwatch learned of it, which may be days after it happened."""
    told = event.data.get("detected_at")
    return times.from_text(told) if told else event.timestamp


def linking_to(api_url: str, templates: Mapping[str, str]) -> dict[str, str]:
    """The link templates of a deployment whose API is reached at `api_url`."""
    return {name: template.replace("{api_url}", api_url) for name, template in templates.items()}


def _links(event: OperationalEvent, templates: Mapping[str, str]) -> dict[str, str]:
    """Those whose every part the event has."""
    parts = {
        "event_id": event.event_id,
        "event_type": event.type,
        "application_id": event.application_id,
        "endpoint_id": event.data.get("endpoint_id"),
    }
    filled_in = {}
    for name, template in templates.items():
        link = template
        for part, value in parts.items():
            if value is not None:
                link = link.replace(f"{{{part}}}", quote(value, safe=""))
        if link and "{" not in link:
            filled_in[name] = link
    return filled_in


def _severity(event: OperationalEvent) -> str:
    if event.type == "endpoint.disabled" and event.data.get("trigger") == "automatic":
        return "critical"
    if event.type == ALARM:
        return _ALARM_SEVERITIES[event.data["state"]]
    return SEVERITIES[event.type]


def _summary(event: OperationalEvent) -> str:
    """One sentence: which endpoint, why, since when."""
    data = event.data
    if event.type == TEST:
        return f"A test of operational endpoint {data['operational_endpoint_id']}, asked for by {data['reported_by']}."
    if event.type == HEARTBEAT:
        return f"Hookwatch works; its next heartbeat follows within {data['period_minutes']} min."
    if event.type == ALARM:
        return _summary_of_alarm(data)
    if event.type.startswith("application."):
        return _summary_of_application(event)
    endpoint = f"{data['endpoint_id']}" + (f" ({data['endpoint_url']})" if data.get("endpoint_url") else "")
    if event.type.startswith("message."):
        return _summary_of_message(event, endpoint)
    by = f" by {data['actor']}" if data.get("actor") else ""
    match event.type:
        case "endpoint.failing":
            again = " again" if data.get("reopened") else ""
            return f"Endpoint {endpoint} is failing{again} since {data['failing_since']}: {_why(data)}."
        case "endpoint.warning":
            then = (
                f"; unless an attempt succeeds it is disabled at {data['disables_at']}" if data["disables_at"] else ""
            )
            return f"Endpoint {endpoint} is still failing, since {data['failing_since']}: {_why(data)}{then}."
        case "endpoint.recovered":
            how = {
                "traffic": "attempts succeed again",
                "enabled": "it was enabled",
                "disabled": "it was disabled by hand",
                "deleted": "it was deleted",
                "silent": "nothing was attempted any more, so whether it works is not known",
            }[data["reason"]]
            return f"Endpoint {endpoint} is no longer in an incident after {data['duration_seconds']} s: {how}."
        case "endpoint.disabled" if data.get("trigger") == "automatic" and data.get("failing_since"):
            return f"Endpoint {endpoint} was disabled automatically: it is failing since {data['failing_since']}."
        case "endpoint.disabled":
            return f"Endpoint {endpoint} was disabled{' automatically' if data.get('trigger') == 'automatic' else by}."
        case "endpoint.updated":
            changed = ", ".join(data["changes"]) if data.get("changes") else "its configuration"
            return f"Endpoint {endpoint} was updated{by}: {changed}."
        case _:
            return f"Endpoint {endpoint} was {event.type.removeprefix('endpoint.')}{by}."


def _why(data: Mapping[str, Any]) -> str:
    causes = ", ".join(f"{cause} × {count}" for cause, count in data["failures_by_cause"].items())
    if data["reason"] == "consecutive":
        return f"{data['consecutive_failures']} attempts in a row failed ({causes})"
    return f"{data['failed_5m']} of {data['attempts_5m']} attempts of the last five minutes failed ({causes})"


def _summary_of_message(event: OperationalEvent, endpoint: str) -> str:
    message = f"Message {event.data['message_id']}"
    if event.type == "message.attempt.failing":
        return f"{message} is not delivered yet to endpoint {endpoint}: {_attempt(event.data)}."
    if event.type == "message.attempt.exhausted":
        return f"{message} was not delivered to endpoint {endpoint}: {_attempt(event.data)} and was the last."
    return f"{message} was delivered to endpoint {endpoint} after all."


def _attempt(data: Mapping[str, Any]) -> str:
    attempt = data.get("attempt") or {}
    cause = attempt.get("response_status_code") or attempt.get("error") or "no answer"
    number = f"attempt {attempt['number']}" if attempt.get("number") else "the latest attempt"
    return f"{number} failed ({cause})"


def _summary_of_application(event: OperationalEvent) -> str:
    data = event.data
    application = f"Application {event.application_id}"
    if event.type == "application.recovered":
        return f"{application} is no longer degraded after {data['duration_seconds']} s."
    if data["reason"] == "endpoints":
        share = f"{data['endpoints_failing']} of its {data['endpoints_active']} active endpoints are in an incident"
        return f"{application} is degraded: {share}."
    rate = f"{data['attempts_per_minute']} attempts a minute are reported, {data['attempts_per_minute_before']} before"
    return f"{application} is degraded: {rate}."


def _summary_of_alarm(data: Mapping[str, Any]) -> str:
    before = f", before {data['previous_state']}" if data["previous_state"] else ""
    why = cut(" ".join(data["reason"].split()), _REASON_IN_SUMMARY).rstrip(".")
    return f"Alarm {data['alarm_name']} ({data['region']}) is in {data['state']}{before}{why and ': '}{why}."


def cut(text: str, at_most: int) -> str:
    """The text, or its first characters and a … that says so."""
    return text if len(text) <= at_most else f"{text[: at_most - 1]}…"
