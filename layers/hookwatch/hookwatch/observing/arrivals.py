"""Application, item `arrival` of `*`: the minute since the epoch in which the last signal arrived, of whomever."""

from datetime import datetime

from hookwatch import tables, times, writes
from hookwatch.access.keys import EVERY_APPLICATION

_ITEM = "arrival"


class Arrivals:
    """As a warm function notes them: once a minute, however many requests it takes."""

    def __init__(self) -> None:
        self._noted = 0

    def note(self, now: datetime) -> None:
        """That a signal arrived in this minute.

        Raises:
            PynamoDBException: it was not noted.
        """
        minute = times.minute_of(now)
        if minute <= self._noted:
            return
        table = tables.ApplicationTraffic
        is_later = table.minute.does_not_exist() | (table.minute < minute)
        writes.update_if(is_later, table(EVERY_APPLICATION, _ITEM), table.minute.set(minute))
        self._noted = minute


def minutes_without(now: datetime) -> int | None:
    """Whole minutes since the last signal, without the one that runs; None before the first signal."""
    try:
        last = tables.Application.get(EVERY_APPLICATION, _ITEM, consistent_read=True)
    except tables.Application.DoesNotExist:
        return None
    return max(0, times.minute_of(now) - int(last.minute) - 1)
