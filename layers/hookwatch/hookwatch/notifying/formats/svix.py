"""Svix's own operational webhooks, for code that consumes those (its OpenAPI document, `webhooks`)."""

from typing import Any

from hookwatch.notifying.formats import incident

_OF_ENDPOINTS = {"endpoint.created", "endpoint.updated", "endpoint.deleted", "endpoint.enabled", "endpoint.disabled"}
_OF_MESSAGES = {"message.attempt.failing", "message.attempt.exhausted", "message.attempt.recovered"}
TYPES = _OF_ENDPOINTS | _OF_MESSAGES
_NO_ANSWER = 0  # Svix's responseStatusCode of an attempt that nobody answered


def render(_event_id: str, payload: dict[str, Any]) -> dict[str, Any]:
    told = payload["data"]
    data = {"appId": told["application_id"]}
    if "endpoint_id" in told:
        data["endpointId"] = told["endpoint_id"]
    if payload["type"] in _OF_MESSAGES:
        data |= {"msgId": told["message_id"], "lastAttempt": _last_attempt(payload)}
    if payload["type"] == "endpoint.disabled":
        data |= {"trigger": told["trigger"], "failSince": told.get("failing_since")}
    return {"type": payload["type"], "data": {name: value for name, value in data.items() if value is not None}}


def _last_attempt(payload: dict[str, Any]) -> dict[str, Any]:
    """Its id is a hash, for monitored attempts have a number and no id. A platform that only announces says less."""
    data = payload["data"]
    attempt = data.get("attempt") or {}
    parts = (data["endpoint_id"], data["message_id"], str(attempt.get("number", "")))
    return {
        "id": f"atmpt_{incident.digest(' '.join(parts))[:27]}",
        "responseStatusCode": attempt.get("response_status_code") or _NO_ANSWER,
        "timestamp": attempt.get("attempted_at") or payload["timestamp"],
    }
