"""Svix's operational webhooks → signals. Svix announces; it says nothing of successes, nor what an update changed."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from hookwatch import errors
from hookwatch.observing import bodies, given, signals
from hookwatch.observing.signals import Announcement, EndpointChange, Signal
from hookwatch.observing.sources import timestamps

SECRET_PREFIX = "whsec_"  # noqa: S105  # how every secret begins
# A dot would let what is signed, `id.timestamp.body`, be cut in other places (Standard Webhooks, signature scheme).
_ID = re.compile(r"[\w-]{1,256}", re.ASCII)


class _Data(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, defer_build=True)

    app_id: given.Id
    endpoint_id: given.Id


class _ChangeData(_Data):
    trigger: Literal["manual", "automatic"] | None = None
    fail_since: given.Moment | None = None


class _LastAttempt(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, defer_build=True)

    timestamp: given.Moment
    response_status_code: Annotated[int, Field(ge=0, le=999, strict=True)] | None = None  # 0 where none came


class _MessageData(_Data):
    msg_id: given.Id
    last_attempt: _LastAttempt | None = None


class _ChangeWebhook(BaseModel):
    type: signals.ChangeType
    data: _ChangeData


class _MessageWebhook(BaseModel):
    type: signals.AnnouncementType
    data: _MessageData


def key_of(secret: str) -> bytes:
    """The bytes that sign.

    Raises:
        ValueError: it is not `whsec_` and base64 of them.
    """
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not (secret.startswith(SECRET_PREFIX) and key):
        raise ValueError("is not a secret of Svix: whsec_ and base64")
    return key


def verify(headers: Mapping[str, str], body: bytes, *, secret: str, now: datetime) -> None:
    """Checks `v1,<base64 HMAC-SHA256 over id.timestamp.body>`, one of several. `headers` have lower-case names.

    Raises:
        errors.Problem: 401.
    """
    webhook_id, moment, signatures = _signed_by(headers)
    if not _ID.fullmatch(webhook_id):
        raise errors.unauthorized("svix-id is missing or malformed.")
    timestamps.check(moment, now, otherwise="svix-timestamp is missing or malformed.")
    code = hmac.new(key_of(secret), f"{webhook_id}.{moment}.".encode() + body, hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(code)
    if not any(hmac.compare_digest(expected, signature.encode()) for signature in signatures.split(" ")):
        raise errors.unauthorized("The signature is wrong.")


def translate(headers: Mapping[str, str], body: bytes, *, source_id: str) -> tuple[str, Signal] | None:
    """(application id, signal), or None for a type that says nothing about a monitored endpoint of an application, as
    `ingest.*`. Its time is the webhook's, which `verify` has found good.

    Raises:
        errors.Problem: 422, the body is not Svix's.
    """
    document = bodies.parse_json(body)
    if not isinstance(document, dict):
        raise errors.invalid("The body is not a webhook of Svix.")
    webhook_id, moment, _ = _signed_by(headers)
    occurred_at = datetime.fromtimestamp(int(moment), UTC)
    type_ = document.get("type")
    try:
        if type_ in get_args(signals.ChangeType):
            change = _ChangeWebhook.model_validate(document)
            return change.data.app_id, _change(change, signals.digest(source_id, webhook_id), occurred_at)
        if type_ in get_args(signals.AnnouncementType):
            message = _MessageWebhook.model_validate(document)
            return message.data.app_id, _announcement(message, occurred_at)
    except ValidationError as error:
        raise errors.invalid("The body is not a webhook of Svix.", *given.problems(error)) from None
    return None


def _change(webhook: _ChangeWebhook, signal_id: str, occurred_at: datetime) -> EndpointChange:
    return EndpointChange(
        type=webhook.type,
        endpoint_id=webhook.data.endpoint_id,
        signal_id=signal_id,
        occurred_at=occurred_at,
        trigger=webhook.data.trigger or "manual",
        failing_since=webhook.data.fail_since,
    )


def _announcement(webhook: _MessageWebhook, occurred_at: datetime) -> Announcement:
    last = webhook.data.last_attempt
    status = last.response_status_code if last else None
    return Announcement(
        type=webhook.type,
        endpoint_id=webhook.data.endpoint_id,
        message_id=webhook.data.msg_id,
        occurred_at=occurred_at,
        attempted_at=last.timestamp if last else None,
        response_status_code=status if status and 100 <= status <= 599 else None,
    )


def _signed_by(headers: Mapping[str, str]) -> tuple[str, str, str]:
    """Id, moment and signatures, all of one family of names: svix-* or, where they are not there, webhook-*."""
    family = "svix" if "svix-id" in headers else "webhook"
    return (
        headers.get(f"{family}-id", ""),
        headers.get(f"{family}-timestamp", ""),
        headers.get(f"{family}-signature", ""),
    )
