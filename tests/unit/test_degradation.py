from typing import Any

import pytest
from msgspec.structs import replace

from hookwatch.observing import degradation
from hookwatch.observing.degradation import Degradation, Facts
from hookwatch.operational_events import OperationalEvent
from hookwatch.policy import Policy
from tests.unit.factories import APPLICATION_ID, at, schema_errors

CALM = Facts(endpoints_failing=0, endpoints_active=40, attempts_per_minute=1000, attempts_per_minute_before=1000)


def facts(**fields: Any) -> Facts:
    return replace(CALM, **fields)


MANY_FAILING = facts(endpoints_failing=8)
MUCH_TRAFFIC = facts(attempts_per_minute=210_000)


def judged(*minutes: Facts, policy: Policy | None = None) -> tuple[list[bool], list[OperationalEvent]]:
    """Whether it is degraded after each minute, and what was told."""
    state, degraded, told = Degradation(), list[bool](), list[OperationalEvent]()
    for minute, each in enumerate(minutes):
        state, events = degradation.judge(APPLICATION_ID, state, each, at(minute * 60), policy or Policy())
        degraded.append(state.since is not None)
        told += events
    assert [schema_errors(event) for event in told] == [[]] * len(told)
    return degraded, told


def types(*minutes: Facts, policy: Policy | None = None) -> list[str]:
    return [event.type for event in judged(*minutes, policy=policy)[1]]


# ── endpoints ──


@pytest.mark.parametrize(
    ("failing", "active", "is_degraded"),
    [(8, 40, True), (7, 40, False), (5, 25, True), (5, 26, False), (4, 4, False), (5, 5, True), (5, 0, True)],
)
def test_a_fifth_of_the_active_endpoints_and_five_of_them_degrade_an_application(
    failing: int, active: int, is_degraded: bool
) -> None:
    degraded, told = judged(facts(endpoints_failing=failing, endpoints_active=active))

    assert degraded == [is_degraded]
    assert [event.data["reason"] for event in told] == ["endpoints"] * is_degraded


def test_it_is_told_once_while_it_lasts() -> None:
    degraded, told = judged(*[MANY_FAILING] * 300)

    assert all(degraded)
    assert [event.type for event in told] == ["application.degraded"]


@pytest.mark.parametrize(
    ("failing", "active", "recovers"),
    [
        (3, 40, True),
        (4, 40, False),  # a tenth
        (7, 40, False),
        (2, 8, True),  # less than half of five
        (1, 5, True),
        (3, 8, False),
        (0, 0, True),
    ],
)
def test_it_recovers_after_five_minutes_below_half_of_what_degrades_it(
    failing: int, active: int, recovers: bool
) -> None:
    calmer = facts(endpoints_failing=failing, endpoints_active=active)
    degraded, _ = judged(MANY_FAILING, *[calmer] * 6)

    assert degraded == [True] * 6 + [not recovers]


def test_what_is_calm_for_a_moment_only_is_still_degraded() -> None:
    flapping = [MANY_FAILING, *[CALM] * 4] * 12
    degraded, told = judged(*flapping, *[CALM] * 2)

    assert degraded[:-1] == [True] * 61
    assert [event.type for event in told] == ["application.degraded", "application.recovered"]


def test_both_events_have_the_same_dedup_key_and_another_degradation_has_its_own() -> None:
    spell = [MANY_FAILING, *[CALM] * 6]
    _, told = judged(*spell, *spell)

    assert [event.type for event in told] == ["application.degraded", "application.recovered"] * 2
    keys = [event.data["dedup_key"] for event in told]
    assert keys[0] == keys[1] != keys[2] == keys[3]
    assert [event.data["sequence"] for event in told] == [1, 2, 3, 4]
    assert told[1].data["duration_seconds"] == 360
    assert len({event.event_id for event in told}) == 4


# ── traffic ──


@pytest.mark.parametrize(
    ("attempts", "before", "is_degraded"),
    [
        (5001, 1000, True),
        (5000, 1000, False),
        (99, 1, False),  # few, whatever the factor
        (100, 1, True),
        (100, 0, True),
        (10**6, None, False),  # too little is known
    ],
)
def test_more_than_five_times_the_hour_before_degrades_an_application(
    attempts: int, before: int | None, is_degraded: bool
) -> None:
    degraded, told = judged(facts(attempts_per_minute=attempts, attempts_per_minute_before=before))

    assert degraded == [is_degraded]
    assert [event.data["reason"] for event in told] == ["traffic"] * is_degraded


def test_forty_minutes_from_16_to_3500_attempts_a_second_are_one_degradation() -> None:
    """The mean of the hour before rises while it lasts, and is not what it is compared with."""
    rising = [
        facts(attempts_per_minute=210_000, attempts_per_minute_before=960 + 3500 * minute) for minute in range(40)
    ]
    after = [facts(attempts_per_minute=960, attempts_per_minute_before=140_000)] * 10
    degraded, told = judged(*[facts(attempts_per_minute=960, attempts_per_minute_before=960)] * 60, *rising, *after)

    assert degraded == [False] * 60 + [True] * 45 + [False] * 5
    assert [event.type for event in told] == ["application.degraded", "application.recovered"]
    assert told[0].data["attempts_per_minute"] == 210_000
    assert told[0].data["attempts_per_minute_before"] == 960


def test_what_lasts_for_an_hour_is_the_new_normal() -> None:
    stays = [facts(attempts_per_minute=6000, attempts_per_minute_before=min(6000, 1000 + 85 * n)) for n in range(70)]
    degraded, told = judged(*stays)

    assert degraded == [True] * 65 + [False] * 5
    assert [event.type for event in told] == ["application.degraded", "application.recovered"]


def test_both_at_once_are_one_degradation_that_lasts_until_both_are_over() -> None:
    both = facts(endpoints_failing=8, attempts_per_minute=210_000)
    degraded, told = judged(both, *[MUCH_TRAFFIC] * 10, *[CALM] * 6)

    assert degraded == [True] * 16 + [False]
    assert [event.data["reason"] for event in told] == ["endpoints", "endpoints"]


def test_the_numbers_are_the_policys() -> None:
    policy = Policy(degraded_at_share=0.5, degraded_from_endpoints=2, degraded_at_factor=2, degraded_from_attempts=10)

    assert types(facts(endpoints_failing=2, endpoints_active=4), policy=policy) == ["application.degraded"]
    assert types(facts(endpoints_failing=2, endpoints_active=5), policy=policy) == []
    assert types(facts(attempts_per_minute=21, attempts_per_minute_before=10), policy=policy) == [
        "application.degraded"
    ]


def test_all_is_well_and_nothing_is_told() -> None:
    assert judged(*[CALM] * 1500) == ([False] * 1500, [])
