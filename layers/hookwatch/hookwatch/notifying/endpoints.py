"""OperationalEndpoint: where operational events are delivered."""

from datetime import datetime, timedelta
from threading import Lock
from typing import Any

import msgspec
from cachetools import TTLCache, cached
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from hookwatch import audit, errors, tables, times, writes
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.audit import HOOKWATCH, Entry

HIDDEN = "***"  # for what is never shown
_CACHED_AT_MOST = 10_000
_TAUGHT = {"has_succeeded", "failing_since"}
_NOTICES = {"disabled_notice_at", "exhausted_notice_at"}  # of hookwatch.notifying.notices


class Batching(msgspec.Struct, frozen=True):
    """Whichever is met first: so many events wait, or the first of them has waited so long."""

    max_events: int
    max_wait: timedelta


class OperationalEndpoint(msgspec.Struct, frozen=True):
    """`credentials` are ciphertexts; `filter_types` () means every type; `filter` is an expression of `predicates`, or
    None; `rate_limit` is in deliveries a second; `retry_schedule` None means the deployment's; `batch` None means that
    each event is delivered alone. Deliveries taught whether one `has_succeeded` at its URL, and since when none has
    (`failing_since`)."""

    operational_endpoint_id: str
    application_id: str
    url: str
    credentials: tuple[bytes, ...]
    created_at: str
    updated_at: str
    description: str = ""
    is_enabled: bool = True
    filter_types: tuple[str, ...] = ()
    filter: str | None = None
    message_events: str = "grouped"
    format: str = "standard"
    rate_limit: int | None = None
    retry_schedule: tuple[timedelta, ...] | None = None
    batch: Batching | None = None
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    header_names: tuple[str, ...] = ()
    disabled_reason: str | None = None
    has_succeeded: bool = False
    failing_since: str | None = None

    @property
    def is_doubtful(self) -> bool:
        """Whether its receiver may well hang: its last attempt failed, or none has succeeded yet."""
        return self.failing_since is not None or not self.has_succeeded


def shown(endpoint: OperationalEndpoint) -> dict[str, Any]:
    """As the API and the audit show it: no secret, and of headers only the names."""
    return {
        "operational_endpoint_id": endpoint.operational_endpoint_id,
        "application_id": endpoint.application_id,
        "url": endpoint.url,
        "description": endpoint.description,
        "is_enabled": endpoint.is_enabled,
        "filter_types": list(endpoint.filter_types),
        "filter": endpoint.filter,
        "message_events": endpoint.message_events,
        "format": endpoint.format,
        "routing_key": HIDDEN if endpoint.format == "pagerduty" else None,
        "rate_limit": endpoint.rate_limit,
        "retry": None
        if endpoint.retry_schedule is None
        else {"schedule_seconds": [int(wait.total_seconds()) for wait in endpoint.retry_schedule]},
        "batch": None
        if endpoint.batch is None
        else {
            "max_events": endpoint.batch.max_events,
            "max_wait_seconds": int(endpoint.batch.max_wait.total_seconds()),
        },
        "headers": dict.fromkeys(endpoint.header_names, HIDDEN),
        "metadata": endpoint.metadata,
        "disabled_reason": endpoint.disabled_reason,
        "failing_since": endpoint.failing_since,
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
    }


def create(endpoint: OperationalEndpoint, entry: Entry) -> bool:
    """Whether there was none of its id."""
    is_new = tables.OperationalEndpoint.operational_endpoint_id.does_not_exist()
    return writes.put_if(is_new, _to_item(endpoint), beside=audit.items(entry))


def number_of(application_id: str) -> int:
    """Of one that was created in this moment it may not know yet: the index follows the table."""
    return tables.OperationalEndpoint.by_application.count(application_id)


def get(operational_endpoint_id: str) -> OperationalEndpoint:
    """The endpoint as it is now.

    Raises:
        errors.Problem: 404.
    """
    endpoint = find(operational_endpoint_id)
    if endpoint is None:
        raise errors.not_found("operational endpoint")
    return endpoint


def replace(old: OperationalEndpoint, new: OperationalEndpoint, entry: Entry, *, forgets: bool = False) -> bool:
    """Puts `new` in the place of `old`. False where somebody else did so meanwhile. What deliveries taught is left as
    it is, for the delivery function may be writing it, or is forgotten."""
    table, item = tables.OperationalEndpoint, _to_item(new)
    kept = {"operational_endpoint_id", *_TAUGHT, *_NOTICES}
    written = {name: attribute for name, attribute in item.get_attributes().items() if name not in kept}
    actions: list[Action] = [
        attribute.remove() if getattr(item, name) is None else attribute.set(getattr(item, name))
        for name, attribute in written.items()
    ]
    if forgets:
        actions += [table.failing_since.remove(), table.has_succeeded.set(False)]
        actions += [table.disabled_notice_at.remove(), table.exhausted_notice_at.remove()]
    return writes.update_if(
        table.updated_at == old.updated_at,
        table(new.operational_endpoint_id),
        *actions,
        beside=audit.items(entry),
    )


def next_update(old: OperationalEndpoint) -> str:
    """`updated_at` of what replaces `old`: later than it, so that of two who replace the same the second is refused."""
    after = times.from_text(old.updated_at) + timedelta(milliseconds=1)
    return times.to_text(max(times.now(), after))


def delete(endpoint: OperationalEndpoint, entry: Entry) -> bool:
    """False where somebody changed it, or deleted it, since it was read."""
    table = tables.OperationalEndpoint
    item = table(endpoint.operational_endpoint_id)
    return writes.delete_if(table.updated_at == endpoint.updated_at, item, beside=audit.items(entry))


def disable(endpoint: OperationalEndpoint, reason: str, *, while_failing: bool = False) -> bool:
    """Switches it off for `reason`, of which a notice is owed then; `while_failing`: unless a delivery has succeeded
    meanwhile. False where it is gone, off already, or another one by now."""
    table, found = tables.OperationalEndpoint, find(endpoint.operational_endpoint_id)
    if found is None or not found.is_enabled or found.url != endpoint.url:
        return False
    is_as_found = table.updated_at == found.updated_at
    if while_failing:
        is_as_found &= table.failing_since == endpoint.failing_since
    off = msgspec.structs.replace(found, is_enabled=False, disabled_reason=reason, updated_at=next_update(found))
    entry = Entry(
        action="operational_endpoint.disabled",
        application_ids=(found.application_id,),
        target=found.operational_endpoint_id,
        actor=HOOKWATCH,
        before=shown(found),
        after=shown(off),
    )
    actions: list[Action] = [
        table.is_enabled.set(False),
        table.disabled_reason.set(reason),
        table.updated_at.set(off.updated_at),
        table.disabled_notice_at.set(times.to_text(times.now())),
    ]
    item = table(found.operational_endpoint_id)
    return writes.update_if(is_as_found, item, *actions, beside=audit.items(entry))


def begin_failing(endpoint: OperationalEndpoint, since: datetime) -> bool:
    """Notes that deliveries fail. False where that is noted already, or it is gone, or another one by now."""
    table = tables.OperationalEndpoint
    return _learn(endpoint, table.failing_since.does_not_exist(), table.failing_since.set(times.to_text(since)))


def succeed(endpoint: OperationalEndpoint) -> bool:
    """Notes that a delivery succeeded. False where that is noted already, or it is gone, or another one by now."""
    table = tables.OperationalEndpoint
    is_news = (
        table.failing_since.exists()
        | table.has_succeeded.does_not_exist()  # of version 0.1
        | (table.has_succeeded == False)  # noqa: E712  # builds a condition expression
    )
    return _learn(endpoint, is_news, table.failing_since.remove(), table.has_succeeded.set(True))


def _learn(endpoint: OperationalEndpoint, condition: Condition, *actions: Action) -> bool:
    """What a delivery to its URL taught is of that URL: while it was under way somebody may have set another one."""
    table = tables.OperationalEndpoint
    return writes.update_if((table.url == endpoint.url) & condition, table(endpoint.operational_endpoint_id), *actions)


class EndpointCache:
    """Operational endpoints as they were at most `seconds` ago, for the functions that meet the same ones all day."""

    def __init__(self, seconds: int) -> None:
        self._of_application = cached(TTLCache(_CACHED_AT_MOST, seconds), lock=Lock())(_of_application)
        self._found: TTLCache[str, OperationalEndpoint | None] = TTLCache(_CACHED_AT_MOST, seconds)
        self._lock = Lock()
        self._find = cached(self._found, key=str, lock=self._lock)(find)

    def of_application(self, application_id: str) -> tuple[OperationalEndpoint, ...]:
        """Those of every application, then those of the application. What is of no application is for the former."""
        own = () if application_id == EVERY_APPLICATION else self._of_application(application_id)
        return self._of_application(EVERY_APPLICATION) + own

    def find(self, operational_endpoint_id: str) -> OperationalEndpoint | None:
        return self._find(operational_endpoint_id)

    def forget(self, operational_endpoint_id: str) -> None:
        """Before its time: it is known to have changed."""
        with self._lock:
            self._found.pop(operational_endpoint_id, None)


def _of_application(application_id: str) -> tuple[OperationalEndpoint, ...]:
    return tuple(from_item(item) for item in tables.OperationalEndpoint.by_application.query(application_id))


def find(operational_endpoint_id: str) -> OperationalEndpoint | None:
    """The endpoint as it is now, or None."""
    try:
        return from_item(tables.OperationalEndpoint.get(operational_endpoint_id, consistent_read=True))
    except tables.OperationalEndpoint.DoesNotExist:
        return None


def _to_item(endpoint: OperationalEndpoint) -> tables.OperationalEndpoint:
    return tables.OperationalEndpoint(
        operational_endpoint_id=endpoint.operational_endpoint_id,
        application_id=endpoint.application_id,
        listed_at=f"{endpoint.created_at}#{endpoint.operational_endpoint_id}",
        url=endpoint.url,
        description=endpoint.description,
        is_enabled=endpoint.is_enabled,
        filter_types=list(endpoint.filter_types),
        filter=endpoint.filter,
        message_events=endpoint.message_events,
        format=endpoint.format,
        rate_limit=endpoint.rate_limit,
        retry_schedule=None
        if endpoint.retry_schedule is None
        else [int(wait.total_seconds()) for wait in endpoint.retry_schedule],
        batch_max_events=endpoint.batch and endpoint.batch.max_events,
        batch_max_wait=endpoint.batch and int(endpoint.batch.max_wait.total_seconds()),
        metadata=endpoint.metadata,
        header_names=list(endpoint.header_names),
        credentials=list(endpoint.credentials),
        created_at=endpoint.created_at,
        updated_at=endpoint.updated_at,
        disabled_reason=endpoint.disabled_reason,
        has_succeeded=endpoint.has_succeeded,
        failing_since=endpoint.failing_since,
    )


def from_item(item: tables.OperationalEndpoint) -> OperationalEndpoint:
    return OperationalEndpoint(
        operational_endpoint_id=item.operational_endpoint_id,
        application_id=item.application_id,
        url=item.url,
        credentials=tuple(item.credentials),
        created_at=item.created_at,
        updated_at=item.updated_at,
        description=item.description,
        is_enabled=item.is_enabled,
        filter_types=tuple(item.filter_types),
        filter=item.filter,
        message_events=item.message_events,
        format=item.format,
        rate_limit=None if item.rate_limit is None else int(item.rate_limit),
        retry_schedule=None
        if item.retry_schedule is None
        else tuple(timedelta(seconds=int(wait)) for wait in item.retry_schedule),
        batch=None
        if item.batch_max_events is None
        else Batching(int(item.batch_max_events), timedelta(seconds=int(item.batch_max_wait or 0))),
        metadata=item.metadata,
        header_names=tuple(item.header_names),
        disabled_reason=item.disabled_reason,
        has_succeeded=item.has_succeeded,
        failing_since=item.failing_since,
    )
