"""Hook0's own webhooks about its subscriptions → signals. A subscription is a monitored endpoint here."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from hookwatch import errors
from hookwatch.observing import bodies, given, signals
from hookwatch.observing.signals import EndpointChange
from hookwatch.observing.sources import timestamps

EVENT_TYPES_KEPT = 20
_CHANGES: dict[str, signals.ChangeType] = {
    "api.subscription.created": "endpoint.created",
    "api.subscription.updated": "endpoint.updated",
    "api.subscription.removed": "endpoint.deleted",
}
_HEX = re.compile(r"[0-9a-f]{64}")


class _Target(BaseModel):
    """Its `headers` can hold credentials: they are not even read."""

    url: given.Url


class _Subscription(BaseModel):
    application_id: given.Id
    subscription_id: given.Id
    is_enabled: bool
    event_types: Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=500)] = []
    description: Annotated[str, Field(max_length=1024)] | None = None
    labels: given.Labels = {}
    target: _Target
    created_at: given.Moment
    updated_at: given.Moment


def verify(headers: Mapping[str, str], body: bytes, *, secret: str, now: datetime) -> None:
    """Checks X-Hook0-Signature (`t=…,v0=…` or `t=…,h=…,v1=…`). `headers` have lower-case names.

    v1 covers the moment, the headers that h names and the body; v0 the moment and the body. When both are there only v1
    decides, for a sender that could choose would offer a forger the weaker one (Hook0, signature header).

    Raises:
        errors.Problem: 401.
    """
    parts = dict(part.split("=", 1) for part in headers.get("x-hook0-signature", "").split(",") if "=" in part)
    moment = parts.get("t", "")
    timestamps.check(moment, now, otherwise="X-Hook0-Signature is missing or has no time.")
    signed = [moment]
    if "v1" in parts:
        names = parts.get("h", "").split(" ")
        if any(name.lower() not in headers for name in names):
            raise errors.unauthorized("The signature covers a header that did not arrive.")
        signed += [" ".join(names), ".".join(headers[name.lower()] for name in names)]
    code = parts.get("v1", parts.get("v0", ""))
    content = ".".join(signed).encode() + b"." + body
    expected = hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
    if not (_HEX.fullmatch(code) and hmac.compare_digest(expected, code)):
        raise errors.unauthorized("The signature is wrong.")


def translate(headers: Mapping[str, str], body: bytes, *, source_id: str) -> tuple[str, EndpointChange] | None:
    """(application id, signal), or None for a type that says nothing about a monitored endpoint.

    Raises:
        errors.Problem: 422, the body or the X-Event-Id is not Hook0's.
    """
    change_type = _CHANGES.get(headers.get("x-event-type", ""))
    if change_type is None:
        return None
    if not headers.get("x-event-id"):
        raise errors.invalid("X-Event-Id is missing.")
    try:
        subscription = _Subscription.model_validate(bodies.parse_json(body))
    except ValidationError as error:
        raise errors.invalid("The body is not a Hook0 subscription.", *given.problems(error)) from None
    configuration = {
        "url": subscription.target.url,
        "description": subscription.description,
        "event_types": _short(subscription.event_types),
        "labels": subscription.labels,
        "is_enabled": subscription.is_enabled,
    }
    return subscription.application_id, EndpointChange(
        type=change_type,
        endpoint_id=subscription.subscription_id,
        signal_id=signals.digest(source_id, headers["x-event-id"]),
        occurred_at=subscription.created_at if change_type == "endpoint.created" else subscription.updated_at,
        configuration=configuration,
    )


def _short(event_types: list[str]) -> list[str]:
    """As they are, while they are few. The record is written with every fold, so of many only that they change."""
    if len(event_types) <= EVENT_TYPES_KEPT:
        return event_types
    rest = event_types[EVENT_TYPES_KEPT:]
    return [*event_types[:EVENT_TYPES_KEPT], f"and {len(rest)} more ({signals.digest(*rest)[:8]})"]
