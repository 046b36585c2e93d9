"""Signals, the facts that a platform reports: as the rules see them and as they travel on SIGNALS."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Any, Literal

import msgspec

from hookwatch import times

MESSAGE_BYTES = 200_000
# What one message may need at most, so that it fits one transaction of DynamoDB (100 items).
MESSAGE_EVENTS = 40
MESSAGE_HOURS = 12  # of attempts: each hour may be a row of the endpoint and one of its application

ErrorClass = Literal["timeout", "dns", "tls", "connection", "blocked", "other"]
Trigger = Literal["scheduled", "manual"]
AnnouncementType = Literal["message.attempt.failing", "message.attempt.exhausted", "message.attempt.recovered"]
ChangeType = Literal[
    "endpoint.created", "endpoint.updated", "endpoint.deleted", "endpoint.enabled", "endpoint.disabled"
]


class Attempt(msgspec.Struct, frozen=True, tag_field="kind", tag="attempt", omit_defaults=True, kw_only=True):
    """One monitored attempt and its outcome. `duration_ms` is in milliseconds."""

    endpoint_id: str
    message_id: str
    attempt_number: int
    succeeded: bool
    attempted_at: datetime
    will_retry: bool = False
    response_status_code: int | None = None
    error: ErrorClass | None = None
    duration_ms: int | None = None
    trigger: Trigger = "scheduled"

    @property
    def at(self) -> datetime:
        return self.attempted_at

    @property
    def recovers(self) -> bool:
        return self.succeeded

    @property
    def events_at_most(self) -> int:
        if self.succeeded:
            return int(self.attempt_number >= 2 or self.trigger == "manual")
        return int(self.attempt_number >= 4 or not self.will_retry)


class EndpointChange(msgspec.Struct, frozen=True, tag_field="kind", tag="change", omit_defaults=True, kw_only=True):
    """What a platform says about the configuration of a monitored endpoint.

    `configuration` holds what is known of the endpoint as it is now (url, description, labels, is_enabled, …);
    `changes` is `{field: {"from": …, "to": …}}` where the platform says itself what changed, else None.
    `signal_id` tells this fact from every other of the application.
    """

    type: ChangeType
    endpoint_id: str
    signal_id: str
    occurred_at: datetime
    configuration: dict[str, Any] = {}
    changes: dict[str, Any] | None = None
    actor: str | None = None
    trigger: Literal["manual", "automatic"] = "manual"
    reason: str | None = None
    failing_since: datetime | None = None

    @property
    def at(self) -> datetime:
        return self.occurred_at

    @property
    def events_at_most(self) -> int:
        return 3  # endpoint.updated, endpoint.disabled and the endpoint.recovered of an incident that this ends


class Announcement(msgspec.Struct, frozen=True, tag_field="kind", tag="announcement", omit_defaults=True, kw_only=True):
    """What a platform that does not report its attempts says about one message. It is told as it was said."""

    type: AnnouncementType
    endpoint_id: str
    message_id: str
    occurred_at: datetime
    attempted_at: datetime | None = None
    response_status_code: int | None = None

    @property
    def at(self) -> datetime:
        return self.occurred_at

    @property
    def recovers(self) -> bool:
        return self.type == "message.attempt.recovered"

    @property
    def events_at_most(self) -> int:
        return 1


Signal = Attempt | EndpointChange | Announcement


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One message of SIGNALS: signals of one monitored endpoint, in the order of their times.

    `id` is the same for the same signals, however often they are sent, and survives what SQS renames when it moves a
    message to a dead-letter queue and back.
    """

    id: str
    application_id: str
    endpoint_id: str
    received_at: datetime
    reported_by: str
    batch_id: str
    signals: tuple[Signal, ...]

    @property
    def group_id(self) -> str:
        """The message group: one monitored endpoint. At most 128 characters (SQS)."""
        return digest(self.application_id, self.endpoint_id)

    def to_json(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """The report that `to_json` wrote.

        Raises:
            ValueError: it is not one.
        """
        return msgspec.json.decode(text, type=cls)


def without_path(signal: Signal) -> Signal:
    """The signal with the URLs of its configuration and changes cut down to scheme and host."""
    if not isinstance(signal, EndpointChange):
        return signal
    url = {"url": _without_path(signal.configuration["url"])} if "url" in signal.configuration else {}
    return msgspec.structs.replace(
        signal, configuration={**signal.configuration, **url}, changes=_without_path(signal.changes)
    )


_SCHEME_AND_HOST = re.compile(r"https?://[^/?#\\]*", re.IGNORECASE)


def _without_path(value: Any) -> Any:
    match value:
        case dict():
            return {field: _without_path(inner) for field, inner in value.items()}
        case list():
            return [_without_path(inner) for inner in value]
        case str() if host := _SCHEME_AND_HOST.match(value):
            return host[0]
        case _:
            return value


def digest(*parts: str) -> str:
    """64 hex digits of SHA-256 over the parts; no two different lists of parts are taken for one another."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def to_reports(
    signals: Iterable[Signal],
    *,
    application_id: str,
    received_at: datetime,
    reported_by: str,
    batch_id: str,
    idempotency_key: str = "",
) -> Iterator[Report]:
    """The messages that carry `signals`: one endpoint's each, in order, and no larger than a transaction can take.

    The same signals make the same messages with the same ids, so that a repeated request is recognised.
    """
    ordered = sorted(signals, key=lambda signal: (signal.endpoint_id, signal.at))
    for endpoint_id, own in groupby(ordered, key=lambda signal: signal.endpoint_id):
        for part in _split(own):
            yield Report(
                id=digest(application_id, idempotency_key, msgspec.json.encode(part).decode()),
                application_id=application_id,
                endpoint_id=endpoint_id,
                received_at=received_at,
                reported_by=reported_by,
                batch_id=batch_id,
                signals=part,
            )


def _split(signals: Iterable[Signal]) -> Iterator[tuple[Signal, ...]]:
    part: list[Signal] = []
    size = events = 0
    hours: set[int] = set()
    for signal in signals:
        length = len(msgspec.json.encode(signal)) + 1
        hour = times.hour_of(signal.at)
        if part and (
            size + length > MESSAGE_BYTES
            or events + signal.events_at_most > MESSAGE_EVENTS
            or len(hours | {hour}) > MESSAGE_HOURS
        ):
            yield tuple(part)
            part, size, events, hours = [], 0, 0, set()
        part.append(signal)
        hours.add(hour)
        size += length
        events += signal.events_at_most
    if part:
        yield tuple(part)
