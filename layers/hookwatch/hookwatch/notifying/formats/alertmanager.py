"""Prometheus Alertmanager's webhook, version 4 (its reference: webhook_config). One alert a group: the incident.

Labels are the identity of an alert, so they are the same when it fires and when it is resolved; what changes is an
annotation.
"""

import re
from typing import Any

from hookwatch.notifying.formats import incident
from hookwatch.operational_events import SEVERITIES

_NOT_OVER = "0001-01-01T00:00:00Z"  # Go's zero time, as Alertmanager writes it


def render(event_id: str, payload: dict[str, Any]) -> dict[str, Any]:
    data = payload["data"]
    step = incident.known_step(event_id, payload)
    labels = {
        **{_label(name): value for name, value in (data.get("labels") or {}).items()},
        "alertname": step.name,
        "application_id": data["application_id"],
    }
    if data.get("endpoint_id"):
        labels["endpoint_id"] = data["endpoint_id"]
    if step.name in SEVERITIES:
        labels["severity"] = SEVERITIES[step.name]
    annotations = {
        "summary": data["summary"],
        "severity": data["severity"],
        "event_type": payload["type"],
        "event_id": event_id,
        **{f"{_label(name)}_url": link for name, link in data["links"].items()},
    }
    status = "firing" if step.is_open else "resolved"
    url = next(iter(data["links"].values()), "")
    return {
        "version": "4",
        "groupKey": data["dedup_key"],
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "hookwatch",
        "groupLabels": {"alertname": step.name},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": url,
        "alerts": [
            {
                "status": status,
                "labels": labels,
                "annotations": annotations,
                "startsAt": _began(data) or payload["timestamp"],
                "endsAt": _NOT_OVER if step.is_open else payload["timestamp"],
                "generatorURL": url,
                "fingerprint": incident.digest(data["dedup_key"])[:16],
            }
        ],
    }


def _began(data: dict[str, Any]) -> str | None:
    since = data["previous_state_since"] if data.get("state") == "OK" else None
    began: str | None = data.get("opened_at") or data.get("degraded_since") or since
    return began


def _label(name: str) -> str:
    """As Prometheus allows it: letters, digits and underscores, at least one, and no digit first."""
    return re.sub(r"^(?=\d|$)", "_", re.sub(r"[^a-zA-Z0-9_]", "_", name))
