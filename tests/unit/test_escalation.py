"""How an incident that goes on is told: warnings, automatic disabling, and the sweeper's part in it."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookwatch.observing import escalation, incidents
from hookwatch.observing.health import Health
from hookwatch.observing.incidents import Tick
from hookwatch.observing.signals import Attempt, ChangeType, Report
from hookwatch.operational_events import OperationalEvent
from hookwatch.policy import Policy
from tests.unit.factories import APPLICATION_ID, ENDPOINT_ID, START, at, change, failure, report, success
from tests.unit.simulation import DAY, HOUR, MINUTE, Night, seconds_of
from tests.unit.test_incidents import histories

UNKNOWN = Health(application_id=APPLICATION_ID, endpoint_id=ENDPOINT_ID)
# An incident that opens with its tenth failure after an hour and a half.
DEAD = [failure(number * 600) for number in range(10)]
OPENED = 90 * MINUTE


def failing_for(days: float, every: float = HOUR, **fields: Any) -> list[Attempt]:
    return [failure(number * every, **fields) for number in range(round(days * DAY / every))]


def steps(night: Night) -> list[tuple[str, float]]:
    return [(event.data["step"], seconds_of(event)) for event in night.told("endpoint.warning")]


def tick(health: Health, seconds: float, policy: Policy | None = None) -> tuple[Health, tuple[OperationalEvent, ...]]:
    return incidents.fold(health, [Tick(at(seconds))], {}, policy or Policy())


# ── warnings ──


def test_an_incident_warns_at_one_hour_and_a_day_by_the_sweeper_alone() -> None:
    night = Night(DEAD).goes_on(2 * DAY)

    assert steps(night) == [("1h", OPENED + HOUR), ("24h", OPENED + DAY)]
    assert night.ticks == 2


@pytest.mark.parametrize("reported_by", ["key:k1", "source:s1"])
def test_the_way_to_disabling_warns_at_half_seven_tenths_and_nine_tenths(reported_by: str) -> None:
    named = change("endpoint.created", -60)
    night = Night([named, *failing_for(4.9)], reported_by=reported_by)

    assert [step for step, _ in steps(night)] == ["1h", "24h", "50%", "70%", "90%"]
    assert [seconds for _, seconds in steps(night)][2:] == [2.5 * DAY, 3.5 * DAY, 4.5 * DAY]
    warning = night.told("endpoint.warning")[-1]
    assert warning.data["progress"] == 0.9
    assert (warning.data["disables_at"] is None) is (reported_by == "source:s1")


@pytest.mark.parametrize(
    ("hours", "expected"), [(1, "1h"), (23.9, "1h"), (24, "24h"), (58, "24h"), (59, "50%"), (110, "50%")]
)
def test_of_several_steps_at_once_the_highest_is_told(hours: float, expected: str) -> None:
    night = Night(DEAD)
    _, events = tick(night.health, OPENED + hours * HOUR)

    assert [(event.type, event.data["step"]) for event in events] == [("endpoint.warning", expected)]


def test_a_step_is_told_once_however_often_time_passes() -> None:
    health, events = Night(DEAD).health, list[str]()
    for minute in range(24 * 60):
        health, told = tick(health, OPENED + minute * MINUTE)
        events += [event.data["step"] for event in told]

    assert events == ["1h"]


def test_a_success_ends_the_way_to_disabling_but_not_the_incident() -> None:
    """An endpoint that still takes some messages is never disabled for those that it refuses."""
    mostly = [
        attempt
        for number in range(6 * 24 * 12)
        for attempt in (failure(number * 300), success(number * 300 + 150) if number % 40 == 39 else None)
        if attempt
    ]
    night = Night(mostly)

    assert "endpoint.disabled" not in night.types()
    assert {step for step, _ in steps(night)} <= {"1h", "24h"}


def test_the_steps_are_the_policys() -> None:
    policy = Policy(warns_after_hours=(2, 3), warns_at_progress=(0.25,), disables_after_days=1)
    night = Night(failing_for(0.9, every=10 * MINUTE), policy=policy)

    assert [step for step, _ in steps(night)] == ["2h", "3h", "25%"]


# ── automatic disabling ──


def test_five_days_and_twenty_failures_disable() -> None:
    night = Night(failing_for(4.99)).goes_on(5 * DAY + HOUR)

    (disabled,) = night.told("endpoint.disabled")
    assert seconds_of(disabled) == 5 * DAY
    assert disabled.data["trigger"] == "automatic"
    assert disabled.data["actor"] == "hookwatch"
    assert disabled.data["progress"] == 1.0
    assert disabled.data["dedup_key"] == night.told("endpoint.failing")[0].data["dedup_key"]
    assert night.minutes(10 * 60, 5 * 24 * 60 - 1) == {"failing"}
    assert night.minutes(5 * 24 * 60, 5 * 24 * 60 + 60) == {"disabled"}
    assert night.health.incident is not None


def test_five_days_with_nineteen_failures_do_not_and_the_twentieth_does() -> None:
    few = failing_for(5.5, every=7 * HOUR)
    assert len(few) == 19

    night = Night(few)
    assert night.told("endpoint.disabled") == []
    assert steps(night)[-1][0] == "90%"

    night = Night([*few, failure(5.5 * DAY)])
    assert [seconds_of(event) for event in night.told("endpoint.disabled")] == [5.5 * DAY]


def test_what_is_disabled_is_not_warned_of_in_the_same_moment() -> None:
    health, _ = incidents.fold(UNKNOWN, [report(attempt) for attempt in failing_for(1)], {}, Policy())

    _, events = tick(health, 5 * DAY)
    assert [event.type for event in events] == ["endpoint.disabled"]


@pytest.mark.parametrize(
    ("authority", "reported_by", "disables"),
    [
        ("default", "key:k1", True),
        ("default", "source:s1", False),
        ("platform", "key:k1", False),
        ("hookwatch", "source:s1", True),
    ],
)
def test_only_who_has_the_authority_disables_and_else_it_stops_at_the_warning(
    authority: Any, reported_by: str, disables: bool
) -> None:
    named = change("endpoint.created", -60)
    policy = Policy(disable_authority=authority)
    night = Night([named, *failing_for(6)], policy=policy, reported_by=reported_by)

    assert (len(night.told("endpoint.disabled")) == 1) is disables
    assert [step for step, _ in steps(night)] == ["1h", "24h", "50%", "70%", "90%"]
    assert night.health.state == ("disabled" if disables else "failing")


@pytest.fixture(scope="module")
def disabled() -> list[Attempt]:
    """The attempts that disable it after five days."""
    return failing_for(5 + 1 / 24)


@pytest.mark.parametrize(
    ("type_", "trigger", "expected", "state"),
    [
        ("endpoint.enabled", "manual", ["endpoint.enabled", "endpoint.recovered"], "healthy"),
        ("endpoint.deleted", "manual", ["endpoint.deleted", "endpoint.recovered"], "deleted"),
        ("endpoint.disabled", "automatic", [], "disabled"),  # the platform has obeyed
    ],
)
def test_after_an_automatic_disabling_the_platforms_word_counts(
    disabled: list[Attempt], type_: ChangeType, trigger: str, expected: list[str], state: str
) -> None:
    night = Night([*disabled, change(type_, 5 * DAY + 2 * HOUR, trigger=trigger)])

    assert night.types()[night.types().index("endpoint.disabled") + 1 :] == expected
    assert night.health.state == state
    if expected:
        assert night.told()[-1].data["reason"] == type_.removeprefix("endpoint.")
        assert night.told()[-1].data["dedup_key"] == night.told("endpoint.failing")[0].data["dedup_key"]
    night.ends()


def test_after_an_automatic_disabling_a_success_recovers_and_it_is_disabled_no_more(disabled: list[Attempt]) -> None:
    night = Night([*disabled, success(5 * DAY + 2 * HOUR)]).goes_on(5 * DAY + 3 * HOUR)

    assert night.types()[-2:] == ["endpoint.disabled", "endpoint.recovered"]
    assert night.told()[-1].data["reason"] == "traffic"
    assert night.health.state == "healthy"


def test_after_an_automatic_disabling_and_silence_it_recovers_silent_and_stays_disabled(
    disabled: list[Attempt],
) -> None:
    night = Night(disabled).ends()

    assert night.types()[-2:] == ["endpoint.disabled", "endpoint.recovered"]
    assert night.told()[-1].data["reason"] == "silent"
    assert night.health.state == "disabled"


def test_an_enabling_that_an_update_spells_out_ends_an_automatic_disabling(disabled: list[Attempt]) -> None:
    """Though the platform has never said that it obeyed."""
    configuration = {"url": "https://a.example/", "is_enabled": True}
    created = change("endpoint.created", -60, configuration=configuration)
    enabled = change(
        "endpoint.updated",
        5 * DAY + 2 * HOUR,
        configuration=configuration,
        changes={"is_enabled": {"from": False, "to": True}},
    )
    night = Night([created, *disabled, enabled])

    assert night.types()[-3:] == ["endpoint.disabled", "endpoint.enabled", "endpoint.recovered"]
    assert night.health.state == "healthy"


def test_a_snapshot_that_never_knew_of_an_automatic_disabling_does_not_end_it(disabled: list[Attempt]) -> None:
    configuration = {"url": "https://a.example/", "is_enabled": True}
    created = change("endpoint.created", -60, configuration=configuration)
    night = Night([created, *disabled, change("endpoint.updated", 5 * DAY + 2 * HOUR, configuration=configuration)])

    assert night.types()[-1] == "endpoint.disabled"
    assert night.health.state == "disabled"


def test_what_the_platform_disabled_itself_is_warned_of_no_more_and_needs_no_sweep_until_it_is_silent() -> None:
    night = Night([*failing_for(1), change("endpoint.disabled", DAY, trigger="automatic")])
    before, ticks = len(night.events), night.ticks
    night.ends()

    assert night.types()[before:] == ["endpoint.recovered"]
    assert night.told()[-1].data["reason"] == "silent"
    assert night.ticks - ticks <= 2


# ── closing without traffic ──


@pytest.mark.parametrize(
    ("type_", "reason"),
    [("endpoint.enabled", "enabled"), ("endpoint.deleted", "deleted"), ("endpoint.disabled", "disabled")],
)
def test_what_a_person_does_closes(type_: ChangeType, reason: str) -> None:
    disabled_by_itself = [change("endpoint.disabled", OPENED + 1, trigger="automatic")] * (reason == "enabled")
    night = Night([*DEAD, *disabled_by_itself, change(type_, OPENED + 60)])

    (closed,) = night.told("endpoint.recovered")
    assert (closed.data["reason"], closed.data["duration_seconds"]) == (reason, OPENED + 60)
    night.ends()


def test_silence_is_told_as_of_its_five_days_however_late_the_sweeper_is() -> None:
    _, events = tick(Night(DEAD).health, 30 * DAY)

    closed = events[-1]
    assert (closed.type, closed.data["reason"]) == ("endpoint.recovered", "silent")
    assert seconds_of(closed) == OPENED + 5 * DAY


def test_a_tick_of_an_endpoint_without_an_incident_changes_nothing() -> None:
    healthy = Night([success(0)]).health

    assert escalation.due_at(healthy, Policy()) is None
    assert tick(healthy, 30 * DAY) == (healthy, ())


# ── for any history ──


@settings(deadline=None, max_examples=100)
@given(histories(), st.booleans(), st.sampled_from([0, 0.5, 0.999]))
def test_before_it_is_due_there_is_nothing_for_a_sweep_to_say(
    history: list[Report], sourced: bool, share: float
) -> None:
    policy = Policy(disable_authority="platform" if sourced else "hookwatch")
    health, _ = incidents.fold(UNKNOWN, history, {}, policy)
    due_at = escalation.due_at(health, policy)

    if health.incident is None or health.last_attempt is None:
        assert due_at is None
    else:
        assert due_at is not None
        now = health.last_attempt.at + (due_at - health.last_attempt.at) * share
        if due_at > now >= health.last_attempt.at:
            assert incidents.fold(health, [Tick(now)], {}, policy)[1] == ()


@settings(deadline=None, max_examples=60)
@given(histories())
def test_every_failing_is_followed_by_exactly_one_recovered_in_the_end(history: list[Report]) -> None:
    policy = Policy()
    health, events = incidents.fold(UNKNOWN, history, {}, policy)
    told, ticks = list(events), 0
    now = max((one.received_at for one in history), default=START)
    while (due_at := escalation.due_at(health, policy)) is not None:
        now, ticks = max(now + timedelta(minutes=1), due_at), ticks + 1
        assert ticks < 100
        health, events = incidents.fold(health, [Tick(now)], {}, policy)
        told += events
    spells = [
        (event.data["dedup_key"], event.data["reopened"], event.type)
        for event in told
        if event.type in ("endpoint.failing", "endpoint.recovered")
    ]
    assert len(set(spells)) == len(spells)
    assert [(key, n) for key, n, type_ in spells if type_ == "endpoint.failing"] == [
        (key, n) for key, n, type_ in spells if type_ == "endpoint.recovered"
    ]
