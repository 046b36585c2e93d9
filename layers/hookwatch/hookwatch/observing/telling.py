"""What an operational event says of an endpoint, a change, an incident, an attempt: the fields of its `data`."""

from datetime import datetime
from typing import Any

from hookwatch import times
from hookwatch.observing.health import Health, Incident, last_minutes
from hookwatch.observing.signals import Announcement, Attempt, EndpointChange


def of_endpoint(health: Health) -> dict[str, Any]:
    return {
        "endpoint_id": health.endpoint_id,
        "endpoint_url": health.configuration.get("url"),
        "sequence": health.sequence,
        "labels": health.configuration.get("labels", {}),
    }


def of_change(change: EndpointChange, changes: dict[str, Any] | None, trigger: str | None) -> dict[str, Any]:
    return {
        "dedup_key": f"endpoint:{change.endpoint_id}",
        "actor": change.actor,
        "reason": change.reason,
        **({"changes": changes} if changes is not None else {}),
        **({"trigger": trigger} if trigger is not None else {}),
        **({"failing_since": times.to_text(change.failing_since)} if change.failing_since else {}),
    }


def of_incident(health: Health, incident: Incident, at: datetime) -> dict[str, Any]:
    attempts, failed = last_minutes(health.minutes, at)
    return {
        "dedup_key": incident.incident_id,
        "opened_at": times.to_text(incident.announced_at),
        "failing_since": times.to_text(incident.failing_since),
        "last_success_at": times.to_text(health.last_success_at) if health.last_success_at else None,
        "consecutive_failures": health.consecutive_failures,
        "attempts_5m": attempts,
        "failed_5m": failed,
        "failures_by_cause": incident.failures_by_cause,
        "last_attempt": of_attempt(health.last_attempt) if health.last_attempt else None,
        "messages_failing": incident.messages_failing,
        "messages_exhausted": incident.messages_exhausted,
        "reopened": incident.reopened,
    }


def of_attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "message_id": attempt.message_id,
        "number": attempt.attempt_number,
        "outcome": "succeeded" if attempt.succeeded else "failed",
        "response_status_code": attempt.response_status_code,
        "error": attempt.error,
        "duration_ms": attempt.duration_ms,
        "attempted_at": times.to_text(attempt.at),
        "will_retry": attempt.will_retry,
        "trigger": attempt.trigger,
    }


def of_announcement(announcement: Announcement) -> dict[str, Any]:
    last_attempt = announcement.attempted_at and {
        "response_status_code": announcement.response_status_code,
        "attempted_at": times.to_text(announcement.attempted_at),
    }
    return {"message_id": announcement.message_id, "attempt": last_attempt}


def message_key(endpoint_id: str, message_id: str) -> str:
    return f"message:{endpoint_id}:{message_id}"
