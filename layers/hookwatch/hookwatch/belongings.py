"""What belongs to an application, table by table. Erasing and exporting go by it: a new table is added here.

All is found in the order of its keys; with `start` from that key on, with `after` from behind it. What is past
`expires_at` is found too, for DynamoDB may still hold it.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import msgspec
from pynamodb.expressions.operand import Path
from pynamodb.models import Model

from hookwatch import tables
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.erasing import deletions
from hookwatch.notifying import batches
from hookwatch.observing import hours

# ── What comes in by it ──


def keys(application_id: str, after: str = "") -> Iterator[tables.ApiKey]:
    """Those that are for it, be it among others; not those of every application."""
    is_for_it = Path("application_ids").contains(application_id)
    return tables.ApiKey.scan(
        is_for_it, last_evaluated_key=_key(["key_id"], [after]) if after else None, consistent_read=True
    )


def sources(application_id: str, after: str = "") -> Iterator[tables.Source]:
    """Not those that take the application from each payload: they are of every application."""
    is_its_own = tables.Source.application_id == application_id
    return tables.Source.scan(
        is_its_own, last_evaluated_key=_key(["source_id"], [after]) if after else None, consistent_read=True
    )


def replays(application_id: str, after: str = "") -> Iterator[tables.Replay]:
    """By `replay_id`; and that one to an operational endpoint is running."""
    table = tables.Replay
    return table.by_application.query(application_id, table.replay_id > after if after else None)


# ── What others are found by, and the others ──


def operational_endpoints(application_id: str, start: str = "") -> Iterator[tables.OperationalEndpoint]:
    """By `listed_at`."""
    table = tables.OperationalEndpoint
    return table.by_application.query(application_id, table.listed_at >= start if start else None)


def monitored_endpoints(application_id: str, start: str = "") -> Iterator[tables.MonitoredEndpoint]:
    table = tables.MonitoredEndpoint
    return table.query(application_id, table.endpoint_id >= start if start else None, consistent_read=True)


def events(application_id: str, start: str = "") -> Iterator[tables.OperationalEvent]:
    """By `listed_at`: oldest first."""
    table = tables.OperationalEvent
    return table.by_application.query(application_id, table.listed_at >= start if start else None)


def attempts_of_event(event_id: str, after: str = "") -> Iterator[tables.OperationalAttempt]:
    table = tables.OperationalAttempt
    return table.query(event_id, table.attempt_key > after if after else None, consistent_read=True)


def attempts_with_event(event_id: str, after: str = "") -> Iterator[tables.OperationalAttempt]:
    """By `attempt_key`: those of the event alone, and those of batches that have it."""
    in_batches = (attempts_of_event(batch.batch_id, after) for batch in batches.of_event(event_id))
    found = chain(attempts_of_event(event_id, after), *in_batches)
    return iter(sorted(found, key=lambda item: item.attempt_key))


def attempts_of_operational_endpoint(
    operational_endpoint_id: str, after: Sequence[str] = ()
) -> Iterator[tables.OperationalAttempt]:
    """By `attempted_at`, `event_id` and `attempt_key`; of events that are gone too."""
    names = ("operational_endpoint_id", "attempted_at", "event_id", "attempt_key")
    return tables.OperationalAttempt.by_operational_endpoint.query(
        operational_endpoint_id,
        last_evaluated_key=_key(names, (operational_endpoint_id, *after)) if after else None,
    )


def _behind_operational_endpoint(application_id: str, operational_endpoint_id: str) -> Iterator[Model]:
    return chain(
        attempts_of_operational_endpoint(operational_endpoint_id),
        tables.DeliveryPace.query(operational_endpoint_id, consistent_read=True),
        _open_batches(application_id, operational_endpoint_id),
    )


def _behind_event(_: str, event_id: str) -> Iterator[Model]:
    """Its batches too: whatever else they have is of the same application."""
    in_batches = list(tables.OperationalBatch.query(event_id, consistent_read=True))
    for item in in_batches:
        if item.batch_id:
            yield from attempts_of_event(item.batch_id)
            yield from tables.OperationalBatch.query(item.batch_id, consistent_read=True)
    yield from in_batches
    yield from attempts_of_event(event_id)


def _open_batches(application_id: str, operational_endpoint_id: str) -> Iterator[tables.OperationalBatch]:
    subject = batches.subject_of(operational_endpoint_id, application_id)
    return tables.OperationalBatch.query(subject, consistent_read=True)


class Root(msgspec.Struct, frozen=True):
    """Items by whose attribute `key` others are found: what is `behind` it, by (application id, key)."""

    name: str
    find: Callable[[str], Iterator[Model]]
    key: str
    behind: Callable[[str, str], Iterator[Model]]

    def key_of(self, item: Model) -> str:
        return str(getattr(item, self.key))


# Nothing is sent any more once the operational endpoints are gone.
ROOTS = (
    Root("operational_endpoint", operational_endpoints, "operational_endpoint_id", _behind_operational_endpoint),
    Root("monitored_endpoint", monitored_endpoints, "endpoint_id", hours.rows_of_endpoint),
    Root("event", events, "event_id", _behind_event),
)


# ── The rest ──


def event_types(application_id: str) -> Iterator[tables.OperationalEventType]:
    return tables.OperationalEventType.query(application_id, consistent_read=True)


def things_known(application_id: str) -> Iterator[tables.Application]:
    """Policy, degradation, mutes and minutes; not its deletion."""
    found = tables.Application.query(application_id, consistent_read=True)
    return (item for item in found if not item.item.startswith(deletions.PREFIX))


def rest(application_id: str) -> Iterator[Model]:
    everywhere = operational_endpoints(EVERY_APPLICATION)
    of_everybody = (_open_batches(application_id, each.operational_endpoint_id) for each in everywhere)
    return chain(
        chain.from_iterable(of_everybody),
        hours.rows_of_application(application_id),
        event_types(application_id),
        things_known(application_id),
    )


def audit_items(application_id: str, start: str = "") -> Iterator[tables.Audit]:
    """By `listed_at`: oldest first. They outlive their application."""
    table = tables.Audit
    return table.query(application_id, table.listed_at >= start if start else None, consistent_read=True)


def _key(names: Sequence[str], values: Sequence[str]) -> dict[str, dict[str, Any]]:
    return {name: {"S": value} for name, value in zip(names, values, strict=True)}
