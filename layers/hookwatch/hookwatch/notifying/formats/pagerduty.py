"""PagerDuty Events API v2. Its reference bounds dedup_key at 255 characters and summary at 1024."""

from typing import Any

import msgspec

from hookwatch.notifying.formats import incident
from hookwatch.operational_events import cut

_KEY_AT_MOST, _SUMMARY_AT_MOST = 255, 1024


def render(event_id: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Without the routing key: `with_routing_key`."""
    data = payload["data"]
    step = incident.known_step(event_id, payload)
    key = data["dedup_key"]
    return {
        "event_action": "trigger" if step.is_open else "resolve",
        "dedup_key": key if len(key) <= _KEY_AT_MOST else incident.digest(key),
        "payload": {
            "summary": cut(data["summary"], _SUMMARY_AT_MOST),
            "source": data.get("endpoint_url") or data.get("endpoint_id") or data["application_id"],
            "severity": data["severity"],
            "timestamp": payload["timestamp"],
            "component": data.get("endpoint_id") or data["application_id"],
            "group": data["application_id"],
            "class": payload["type"],
            "custom_details": data,
        },
        "links": [{"href": link, "text": name} for name, link in data["links"].items()],
        "client": "Hookwatch",
    }


def with_routing_key(body: str, routing_key: str) -> str:
    """`body` is an object with members. That way it need not be read and written again for each attempt."""
    return f'{{"routing_key":{msgspec.json.encode(routing_key).decode()},{body.removeprefix("{")}'
