"""Application, items `active#<hour>`: who had attempts or events in which hour, so that all can be asked about at once.

An hour is noted before what happened in it is written: what is written is found. A warm function notes it once.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from threading import Lock

from cachetools import TTLCache

from hookwatch import tables, times, writes

_HOURS_A_DAY = 24
_known: TTLCache[tuple[str, int], None] = TTLCache(100_000, 3600)
_lock = Lock()  # the sweeper has threads


def note(application_id: str, hours: Iterable[int], retention_days: int) -> None:
    """That the application has something in those hours since the epoch, to be kept for so long."""
    table, expires_at = tables.Application, tables.expiry(times.now(), retention_days)
    for hour in hours:
        with _lock:
            if (application_id, hour) in _known:
                continue
        # Statistics are kept for longer than events: what is noted for the one is not shortened for the other.
        lasts_longer = table.expires_at.does_not_exist() | (table.expires_at < expires_at)
        actions = table.swept_with.set(_day(hour // _HOURS_A_DAY)), table.expires_at.set(expires_at)
        writes.update_if(lasts_longer, table(application_id, f"active#{hour}"), *actions)
        with _lock:
            _known[application_id, hour] = None


def between(first: int, last: int, *, oldest_first: bool = False) -> Iterator[tuple[int, list[str]]]:
    """(hour, application ids) from one hour to another, both included, newest first."""
    days = range(first // _HOURS_A_DAY, last // _HOURS_A_DAY + 1)
    for day in days if oldest_first else reversed(days):
        active: defaultdict[int, list[str]] = defaultdict(list)
        for item in tables.Application.by_sweep.query(_day(day)):
            active[int(item.item.partition("#")[2])].append(item.application_id)
        yield from ((hour, active[hour]) for hour in sorted(active, reverse=not oldest_first) if first <= hour <= last)


def _day(day: int) -> str:
    return f"active#{day}"
