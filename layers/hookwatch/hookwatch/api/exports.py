"""Everything of an application, as the other routes show it, line by line: `{"kind": "event", "item": {…}}`.

A kind is a walk over what there is, in steps: a step has its position, behind which the next request goes on, and a
line where there is something to show.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import dropwhile
from typing import Any, Literal

import msgspec
from aws_lambda_powertools.event_handler.router import APIGatewayRouter

from hookwatch import belongings, custom_types, times
from hookwatch.access import api_keys
from hookwatch.api import (
    attempts,
    audit,
    event_types,
    events,
    is_visible,
    keys,
    monitored_endpoints,
    policies,
    replays,
    sources,
    stats,
)
from hookwatch.notifying import attempts as on_record
from hookwatch.notifying import endpoints, mutes
from hookwatch.notifying import replays as on_replays
from hookwatch.notifying.mutes import Mute
from hookwatch.observing import hours, records
from hookwatch.observing import sources as known_sources
from hookwatch.observing.policies import own_numbers

Position = tuple[str, ...]
Item = Mapping[str, object]
Kind = Literal[
    "policy",
    "mute",
    "event_type",
    "source",
    "key",
    "operational_endpoint",
    "monitored_endpoint",
    "stats",
    "event",
    "attempt",
    "replay",
    "audit",
]
Step = tuple[Position, Item | None]

LINES_AT_MOST = 1_000
_BYTES_AT_MOST = 4_000_000  # a function answers with 6 MB (Lambda quotas)


class Asked(msgspec.Struct, frozen=True):
    """Of which application, when, and who sees what. `muted` are its mutes, by endpoint."""

    application_id: str
    now: float
    muted: Mapping[str, Mute]
    is_visible: Callable[[str], bool]

    def is_kept(self, item: Any) -> bool:
        """DynamoDB may hold what has expired for days."""
        return item.expires_at is None or item.expires_at > self.now


def asked(router: APIGatewayRouter, application_id: str) -> Asked:
    return Asked(
        application_id,
        times.now().timestamp(),
        mutes.of_application(application_id),
        lambda whose: is_visible(router, whose),
    )


def page(
    asked: Asked, limit: int, position: Position | None, has_time: Callable[[], bool]
) -> tuple[list[Item], Position | None]:
    """At most `limit` lines, and the position of the next page; None where nothing is left. A page ends early when the
    next line would be too much for one answer, or when the time is up; but never where it began."""
    lines: list[Item] = []
    size, at = 0, position
    for step, line in _steps(asked, position):
        length = _sent_length(line) if line else 0
        is_full = len(lines) == limit or (lines and size + length > _BYTES_AT_MOST)
        if is_full or (at != position and not has_time()):
            return lines, at
        lines += [line] if line else []
        at, size = step, size + length
    return lines, None


def _steps(asked: Asked, position: Position | None) -> Iterator[Step]:
    first, *after = position or ("policy",)
    for name in dropwhile(lambda kind: kind != first, KINDS):
        for place, item in KINDS[name](asked, *(after if name == first else ())):
            yield (name, *place), item and {"kind": name.partition(" ")[0], "item": item}


def _sent_length(line: Item) -> int:
    """In the function's answer, which is JSON with the body as a text in it."""
    return len(json.dumps(json.dumps(line)))


# ── The kinds: each goes on from behind the position that it is given ──


def _policy(asked: Asked, after: str = "") -> Iterator[Step]:
    if not after:
        own = own_numbers(asked.application_id)
        policy = policies.known.resolved(asked.application_id, own)
        yield ("policy",), policies.view(asked.application_id, policy, own)


def _mutes(asked: Asked, after: str = "") -> Iterator[Step]:
    for endpoint_id, mute in sorted(asked.muted.items()):
        if endpoint_id > after:
            yield (endpoint_id,), {"endpoint_id": endpoint_id, **monitored_endpoints.view_mute(mute)}


def _event_types(asked: Asked, after: str = "") -> Iterator[Step]:
    for custom in custom_types.of_application(asked.application_id):
        if custom.name > after:
            yield (custom.name,), event_types.view(custom_types.told(custom), is_custom=True)


def _sources(asked: Asked, after: str = "") -> Iterator[Step]:
    for item in belongings.sources(asked.application_id, after):
        yield (item.source_id,), sources.view(known_sources.from_item(item))


def _keys(asked: Asked, after: str = "") -> Iterator[Step]:
    """Not those for several applications: they name the others."""
    for item in belongings.keys(asked.application_id, after):
        is_its_own = item.application_ids == [asked.application_id] and asked.is_kept(item)
        yield (item.key_id,), keys.view(api_keys.from_item(item)) if is_its_own else None


def _operational_endpoints(asked: Asked, after: str = "") -> Iterator[Step]:
    for item in belongings.operational_endpoints(asked.application_id, after):
        if item.listed_at != after:
            yield (item.listed_at,), endpoints.shown(endpoints.from_item(item))


def _monitored_endpoints(asked: Asked, after: str = "") -> Iterator[Step]:
    for item in belongings.monitored_endpoints(asked.application_id, after):
        if item.endpoint_id != after:
            mute = asked.muted.get(item.endpoint_id)
            is_muted = mute is not None and mute.until.timestamp() > asked.now
            yield (item.endpoint_id,), monitored_endpoints.view(item, mute if is_muted else None)


def _hours(asked: Asked, start: str = "", after: str = "-1") -> Iterator[Step]:
    """Of each monitored endpoint those that are over, and the one that is open."""
    for item in belongings.monitored_endpoints(asked.application_id, start):
        endpoint_id, last = item.endpoint_id, int(after) if item.endpoint_id == start else -1
        yield (endpoint_id, str(last)), None
        for row in hours.rows_of_endpoint(asked.application_id, endpoint_id, last + 1):
            last = int(row.hour)
            yield (endpoint_id, str(last)), _hour(asked, endpoint_id, last, row.counts) if asked.is_kept(row) else None
        open_hour = records.from_item(item).hour
        if open_hour.counts and open_hour.start > last:
            shown = _hour(asked, endpoint_id, open_hour.start, open_hour.counts)
            yield (endpoint_id, str(open_hour.start)), shown


def _hour(asked: Asked, endpoint_id: str, hour: int, counts: Mapping[str, int]) -> Item:
    return stats.view(asked.application_id, endpoint_id, hour, hour + 1, dict(counts))


def _events(asked: Asked, after: str = "") -> Iterator[Step]:
    for item in belongings.events(asked.application_id, after):
        if item.listed_at != after:
            shown = events.shown(item, asked.muted) if asked.is_kept(item) else None
            yield (item.listed_at,), shown


def _attempts(asked: Asked, start: str = "", *after: str) -> Iterator[Step]:
    """To its operational endpoints: of events that are gone too."""
    for endpoint in belongings.operational_endpoints(asked.application_id, start):
        place, name = (endpoint.listed_at,), endpoint.operational_endpoint_id
        begins = after if place == (start,) else ()
        yield (*place, *begins), None
        for item in belongings.attempts_of_operational_endpoint(name, begins):
            shown = attempts.view(on_record.from_item(item)) if asked.is_kept(item) else None
            yield (*place, item.attempted_at, item.event_id, item.attempt_key), shown


def _attempts_elsewhere(asked: Asked, start: str = "", after: str = "") -> Iterator[Step]:
    """Of its events to others: to endpoints that are gone, or of every application where the key may see those."""
    its_own = {item.operational_endpoint_id for item in belongings.operational_endpoints(asked.application_id)}
    for event in belongings.events(asked.application_id, start):
        begins = after if event.listed_at == start else ""
        yield (event.listed_at, begins) if begins else (event.listed_at,), None
        for item in belongings.attempts_with_event(event.event_id, begins):
            is_shown = item.operational_endpoint_id not in its_own and asked.is_kept(item)
            attempt = on_record.from_item(item)
            is_shown = is_shown and asked.is_visible(attempt.application_id)
            yield (event.listed_at, item.attempt_key), attempts.view(attempt, event.event_id) if is_shown else None


def _replays(asked: Asked, after: str = "") -> Iterator[Step]:
    for item in belongings.replays(asked.application_id, after):
        is_shown = not on_replays.is_mark(item) and asked.is_kept(item)
        yield (item.replay_id,), replays.view(on_replays.from_item(item)) if is_shown else None


def _audit(asked: Asked, after: str = "") -> Iterator[Step]:
    for item in belongings.audit_items(asked.application_id, after):
        if item.listed_at != after:
            yield (item.listed_at,), audit.view(item) if asked.is_kept(item) else None


# In this order. The kind of a line is the first word.
KINDS: Mapping[str, Callable[..., Iterator[Step]]] = {
    "policy": _policy,
    "mute": _mutes,
    "event_type": _event_types,
    "source": _sources,
    "key": _keys,
    "operational_endpoint": _operational_endpoints,
    "monitored_endpoint": _monitored_endpoints,
    "stats": _hours,
    "event": _events,
    "attempt": _attempts,
    "attempt elsewhere": _attempts_elsewhere,
    "replay": _replays,
    "audit": _audit,
}
