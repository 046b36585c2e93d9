"""Rate limits: when deliveries to an operational endpoint go out. The rule is checked on the clock, not by waiting."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookwatch.notifying import pacing
from tests.in_process.signals import unique

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)

pytestmark = pytest.mark.usefixtures("aws")


def most_in_a_second(moments: list[datetime]) -> int:
    return max(sum(start <= moment < start + SECOND for moment in moments) for start in moments)


def test_places_are_an_interval_apart_and_the_next_ones_stand_behind_them() -> None:
    name = unique("oep")
    first, second = pacing.line_up(name, 3, 5, NOW), pacing.line_up(name, 2, 5, NOW + SECOND / 10)
    assert [place - NOW for place in first + second] == [SECOND / 5 * n for n in range(5)]


def test_a_line_that_has_ended_begins_anew() -> None:
    name = unique("oep")
    pacing.line_up(name, 3, 5, NOW)
    assert pacing.line_up(name, 1, 5, NOW + SECOND) == [NOW + SECOND]


def test_a_slot_is_taken_once_and_none_is_given_out_far_ahead() -> None:
    name = unique("oep")
    slots = [pacing.take_slot(name, 5, NOW) for _ in range(30)]
    taken = [slot for slot in slots if slot]
    assert taken == [NOW + SECOND / 5 * n for n in range(11)]
    assert max(taken) - NOW <= pacing.SLOT_WITHIN
    assert pacing.take_slot(name, 5, NOW + SECOND) == NOW + SECOND / 5 * 11


def test_many_who_come_at_once_get_a_slot_each() -> None:
    name = unique("oep")
    with ThreadPoolExecutor(8) as threads:
        slots = list(threads.map(lambda _: pacing.take_slot(name, 50, NOW), range(40)))
    assert None not in slots
    assert len(set(slots)) == 40


@settings(deadline=None, max_examples=15)
@given(
    rate=st.sampled_from([1, 3, 5, 7]),
    comes=st.lists(st.floats(0, 8), min_size=10, max_size=40),
)
def test_whenever_they_come_never_more_than_the_rate_go_out_in_a_second(rate: int, comes: list[float]) -> None:
    """Also after a stall, when all come late: `comes` are bunched in any way."""
    name = unique("oep")
    slots = [pacing.take_slot(name, rate, NOW + SECOND * moment) for moment in sorted(comes)]
    assert most_in_a_second([slot for slot in slots if slot]) <= rate


def simulated(rate: int, number: int, stall: float) -> Iterator[datetime]:
    """`number` deliveries lined up at once, whose function works on nothing for the first `stall` seconds."""
    name = unique("oep")
    waiting = [max(place, NOW + SECOND * stall) for place in pacing.line_up(name, number, rate, NOW)]
    while waiting:
        waiting.sort()
        now = waiting.pop(0)
        slot = pacing.take_slot(name, rate, now)
        if slot is None:
            waiting += pacing.line_up(name, 1, rate, now + pacing.SLOT_WITHIN)
        else:
            yield slot


@pytest.mark.parametrize("stall", [0, 1.5, 30])
def test_all_go_out_at_the_rate_even_where_the_queue_stood_still(stall: float) -> None:
    slots = list(simulated(5, 60, stall))
    assert len(slots) == 60
    assert most_in_a_second(slots) <= 5
    # No livelock: whoever lined up again is served at the rate too.
    assert max(slots) - NOW <= SECOND * (stall + 60 / 5 * 2 + 4)
