"""What platforms post to /signals, checked signal by signal: one bad fact does not blind a thousand good ones."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from pydantic import (
    BaseModel,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from typing_extensions import TypedDict

from hookwatch import errors
from hookwatch.observing import bodies, privacy, signals
from hookwatch.observing.given import FARTHEST_AHEAD, OLDEST, Id, Labels, Moment, Url, problems
from hookwatch.observing.signals import Attempt, EndpointChange, Signal

SIGNALS_AT_MOST = 1_000
NDJSON = "application/x-ndjson"

Item = TypeVar("Item")


class AttemptReport(BaseModel):
    """What became of one attempt. A failed one says `will_retry`, or `max_attempts` from which that follows."""

    type: Literal["message.attempt"]
    endpoint_id: Id
    message_id: Id
    attempt_number: Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
    outcome: Literal["succeeded", "failed"]
    attempted_at: Moment
    response_status_code: Annotated[int, Field(ge=100, le=599, strict=True)] | None = None
    error: signals.ErrorClass | None = None
    duration_ms: Annotated[int, Field(ge=0, le=86_400_000, strict=True)] | None = None
    will_retry: Annotated[bool, Field(strict=True)] | None = None
    max_attempts: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] | None = None
    trigger: signals.Trigger = "scheduled"

    @model_validator(mode="after")
    def _says_whether_it_retries(self) -> "AttemptReport":
        if self.outcome == "failed" and self.will_retry is None and self.max_attempts is None:
            raise ValueError("a failed attempt needs will_retry or max_attempts")
        return self

    def to_signal(self) -> Attempt:
        succeeded = self.outcome == "succeeded"
        will_retry = self.will_retry
        if will_retry is None:
            will_retry = self.max_attempts is not None and self.attempt_number < self.max_attempts
        return Attempt(
            endpoint_id=self.endpoint_id,
            message_id=self.message_id,
            attempt_number=self.attempt_number,
            succeeded=succeeded,
            attempted_at=self.attempted_at,
            will_retry=will_retry and not succeeded,
            response_status_code=self.response_status_code,
            error=self.error,
            duration_ms=self.duration_ms,
            trigger=self.trigger,
        )


class FieldChange(BaseModel):
    from_: Any = Field(alias="from", default=None)
    to: Any = None


class ChangeReport(BaseModel):
    """A change to a monitored endpoint; what is not said stays as it was."""

    type: signals.ChangeType
    endpoint_id: Id
    occurred_at: Moment
    url: Url | None = None
    description: Annotated[str, Field(max_length=1024)] | None = None
    labels: Labels | None = None
    is_enabled: Annotated[bool, Field(strict=True)] | None = None
    changes: (
        Annotated[dict[Annotated[str, Field(min_length=1, max_length=64)], FieldChange], Field(max_length=20)] | None
    ) = None
    actor: Annotated[str, Field(max_length=256)] | None = None
    trigger: Literal["manual", "automatic"] = "manual"
    reason: Annotated[str, Field(max_length=256)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> "ChangeReport":
        try:
            length = len(msgspec.json.encode(self._changes()))
        except UnicodeEncodeError:
            raise ValueError("changes hold text that is not Unicode") from None
        if length > CHANGES_BYTES:
            raise ValueError(f"changes are longer than {CHANGES_BYTES:,} bytes")
        return self

    def to_signal(self) -> EndpointChange:
        changes = self._changes()
        known = self.model_dump(include={"url", "description", "labels", "is_enabled"}, exclude_none=True)
        now_so = {
            field: changes[field]["to"]
            for field, kind in _CONFIGURATION.items()
            if field in changes and isinstance(changes[field]["to"], kind)
        }
        without_id = EndpointChange(
            type=self.type,
            endpoint_id=self.endpoint_id,
            signal_id="",
            occurred_at=self.occurred_at,
            configuration={**now_so, **known},
            changes=None if self.changes is None else changes,
            actor=self.actor,
            trigger=self.trigger,
            reason=self.reason,
        )
        canonical = msgspec.json.encode(without_id, order="sorted").decode()
        return msgspec.structs.replace(without_id, signal_id=signals.digest(canonical))

    def _changes(self) -> dict[str, dict[str, Any]]:
        return {
            field: {"from": privacy.cleaned(change.from_), "to": privacy.cleaned(change.to)}
            for field, change in (self.changes or {}).items()
            if not privacy.is_secret(field)
        }


Report = Annotated[AttemptReport | ChangeReport, Field(discriminator="type")]


class SignalsBody(TypedDict):
    """Fields that are unknown are ignored, within a signal and beside `signals`."""

    application_id: Id
    signals: Annotated[list[Report], Field(min_length=1, max_length=SIGNALS_AT_MOST)]


CHANGES_BYTES = 10_000
_CONFIGURATION = {"url": str, "description": str, "is_enabled": bool}
_SIGNAL: TypeAdapter[AttemptReport | ChangeReport] = TypeAdapter(Report)
_APPLICATION_ID: TypeAdapter[str] = TypeAdapter(Id)


class Checked(msgspec.Struct, frozen=True):
    """A request's signals: those to observe, those refused and why, and those too old or too far ahead."""

    application_id: str
    signals: tuple[Signal, ...]
    rejected: tuple[dict[str, Any], ...]
    ignored: tuple[dict[str, Any], ...]
    unknown_fields: int


def check(
    body: bytes,
    *,
    received_at: datetime,
    is_strict: bool,
    content_type: str = "application/json",
    application_id: str | None = None,
) -> Checked:
    """Reads `{"application_id", "signals": […]}`, or NDJSON: a signal a line, all of `application_id`.

    Raises:
        errors.Problem: 413 over 1 MB; 422 where it is no list of 1 to 1,000 signals, or, when strict, one is malformed.
    """
    bodies.fit(body)
    if content_type.partition(";")[0].strip().lower() == NDJSON:
        application_id = _application(application_id)
        items = [_line(line) for line in _not_too_many(bodies.lines(body))]
    else:
        application_id, items = _envelope(body)
    checked = _checked(application_id, items, received_at)
    if is_strict and checked.rejected:
        raise errors.invalid("A signal is malformed, and the request is strict.", *checked.rejected)
    return checked


class _BrokenLine(msgspec.Struct, frozen=True):
    loc: list[str]
    msg: str


def _checked(application_id: str, items: Iterable[Any], received_at: datetime) -> Checked:
    accepted: list[Signal] = []
    rejected: list[dict[str, Any]] = []
    ignored: list[dict[str, Any]] = []
    unknown = 0
    for index, item in enumerate(items):
        if isinstance(item, _BrokenLine):
            rejected.append({"index": index, "loc": item.loc, "msg": item.msg})
            continue
        try:
            signal = _SIGNAL.validate_python(item)
            built = signal.to_signal()
        except ValidationError as error:
            rejected.extend({"index": index, **problem} for problem in problems(error)[:10])
            continue
        unknown += len(item.keys() - _fields(signal))
        if built.at < received_at - OLDEST:
            ignored.append({"index": index, "msg": "older than 7 days"})
        elif built.at > received_at + FARTHEST_AHEAD:
            ignored.append({"index": index, "msg": "more than 5 minutes ahead"})
        else:
            accepted.append(built)
    return Checked(application_id, tuple(accepted), tuple(rejected), tuple(ignored), unknown)


def _fields(signal: AttemptReport | ChangeReport) -> set[str]:
    return set(type(signal).model_fields)


def _envelope(body: bytes) -> tuple[str, list[Any]]:
    document = bodies.parse_json(body)
    if not isinstance(document, dict) or not isinstance(document.get("signals"), list):
        raise errors.invalid(
            'The body must be {"application_id": "…", "signals": [ … ]}; for a signal a line, send Content-Type: '
            f"{NDJSON}."
        )
    return _application(document.get("application_id")), _not_too_many(document["signals"])


def _not_too_many(items: list[Item]) -> list[Item]:
    if not 1 <= len(items) <= SIGNALS_AT_MOST:
        raise errors.invalid(f"There must be 1 to {SIGNALS_AT_MOST:,} signals, not {len(items):,}.")
    return items


def _line(line: bytes) -> Any:
    try:
        document = bodies.parse_json(line)
    except errors.Problem:
        return _BrokenLine([], "The line is not JSON.")
    if isinstance(document, dict) and "application_id" in document:
        return _BrokenLine(["application_id"], "The application is named in the query, not in a line.")
    return document


def _application(application_id: Any) -> str:
    if application_id is None:
        raise errors.invalid(
            "Name the application: application_id in the body, or in the query where signals come as lines.",
            {"loc": ["application_id"], "msg": "Field required"},
        )
    try:
        return _APPLICATION_ID.validate_python(application_id)
    except ValidationError as error:
        wrong = [{**problem, "loc": ["application_id"]} for problem in problems(error)]
        raise errors.invalid("application_id is not an id.", *wrong) from None
