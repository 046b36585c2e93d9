"""Audit: every change to Hookwatch's own configuration and every read of a secret. Who, what, before and after.

The items of a change are written in its transaction, so that neither is there without the other. Nobody changes one.
"""

import secrets
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from hookwatch import tables, times

KEPT_DAYS = 400
HOOKWATCH = "hookwatch"  # who does what nobody asked for

Action = Literal[
    "application.deleted",
    "application.deletion_requested",
    "event.resent",
    "event_type.created",
    "event_type.deleted",
    "event_type.updated",
    "key.created",
    "key.revoked",
    "mute.created",
    "mute.ended",
    "operational_endpoint.created",
    "operational_endpoint.deleted",
    "operational_endpoint.disabled",
    "operational_endpoint.secret_read",
    "operational_endpoint.secret_rotated",
    "operational_endpoint.updated",
    "policy.updated",
    "replay.cancelled",
    "replay.created",
    "source.created",
    "source.deleted",
]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody does, to be written with it: an item for each of the applications that it is about, of which `*` is
    every one.

    `target` is the id of the thing; `before` and `after` are the thing as the API shows it, without any secret, None
    where there is none. `actor` is `key:<key id>` or `hookwatch`; a request has an id of API Gateway's.
    """

    action: Action
    application_ids: tuple[str, ...]
    target: str
    actor: str
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None
    request_id: str | None = None
    source_ip: str | None = None


def write(entry: Entry) -> None:
    """By itself: for what changes nothing. What it is about must not be shown, or done, before."""
    for item in items(entry):
        item.save()


def items(entry: Entry) -> list[tables.Audit]:
    """To be written beside the change."""
    now = times.now()
    timestamp = times.to_text(now)
    made = []
    for application_id in entry.application_ids:
        audit_id = f"aud_{secrets.token_hex(12)}"
        item = tables.Audit(
            application_id=application_id,
            listed_at=f"{timestamp}#{audit_id}",
            audit_id=audit_id,
            month=timestamp[:7],
            timestamp=timestamp,
            actor=entry.actor,
            action=entry.action,
            target=entry.target,
            before=_to_text(_narrowed(entry.before, application_id)),
            after=_to_text(_narrowed(entry.after, application_id)),
            request_id=entry.request_id,
            source_ip=entry.source_ip,
            expires_at=tables.expiry(now, KEPT_DAYS),
        )
        made.append(item)
    return made


def _narrowed(shown: Mapping[str, object] | None, application_id: str) -> Mapping[str, object] | None:
    """What is for several applications, a key, does not tell one of the others."""
    return {**shown, "application_ids": [application_id]} if shown and "application_ids" in shown else shown


def _to_text(shown: Mapping[str, object] | None) -> str | None:
    return None if shown is None else msgspec.json.encode(shown).decode()


def from_text(text: str | None) -> dict[str, Any] | None:
    """`before` or `after` of an item."""
    return None if text is None else msgspec.json.decode(text, type=dict[str, Any])
