"""Application, items `mute#<endpoint id>`: monitored endpoints whose incidents are recorded and not delivered."""

from datetime import datetime, timedelta
from threading import Lock

import msgspec
from cachetools import TTLCache, cached

from hookwatch import audit, errors, tables, times, writes
from hookwatch.audit import Entry
from hookwatch.operational_events import OperationalEvent

MUTES_AT_MOST = 1_000
_PREFIX = "mute#"
# What ended is kept for as long as an incident that opened meanwhile may take to close (silent: 5 days).
_KEPT_DAYS = 7
_EARLIER_AT_MOST = 100
_CACHED_AT_MOST = 10_000


class Spell(msgspec.Struct, frozen=True):
    """From `start` to before `end`."""

    start: datetime
    end: datetime

    def has(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


class Mute(msgspec.Struct, frozen=True, kw_only=True):
    """`earlier` are the spells of mutes that this one replaced, or that were ended."""

    endpoint_id: str
    created_at: datetime
    created_by: str
    reason: str
    spell: Spell
    earlier: tuple[Spell, ...] = ()

    @property
    def until(self) -> datetime:
        return self.spell.end

    def is_active(self, now: datetime) -> bool:
        return now < self.until


def is_mutable(event: OperationalEvent) -> bool:
    """Whether it tells of an incident. A change to an endpoint is told even while it is muted."""
    return event.type in {"endpoint.failing", "endpoint.warning", "endpoint.recovered"} or event.type.startswith(
        "message.attempt."
    )


def covers(mute: Mute, event: OperationalEvent) -> bool:
    """Whether `event`, one of the mute's endpoint, is not to be delivered. Pure.

    A recovery goes by the moment of its failing: who heard of the one hears of the other.
    """
    moment = event.timestamp
    if event.type == "endpoint.recovered" and (opened_at := event.data.get("opened_at")):
        moment = times.from_text(opened_at)
    return is_mutable(event) and any(spell.has(moment) for spell in (*mute.earlier, mute.spell))


def replaced(old: Mute | None, new: Mute) -> Mute:
    """`new`, knowing for how long the endpoint was muted before it. Pure."""
    if old is None:
        return new
    forgotten = new.created_at - timedelta(days=_KEPT_DAYS)
    earlier: list[Spell] = []
    for spell in (*old.earlier, Spell(old.spell.start, min(old.spell.end, new.spell.start))):
        if earlier and earlier[-1].end == spell.start:
            earlier[-1] = Spell(earlier[-1].start, spell.end)
        elif spell.start < spell.end and spell.end > forgotten:
            earlier.append(spell)
    return msgspec.structs.replace(new, earlier=tuple(earlier[-_EARLIER_AT_MOST:]))


def ended(mute: Mute, at: datetime) -> Mute:
    return msgspec.structs.replace(mute, spell=Spell(mute.spell.start, min(mute.until, at)))


def put(application_id: str, old: Mute | None, mute: Mute, entry: Entry) -> None:
    """In the place of the endpoint's earlier one, as `find` found it, if any.

    Raises:
        errors.Problem: 409, the application has muted as many endpoints as it may, or the endpoint was muted, or the
            mute ended, at the same moment.
    """
    if old is None and tables.Application.count(application_id, tables.Application.item.startswith(_PREFIX)) >= (
        MUTES_AT_MOST
    ):
        raise errors.Problem(409, "limit_reached", f"An application mutes at most {MUTES_AT_MOST} endpoints.")
    _save(application_id, replaced(old, mute), old, entry)


def end(application_id: str, mute: Mute, at: datetime, entry: Entry) -> None:
    """
    Raises:
        errors.Problem: 409, it was changed at the same moment.
    """
    _save(application_id, ended(mute, at), mute, entry)


def find(application_id: str, endpoint_id: str) -> Mute | None:
    """The endpoint's last one; it may have ended."""
    try:
        return _from_item(tables.Application.get(application_id, _PREFIX + endpoint_id, consistent_read=True))
    except tables.Application.DoesNotExist:
        return None


def find_active(application_id: str, endpoint_id: str, now: datetime) -> Mute | None:
    mute = find(application_id, endpoint_id)
    return mute if mute and mute.is_active(now) else None


def of_application(application_id: str) -> dict[str, Mute]:
    """By endpoint id, in one query; those that ended lately too."""
    found = tables.Application.query(application_id, tables.Application.item.startswith(_PREFIX), consistent_read=True)
    mutes = (_from_item(item) for item in found)
    return {mute.endpoint_id: mute for mute in mutes}


def active(application_id: str, now: datetime) -> dict[str, Mute]:
    return {endpoint_id: mute for endpoint_id, mute in of_application(application_id).items() if mute.is_active(now)}


class MuteCache:
    """An application's mutes as they were at most `seconds` ago."""

    def __init__(self, seconds: int) -> None:
        self._of_application = cached(TTLCache(_CACHED_AT_MOST, seconds), lock=Lock())(of_application)

    def cover(self, event: OperationalEvent) -> bool:
        """Whether `event` is not to be delivered. Mutes are read only for an event that one could cover."""
        if not is_mutable(event):
            return False
        mute = self._of_application(event.application_id).get(event.data.get("endpoint_id", ""))
        return mute is not None and covers(mute, event)


def _save(application_id: str, mute: Mute, old: Mute | None, entry: Entry) -> None:
    """In the place of `old`, so that no spell is forgotten.

    Raises:
        errors.Problem: 409, it was muted, or the mute ended, at the same moment.
    """
    attribute = tables.Application.mute
    item = tables.Application(
        application_id=application_id,
        item=_PREFIX + mute.endpoint_id,
        mute=_to_text(mute),
        expires_at=tables.expiry(mute.until, _KEPT_DAYS),
    )
    is_as_found = attribute == _to_text(old) if old else attribute.does_not_exist()
    if not writes.put_if(is_as_found, item, beside=audit.items(entry)):
        raise errors.Problem(409, "conflict", "The mute was changed meanwhile; send the request again.")


def _to_text(mute: Mute) -> str:
    return msgspec.json.encode(mute).decode()


def _from_item(item: tables.Application) -> Mute:
    return msgspec.json.decode(item.mute or "", type=Mute)
