"""CloudEvents 1.0 in structured mode (JSON Event Format 1.0)."""

from typing import Any
from urllib.parse import quote


def render(event_id: str, payload: dict[str, Any]) -> dict[str, Any]:
    data = payload["data"]
    subject = data.get("endpoint_id")
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": f"urn:hookwatch:{quote(data['application_id'], safe='')}",
        "type": payload["type"],
        **({"subject": subject} if subject else {}),  # the specification allows no empty one
        "time": payload["timestamp"],
        "datacontenttype": "application/json",
        "data": data,
    }
