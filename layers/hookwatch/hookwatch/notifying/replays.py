"""Replay: events that are delivered once more, those of a time to one operational endpoint, or one to several.

Who works on a replay goes by its record: how far it is, and when it goes on. Each step is put on record on the
condition that it was the next, so that of two who take it one does not count.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from msgspec.structs import replace
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from hookwatch import audit, tables, times, writes
from hookwatch.audit import Entry
from hookwatch.past_events import Place

RATE_AT_MOST = 100  # deliveries a second
_KEPT_DAYS = 30
_ACTIVE = "active#"  # before the id of an operational endpoint, of which a replay is running
_FIRST_WITHIN = timedelta(minutes=1)  # of its wake-up the record is there: longer than a function of the API may run
_LOOKS_AGAIN = timedelta(seconds=1)
LEAD = timedelta(seconds=5)  # so long before the next delivery is to go out, the next step is taken

State = Literal["running", "completed", "cancelled", "failed"]
Only = Literal["all", "failed"]


class Past(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="past"):
    """The events from `since` to before `until`, as far as the operational endpoint and this ask for them."""

    operational_endpoint_id: str
    since: datetime
    until: datetime
    types: tuple[str, ...] = ()
    filter: str | None = None
    only: Only = "all"
    rate_per_second: int
    dry_run: bool = False


class OneEvent(msgspec.Struct, frozen=True, kw_only=True, tag="event"):
    """That event, to those who are named."""

    event_id: str
    operational_endpoint_ids: tuple[str, ...]


Asked = Past | OneEvent


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """`counted` are the events that it is about, as far as it has looked; `sent` the deliveries that it has queued;
    `failed` what could not be read, told or delivered to anybody. `step` is the number of the next one."""

    replay_id: str
    application_id: str
    asked: Asked
    request_digest: str
    created_at: str
    updated_at: str
    goes_on_at: datetime
    state: State = "running"
    reason: str | None = None
    ended_at: str | None = None
    step: int = 0
    place: Place | None = None
    counted: int = 0
    sent: int = 0
    failed: int = 0


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What a step did. `ends` is how the replay ended with it, None where it goes on."""

    place: Place | None = None
    counted: int = 0
    sent: int = 0
    failed: int = 0
    goes_on_at: datetime
    ends: State | None = None
    reason: str | None = None


# ── What a wake-up leads to. Pure ──


class Take(msgspec.Struct, frozen=True):
    """The step."""


class Later(msgspec.Struct, frozen=True):
    """Look again after `delay`."""

    delay: timedelta


class Follow(msgspec.Struct, frozen=True):
    """It was taken, and whoever took it may have been killed before waking the next: `step`."""

    step: int


class Nothing(msgspec.Struct, frozen=True):
    """It is over, or others are ahead."""


def next_move(replay: Replay | None, step: int, sent_at: datetime, now: datetime) -> Take | Later | Follow | Nothing:
    """What to do on a wake-up for `step` that was sent at `sent_at`. Wake-ups are sent before the record is made, for
    nobody would go on with a record that has none."""
    if replay is None:
        return Later(_LOOKS_AGAIN) if now - sent_at < _FIRST_WITHIN else Nothing()
    if replay.state != "running" or step < replay.step - 1:
        return Nothing()
    if step < replay.step:
        return Follow(replay.step)
    due_at = replay.goes_on_at - LEAD
    return Later(due_at - now) if due_at > now else Take()


# ── On record ──


def create(replay: Replay, entry: Entry) -> bool:
    """False where another to its operational endpoint is running, or there is one of its id."""
    table, item = tables.Replay, _to_item(replay)
    is_new = table.replay_id.does_not_exist()
    if isinstance(replay.asked, OneEvent):
        return writes.put_if(is_new, item, beside=audit.items(entry))
    active = _active(replay.asked.operational_endpoint_id, replay)
    return writes.put_if(is_new, active, beside=[item, *audit.items(entry)])


def find(replay_id: str) -> Replay | None:
    """As it is now."""
    if replay_id.startswith(_ACTIVE):
        return None
    try:
        item = tables.Replay.get(replay_id, consistent_read=True)
    except tables.Replay.DoesNotExist:
        return None
    is_kept = item.expires_at is None or item.expires_at > times.now().timestamp()
    return from_item(item) if is_kept else None


def running(operational_endpoint_id: str) -> str | None:
    """The id of the replay to the operational endpoint that is running."""
    try:
        return tables.Replay.get(_ACTIVE + operational_endpoint_id, consistent_read=True).holder
    except tables.Replay.DoesNotExist:
        return None


def note(replay: Replay, taken: Taken) -> Replay | None:
    """Puts a step on record: the replay as it is then. None where somebody else has taken it, or cancelled the replay;
    then it is counted all the same."""
    now, table = times.now(), tables.Replay
    new = replace(
        replay,
        step=replay.step + 1,
        place=taken.place or replay.place,
        goes_on_at=taken.goes_on_at,
        counted=replay.counted + taken.counted,
        sent=replay.sent + taken.sent,
        failed=replay.failed + taken.failed,
        updated_at=times.to_text(now),
    )
    actions: list[Action] = [
        table.step.set(new.step),
        table.counted.set(new.counted),
        table.sent.set(new.sent),
        table.failed.set(new.failed),
        table.updated_at.set(new.updated_at),
        table.goes_on_at.set(times.to_text(new.goes_on_at)),
        *([table.place.set(_place_to_text(new.place))] if new.place else []),
    ]
    item, is_next = table(replay.replay_id), table.step == replay.step
    is_running = is_next & (table.state == "running")
    if taken.ends is None:
        is_noted = writes.update_if(is_running, item, *actions)
    else:
        new = replace(new, state=taken.ends, reason=taken.reason, ended_at=new.updated_at)
        is_noted = _end(new, is_running, actions, now)
    if not is_noted:
        writes.update_if(is_next, table(replay.replay_id), *actions)
    return new if is_noted else None


def cancelled(replay: Replay, now: datetime) -> Replay:
    """Pure."""
    text = times.to_text(now)
    return replace(replay, state="cancelled", updated_at=text, ended_at=text)


def cancel(ended: Replay, entry: Entry) -> bool:
    """Puts on record that it is `cancelled`. False where a step was taken since it was read, or it has ended."""
    table = tables.Replay
    is_as_found = (table.step == ended.step) & (table.state == "running")
    actions = [table.updated_at.set(ended.updated_at)]
    return _end(ended, is_as_found, actions, times.now(), beside=audit.items(entry))


def _end(
    ended: Replay,
    condition: Condition,
    actions: Sequence[Action],
    now: datetime,
    beside: Sequence[tables.Audit] = (),
) -> bool:
    table = tables.Replay
    how: list[Action] = [
        table.state.set(ended.state),
        table.ended_at.set(ended.ended_at or times.to_text(now)),
        table.expires_at.set(tables.expiry(now, _KEPT_DAYS)),
        *([table.reason.set(ended.reason)] if ended.reason else []),
    ]
    asked = ended.asked
    without = [] if isinstance(asked, OneEvent) else [_active(asked.operational_endpoint_id, ended)]
    return writes.update_if(condition, table(ended.replay_id), *actions, *how, beside=beside, without=without)


def is_mark(item: tables.Replay) -> bool:
    """Whether it is no replay, but says that one is running."""
    return item.replay_id.startswith(_ACTIVE)


def _active(operational_endpoint_id: str, replay: Replay) -> tables.Replay:
    return tables.Replay(
        _ACTIVE + operational_endpoint_id, application_id=replay.application_id, holder=replay.replay_id
    )


def _to_item(replay: Replay) -> tables.Replay:
    return tables.Replay(
        replay_id=replay.replay_id,
        application_id=replay.application_id,
        asked=msgspec.json.encode(replay.asked).decode(),
        request_digest=replay.request_digest,
        state=replay.state,
        step=replay.step,
        goes_on_at=times.to_text(replay.goes_on_at),
        counted=replay.counted,
        sent=replay.sent,
        failed=replay.failed,
        created_at=replay.created_at,
        updated_at=replay.updated_at,
    )


def from_item(item: tables.Replay) -> Replay:
    return Replay(
        replay_id=item.replay_id,
        application_id=item.application_id,
        asked=msgspec.json.decode(item.asked or "", type=Asked),
        request_digest=item.request_digest or "",
        state=item.state,  # type: ignore[arg-type]  # as was written
        reason=item.reason,
        step=int(item.step or 0),
        place=msgspec.json.decode(item.place, type=Place) if item.place else None,
        goes_on_at=times.from_text(item.goes_on_at or ""),
        counted=int(item.counted or 0),
        sent=int(item.sent or 0),
        failed=int(item.failed or 0),
        created_at=item.created_at or "",
        updated_at=item.updated_at or "",
        ended_at=item.ended_at,
    )


def _place_to_text(place: Place) -> str:
    return msgspec.json.encode(place).decode()
