"""The events of one application, or of every one, oldest first and from any place on: millions, a page at a time."""

from collections.abc import Iterator

import msgspec

from hookwatch import activity, tables, times
from hookwatch.access.keys import EVERY_APPLICATION

_PAGE_EVENTS = 100


class Place(msgspec.Struct, frozen=True):
    """Behind that event, by `listed_at`, of that application; or, where it is but a time, behind that moment."""

    listed_at: str
    application_id: str

    @property
    def hour(self) -> int:
        """Since the epoch."""
        return _hour(self.listed_at)


Step = tuple[Place, tables.OperationalEvent | None]


def walk(application_id: str, since: str, until: str, behind: Place | None) -> Iterator[Step]:
    """Each event that happened from `since` to before `until`, times as text, and the place behind it. Where one
    application's part begins there is a place without an event: so a walk can be left, and gone on with, anywhere.

    Those of every application come hour by hour, and in an hour application by application: so each is read once,
    however many are active.
    """
    table = tables.OperationalEvent
    for named, first, last in _parts(application_id, since, until, behind):
        yield Place(first, named), None
        if first >= last:
            continue
        found = table.by_application.query(named, table.listed_at.between(first, last), page_size=_PAGE_EVENTS)
        # `first` may be the event that was last looked at; an event's own place is behind the bare time of `last`.
        yield from ((Place(item.listed_at, named), item) for item in found if item.listed_at != first)


def _parts(application_id: str, since: str, until: str, behind: Place | None) -> Iterator[tuple[str, str, str]]:
    """(application id, first, last) in the order in which they are read."""
    if application_id != EVERY_APPLICATION:
        yield application_id, behind.listed_at if behind else since, until
        return
    begins = behind.hour if behind else _hour(since)
    for hour, application_ids in activity.between(begins, _hour(until), oldest_first=True):
        first, last = max(since, _text(hour)), min(until, _text(hour + 1))
        for named in sorted(application_ids):
            if behind is None or hour > begins or named > behind.application_id:
                yield named, first, last
            elif named == behind.application_id:
                yield named, behind.listed_at, last


def _hour(listed_at: str) -> int:
    return times.hour_of(times.from_text(listed_at.partition("#")[0]))


def _text(hour: int) -> str:
    return times.to_text(times.start_of(hour))
