from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookwatch import times
from hookwatch.catalogue import CATALOGUE
from hookwatch.notifying import mutes
from hookwatch.notifying.mutes import Mute, Spell
from hookwatch.operational_events import OperationalEvent
from tests.unit.factories import APPLICATION_ID, ENDPOINT_ID, at

DAY = 86_400


def mute(start: float, end: float, *earlier: Spell) -> Mute:
    return Mute(
        endpoint_id=ENDPOINT_ID,
        created_at=at(start),
        created_by="key:k1",
        reason="migration",
        spell=Spell(at(start), at(end)),
        earlier=earlier,
    )


def event(type_: str, second: float, **data: Any) -> OperationalEvent:
    return OperationalEvent(
        event_id="evt_1",
        application_id=APPLICATION_ID,
        type=type_,
        timestamp=at(second),
        data={"endpoint_id": ENDPOINT_ID} | data,
    )


def recovered(second: float, opened_at: datetime) -> OperationalEvent:
    return event("endpoint.recovered", second, opened_at=times.to_text(opened_at))


@pytest.mark.parametrize(("second", "expected"), [(9, False), (10, True), (19, True), (20, False)])
def test_a_mute_covers_from_its_start_to_before_its_end(second: float, expected: bool) -> None:
    assert mutes.covers(mute(10, 20), event("endpoint.failing", second)) is expected


@pytest.mark.parametrize("type_", [*CATALOGUE, "endpoint.warning", "message.attempt.failing", "invoice.overdue"])
def test_incidents_are_muted_and_changes_and_the_platforms_own_events_are_not(type_: str) -> None:
    is_incident = type_ in {"endpoint.failing", "endpoint.warning", "endpoint.recovered"} or "attempt" in type_
    assert mutes.covers(mute(10, 20), event(type_, 15)) is is_incident


@pytest.mark.parametrize(
    ("second", "opened", "expected"), [(15, 5, False), (25, 15, True), (25, 5, False), (15, 12, True)]
)
def test_a_recovery_is_muted_exactly_when_its_failing_was(second: float, opened: float, expected: bool) -> None:
    assert mutes.covers(mute(10, 20), recovered(second, at(opened))) is expected


def test_a_recovery_that_does_not_say_when_it_opened_goes_by_its_own_moment() -> None:
    assert mutes.covers(mute(10, 20), event("endpoint.recovered", 15))
    assert not mutes.covers(mute(10, 20), event("endpoint.recovered", 25))


def test_muting_again_keeps_what_the_earlier_mute_covered() -> None:
    again = mutes.replaced(mute(10, 20), mute(30, 40))
    assert [mutes.covers(again, event("endpoint.failing", second)) for second in (15, 25, 35)] == [True, False, True]


def test_muting_again_while_muted_leaves_no_gap_and_ends_when_the_new_one_says() -> None:
    again = mutes.replaced(mute(10, 100), mute(15, 20))
    assert [mutes.covers(again, event("endpoint.failing", second)) for second in (12, 17, 25)] == [True, True, False]


def test_muting_again_and_again_is_remembered_as_one_spell_and_spells_are_not_without_number() -> None:
    joined, apart = mute(0, 1_000_000), mute(0, 1)
    for number in range(1, 500):
        joined = mutes.replaced(joined, mute(number, 1_000_000))
        apart = mutes.replaced(apart, mute(2 * number, 2 * number + 1))
    assert joined.earlier == (Spell(at(0), at(499)),)
    assert len(apart.earlier) == 100


def test_a_spell_is_forgotten_a_week_after_its_end() -> None:
    assert mutes.replaced(mute(10, 20), mute(20 + 7 * DAY - 1, 30 * DAY)).earlier == (Spell(at(10), at(20)),)
    assert mutes.replaced(mute(10, 20), mute(20 + 7 * DAY, 30 * DAY)).earlier == ()


def test_a_mute_that_is_ended_still_covers_what_happened_before() -> None:
    ended = mutes.ended(mute(10, 100), at(20))
    assert mutes.covers(ended, recovered(30, at(15)))
    assert not mutes.covers(ended, event("endpoint.failing", 30))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 200)), min_size=1, max_size=6), st.integers(0, 700))
def test_whatever_is_muted_after_it_a_failing_that_was_muted_stays_so(
    spans: list[tuple[int, int]], second: int
) -> None:
    """Each span is (moment of the muting, seconds)."""
    spans.sort()
    known: Mute | None = None
    verdicts = set()
    for number, (start, seconds) in enumerate(spans):
        known = mutes.replaced(known, mute(start, start + seconds))
        following = spans[number + 1][0] if number + 1 < len(spans) else 1_000
        if second < following:
            verdicts.add(mutes.covers(known, event("endpoint.failing", second)))
    assert len(verdicts) <= 1
