"""DeliveryPace: when deliveries to an operational endpoint with a rate limit go out.

Two clocks (GCRA, the generic cell rate algorithm). A *place* in the line says when to come: what is queued gets one,
many at a time, so that it comes a little at a time. A *slot* is the right to post then, and what has come takes one. So
deliveries that come late, or all at once after a stall, still go out one interval apart; and since only posts take
slots, what comes finds one whenever the receiver has had nothing for an interval.
"""

import math
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from hookwatch import tables, writes
from hookwatch.notifying.endpoints import OperationalEndpoint
from hookwatch.notifying.retry import Wait

RATE_AT_MOST = 500  # deliveries a second; a slot is one write, and an item takes 1,000 a second (DynamoDB quotas)
SLOT_WITHIN = timedelta(seconds=2)  # what a delivery may wait for its slot inside a running function
YIELDS_WITHIN = timedelta(seconds=0.5)  # and one of a replay: of a second's, at half the limit, the last waits so long
YIELDS_FOR = timedelta(seconds=10)
_KEPT_DAYS = 30  # twice as long as a queue keeps what waits in line
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Clock = Literal["slots_end_at", "line_ends_at"]


class Go(msgspec.Struct, frozen=True):
    """Post, after so many seconds."""

    after: float = 0.0


def turn(
    endpoint: OperationalEndpoint, now: datetime, comes_at: datetime | None = None, *, yields: bool = False
) -> Go | Wait:
    """When a delivery that has its place in line at `comes_at` is to go out to `endpoint`: soon, or so much later that
    it has to come again. One of a replay `yields`: it has no place in line, and none is given to it."""
    if endpoint.rate_limit is None:
        return Go()
    name = endpoint.operational_endpoint_id
    if yields:
        slot = take_slot(name, endpoint.rate_limit, now, YIELDS_WITHIN)
        return Wait(YIELDS_FOR) if slot is None else Go((slot - now).total_seconds())
    if comes_at is not None and comes_at > now and comes_at < end_of_line(name):
        return Wait(comes_at - now)
    slot = take_slot(name, endpoint.rate_limit, now)
    if slot is not None:
        return Go((slot - now).total_seconds())
    [place] = line_up(name, 1, endpoint.rate_limit, now + SLOT_WITHIN)
    return Wait(place - now, is_placed=True)


def disband(operational_endpoint_id: str) -> None:
    """Ends the line: the limit has changed. Who stands behind the end of a line has no place in it any more."""
    tables.DeliveryPace(operational_endpoint_id).delete()


def end_of_line(operational_endpoint_id: str) -> datetime:
    """Up to when places in the line are taken."""
    try:
        end = tables.DeliveryPace.get(operational_endpoint_id, consistent_read=True).line_ends_at
    except tables.DeliveryPace.DoesNotExist:
        end = None
    return _EPOCH + timedelta(microseconds=int(end or 0))


def take_slot(
    operational_endpoint_id: str, rate: int, now: datetime, within: timedelta = SLOT_WITHIN
) -> datetime | None:
    """When to post, at most `within` ahead; None where all slots until then are taken."""
    taken = _advance("slots_end_at", operational_endpoint_id, 1, rate, now, latest=now + within)
    return taken[0] if taken else None


def line_up(operational_endpoint_id: str, number: int, rate: int, start: datetime) -> list[datetime]:
    """`number` places in the line, an interval apart, the first at `start` or behind whoever is in line."""
    while (places := _advance("line_ends_at", operational_endpoint_id, number, rate, start)) is None:
        continue  # somebody disbanded it between the two writes
    return places


def _advance(
    clock: Clock, operational_endpoint_id: str, number: int, rate: int, start: datetime, latest: datetime | None = None
) -> list[datetime] | None:
    """Moves a clock on by `number` intervals, from `start` or from where it stands; one write, or two.

    None where it stands beyond `latest`.
    """
    interval = math.ceil(1_000_000 / rate)
    attribute = getattr(tables.DeliveryPace, clock)
    first, length = _microseconds(start), number * interval
    is_behind = attribute.does_not_exist() | (attribute <= first)
    is_ahead = (attribute > first) if latest is None else attribute.between(first + 1, _microseconds(latest))
    for condition, moved in ((is_behind, attribute.set(first + length)), (is_ahead, attribute.add(length))):
        item = tables.DeliveryPace(operational_endpoint_id)
        kept = tables.DeliveryPace.expires_at.set(tables.expiry(start, _KEPT_DAYS))
        if writes.update_if(condition, item, moved, kept):
            begins = int(getattr(item, clock)) - length
            return [_EPOCH + timedelta(microseconds=begins + n * interval) for n in range(number)]
    return None


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
