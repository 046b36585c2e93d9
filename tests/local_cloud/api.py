"""A client of Hookwatch's API, and of the ways in for sources."""

import hashlib
import hmac
import time
from datetime import UTC, datetime
from typing import Any

import requests
from standardwebhooks import Webhook

from tests.local_cloud.cloud import Stack


class Api:
    """Paths are below `/operational_webhooks`. Answers are `requests` responses, whatever their status."""

    def __init__(self, stack: Stack, key: str | None = None) -> None:
        self.base = f"{stack.api_url}/operational_webhooks"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {stack.api_key if key is None else key}"

    def request(self, method: str, path: str, **arguments: Any) -> requests.Response:
        return self._session.request(method, f"{self.base}{path}", timeout=30, **arguments)

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.request("GET", path, params=query)

    def post(self, path: str, body: Any) -> requests.Response:
        return self.request("POST", path, json=body)

    def put(self, path: str, body: Any) -> requests.Response:
        return self.request("PUT", path, json=body)

    def delete(self, path: str) -> requests.Response:
        return self.request("DELETE", path)

    def post_signals(self, application_id: str, signals: list[dict[str, Any]]) -> requests.Response:
        return self.post("/signals", {"application_id": application_id, "signals": signals})

    def post_as_hook0(
        self, source_id: str, event_type: str, event_id: str, body: bytes, *, secret: str
    ) -> requests.Response:
        """As Hook0 sends: without a key."""
        headers = hook0_headers(event_type, event_id, body, secret=secret, moment=int(time.time()))
        return requests.post(f"{self.base}/sources/{source_id}", data=body, headers=headers, timeout=30)

    def post_as_svix(self, source_id: str, webhook_id: str, body: str, *, secret: str) -> requests.Response:
        """As Svix sends: without a key."""
        headers = svix_headers(webhook_id, body, secret=secret, moment=int(time.time()))
        return requests.post(f"{self.base}/sources/{source_id}", data=body.encode(), headers=headers, timeout=30)


def hook0_headers(event_type: str, event_id: str, body: bytes, *, secret: str, moment: int) -> dict[str, str]:
    """Signed as Hook0 signs: over the moment, two headers and the body."""
    names = "x-event-id x-event-type"
    signed = f"{moment}.{names}.{event_id}.{event_type}.".encode() + body
    code = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-Event-Id": event_id,
        "X-Event-Type": event_type,
        "X-Hook0-Signature": f"t={moment},h={names},v1={code}",
    }


def svix_headers(webhook_id: str, body: str, *, secret: str, moment: int) -> dict[str, str]:
    """Signed as Svix signs, which is Standard Webhooks' way under names of its own."""
    return {
        "Content-Type": "application/json",
        "Svix-Id": webhook_id,
        "Svix-Timestamp": str(moment),
        "Svix-Signature": Webhook(secret).sign(webhook_id, datetime.fromtimestamp(moment, UTC), body),
    }
