"""OperationalEvent: one event in each period that says nothing but that Hookwatch works. It is of no application."""

from datetime import datetime, timedelta

from hookwatch import event_items, tables, times, writes
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.operational_events import HEARTBEAT, Events, OperationalEvent, event_id


def heartbeat(now: datetime, period_minutes: int) -> OperationalEvent:
    """That of the period `now` lies in: periods are counted from the epoch. Pure."""
    period = times.minute_of(now) // period_minutes
    return OperationalEvent(
        event_id=event_id(EVERY_APPLICATION, HEARTBEAT, str(period_minutes), str(period)),
        application_id=EVERY_APPLICATION,
        type=HEARTBEAT,
        timestamp=now,
        data={
            "dedup_key": HEARTBEAT,
            "sequence": period,
            "detected_at": times.to_text(now),
            "labels": {},
            "reported_by": "hookwatch",
            "period_minutes": period_minutes,
            "expires_at": times.to_text(now + timedelta(minutes=period_minutes)),
        },
    )


class Heart:
    """Asked each minute, it tells the first time in each period; a minute that was left out is made up for."""

    def __init__(self, period_minutes: int, retention_days: int) -> None:
        self._period_minutes = period_minutes
        self._retention_days = retention_days
        self._told = ""  # the last event that is known to be stored

    def beat(self, now: datetime) -> Events:
        """The event, if this call stored it.

        Raises:
            PynamoDBException: DynamoDB did not store it.
        """
        event = heartbeat(now, self._period_minutes)
        if event.event_id == self._told:
            return ()
        # Not by event_items.create: in the lists of every application (`activity`) it would only be in the way.
        item = event_items.to_item(event, expires_at=tables.expiry(times.now(), self._retention_days))
        is_new = writes.put_if(tables.OperationalEvent.event_id.does_not_exist(), item)
        self._told = event.event_id
        return (event,) if is_new else ()
