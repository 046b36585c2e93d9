"""The events of every application, newest first: hour by hour, of the applications that were active in it."""

from collections.abc import Iterator
from datetime import datetime
from heapq import merge
from itertools import islice

from pynamodb.expressions.condition import Condition

from hookwatch import activity, tables, times

_QUERIES_AT_MOST = 200  # of a page; one hour is read whole, however many were active in it


def newest(
    since: datetime, before: str, condition: Condition, limit: int
) -> tuple[list[tables.OperationalEvent], str | None]:
    """Events from `since` to before `before`, which is a `listed_at` or a time as text, and where to go on, as such a
    text; None where there are no more."""
    found: list[tables.OperationalEvent] = []
    asked = 0
    last = times.hour_of(times.from_text(before.partition("#")[0]))
    for hour, application_ids in activity.between(times.hour_of(since), last):
        if asked and asked + len(application_ids) > _QUERIES_AT_MOST:
            return found, min(before, _text(hour + 1))
        asked += len(application_ids)
        # A time without an event's id sorts before all events of that moment.
        part = max(times.to_text(since), _text(hour)), min(before, _text(hour + 1))
        of_each = (_events(application_id, *part, condition, limit) for application_id in application_ids)
        of_all = merge(*of_each, key=lambda item: item.listed_at, reverse=True)
        found += islice((item for item in of_all if item.listed_at < before), limit - len(found))
        if len(found) == limit:
            return found, found[-1].listed_at
    return found, None


def _events(
    application_id: str, first: str, last: str, condition: Condition, limit: int
) -> Iterator[tables.OperationalEvent]:
    table = tables.OperationalEvent
    return table.by_application.query(
        application_id,
        table.listed_at.between(first, max(first, last)),
        filter_condition=condition,
        scan_index_forward=False,
        page_size=limit,
        limit=limit + 1,  # `before` may be one of them
    )


def _text(hour: int) -> str:
    return times.to_text(times.start_of(hour))
