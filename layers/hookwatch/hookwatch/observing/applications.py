"""Application, item `degradation`: whether an application is degraded, as the sweeper finds."""

from datetime import datetime

import msgspec
from pynamodb.connection import Connection
from pynamodb.transactions import TransactWrite

from hookwatch import activity, event_items, tables, times
from hookwatch.observing import degradation, hours, minutes
from hookwatch.observing.degradation import Degradation, Facts
from hookwatch.operational_events import Events
from hookwatch.policy import Policy

_connection = Connection(**tables.TIMEOUTS)
_ITEM, _DEGRADED = "degradation", "degraded"


def to_judge(now: datetime) -> set[str]:
    """Those that reported attempts in the last whole minute, and those that are degraded."""
    index = tables.Application.by_sweep
    last_minute = minutes.item_of(times.minute_of(now) - 1)
    return {item.application_id for key in (last_minute, _DEGRADED) for item in index.query(key)}


def judge(application_id: str, endpoints_failing: int, now: datetime, policy: Policy, retention_days: int) -> Events:
    """Writes down whether the application is degraded, and stores what there is to say. `endpoints_failing` are those
    of its active endpoints that are in an incident; events are kept for `retention_days`.

    Raises:
        TransactWriteError: nothing was written, for another sweep was faster or DynamoDB did not answer.
    """
    table = tables.Application
    try:
        known = table.get(application_id, _ITEM, consistent_read=True)
        version, before = int(known.version), msgspec.json.decode(known.degradation, type=Degradation)
    except table.DoesNotExist:
        version, before = 0, Degradation()
    has_many = endpoints_failing >= policy.degraded_from_endpoints
    attempts, attempts_before = minutes.of_hour(application_id, times.minute_of(now) - 1)
    facts = Facts(
        endpoints_failing=endpoints_failing,
        endpoints_active=_endpoints_active(application_id, now) if has_many or before.since else 0,
        attempts_per_minute=attempts,
        attempts_per_minute_before=attempts_before,
    )
    judged, events = degradation.judge(application_id, before, facts, now, policy)
    if judged == before:
        return ()
    item = table(
        application_id,
        _ITEM,
        version=version + 1,
        degradation=msgspec.json.encode(judged).decode(),
        swept_with=_DEGRADED if judged.since else None,
    )
    is_unchanged = table.version == version if version else table.version.does_not_exist()
    activity.note(application_id, {times.hour_of(event.timestamp) for event in events}, retention_days)
    with TransactWrite(connection=_connection) as transaction:
        transaction.save(item, condition=is_unchanged)
        for event in events:
            transaction.save(event_items.to_item(event, expires_at=tables.expiry(now, retention_days)))
    return events


def _endpoints_active(application_id: str, now: datetime) -> int:
    """An endpoint counts in the hour in which it had an attempt; early in an hour most have had none yet."""
    hour = times.hour_of(now)
    rows = hours.of_application(application_id, hour - 1, hour + 1)
    return max((row.get("endpoints", 0) for row in rows.values()), default=0)
