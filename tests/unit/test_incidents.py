from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookwatch import times
from hookwatch.observing import incidents
from hookwatch.observing.health import Health
from hookwatch.observing.incidents import Announced, Folded
from hookwatch.observing.signals import ChangeType, EndpointChange, Report, Signal
from hookwatch.operational_events import OperationalEvent
from hookwatch.policy import Policy
from tests.unit.factories import APPLICATION_ID, ENDPOINT_ID, at, change, failure, report, schema_errors, success

UNKNOWN = Health(application_id=APPLICATION_ID, endpoint_id=ENDPOINT_ID)
CREATED = change("endpoint.created", -3600, configuration={"url": "https://a.example/"})
OUTAGE = [failure(seconds) for seconds in (*range(9), 30)]


def fold_reports(reports: Iterable[Report], health: Health = UNKNOWN, announced: Announced | None = None) -> Folded:
    health, events = incidents.fold(health, reports, announced or {}, Policy())
    assert [schema_errors(event) for event in events] == [[]] * len(events)
    return health, events


def fold(*signals: Signal, health: Health = UNKNOWN) -> Folded:
    return fold_reports([report(signal) for signal in signals], health)


def types(events: Iterable[OperationalEvent]) -> list[str]:
    return [event.type for event in events]


KNOWN, _ = fold(CREATED)
FAILING, (OPENED,) = fold(*OUTAGE, health=KNOWN)

# ── opens ──


@pytest.mark.parametrize("last", [30, 31, 3600])
def test_ten_failures_in_a_row_over_thirty_seconds_open_an_incident(last: int) -> None:
    health, events = fold(*OUTAGE[:9], failure(last))

    assert types(events) == ["endpoint.failing"]
    assert events[0].timestamp == at(last)
    assert events[0].data["reason"] == "consecutive"
    assert events[0].data["failing_since"] == times.to_text(at(0))
    assert events[0].data["consecutive_failures"] == 10
    assert health.incident is not None
    assert health.incident.incident_id == events[0].data["dedup_key"]
    assert health.state == "failing"


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param(range(0, 9 * 600, 600), id="nine over more than an hour"),
        pytest.param([*range(9), 29.999], id="ten in less than thirty seconds"),
        pytest.param([second / 100 for second in range(19)], id="nineteen at once"),
    ],
)
def test_fewer_than_ten_or_less_than_thirty_seconds_open_none(moments: Iterable[float]) -> None:
    assert fold(*map(failure, moments))[1] == ()


def test_a_failure_that_reaches_thirty_seconds_opens_what_ten_could_not() -> None:
    assert types(fold(*map(failure, range(20)), failure(30))[1]) == ["endpoint.failing"]


def test_a_success_in_between_starts_the_run_again() -> None:
    assert fold(*OUTAGE[:9], success(20), failure(30))[1] == ()


def test_one_incident_says_endpoint_failing_once() -> None:
    assert fold(*map(failure, range(31, 1000)), health=FAILING)[1] == ()


def test_failures_are_counted_by_their_cause() -> None:
    timeouts = [failure(second, response_status_code=None, error="timeout") for second in range(3)]
    unknown = failure(3, response_status_code=None)
    _, (event,) = fold(*timeouts, unknown, *map(failure, range(4, 9)), failure(30))

    assert event.data["failures_by_cause"] == {"timeout": 3, "other": 1, "503": 6}
    assert event.data["attempts_5m"] == event.data["failed_5m"] == 10
    assert event.data["last_attempt"]["response_status_code"] == 503
    assert event.data["endpoint_id"] == ENDPOINT_ID


def test_a_manual_attempt_that_fails_emits_nothing_and_is_no_part_of_a_run() -> None:
    by_hand = [failure(second, trigger="manual", will_retry=False) for second in range(0, 600, 10)]

    assert fold(*by_hand) == (UNKNOWN, ())


# ── closes ──


def test_a_lone_success_in_a_sea_of_failures_closes_nothing() -> None:
    sea = [signal for second in range(31, 600, 20) for signal in (failure(second), success(second + 10))]

    health, events = fold(*sea, health=FAILING)

    assert events == ()
    assert health.incident is not None


@pytest.mark.parametrize(("successes", "expected"), [(30, []), (31, ["endpoint.recovered"])])
def test_it_closes_when_less_than_a_quarter_of_the_last_five_minutes_failed(
    successes: int, expected: list[str]
) -> None:
    health, events = fold(*(success(31 + second) for second in range(successes)), health=FAILING)

    assert types(events) == expected
    assert (health.incident is None) is bool(expected)


def test_with_no_other_attempts_it_closes_at_the_first_success() -> None:
    health, (event,) = fold(success(3600), health=FAILING)

    assert event.type == "endpoint.recovered"
    assert event.timestamp == at(3600)
    assert event.data["dedup_key"] == OPENED.data["dedup_key"]
    assert event.data["reason"] == "traffic"
    assert event.data["duration_seconds"] == 3600
    assert health.state == "healthy"


def test_it_stays_open_while_ten_in_a_row_are_failing() -> None:
    busy = [success(31 + second / 100) for second in range(30)]
    again = [failure(40 + second) for second in range(10)]
    belated = [success(39) for _ in range(1000)]

    assert fold(*busy, *again, *belated, health=FAILING)[1] == ()


def test_a_success_older_than_the_incident_does_not_close_it() -> None:
    assert fold(*(success(29) for _ in range(100)), health=FAILING)[1] == ()


def test_a_belated_success_is_judged_by_the_newest_five_minutes_not_by_its_own() -> None:
    failing, _ = fold(*(failure(500 + second) for second in range(9)), success(509), health=FAILING)
    assert failing.incident is not None

    assert fold_reports([report(success(400), received=520)], failing)[1] == ()


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        ("endpoint.disabled", ["endpoint.disabled", "endpoint.recovered"]),
        ("endpoint.deleted", ["endpoint.deleted", "endpoint.recovered"]),
    ],
)
def test_disabling_by_hand_and_deleting_close(type_: ChangeType, expected: list[str]) -> None:
    health, events = fold(change(type_, 60), health=FAILING)

    assert types(events) == expected
    assert events[1].data["reason"] == type_.removeprefix("endpoint.")
    assert events[1].data["dedup_key"] == OPENED.data["dedup_key"]
    assert events[1].data["duration_seconds"] == 60
    assert health.incident is None
    assert health.state == type_.removeprefix("endpoint.")


def test_an_automatic_disabling_keeps_the_incident_open() -> None:
    health, events = fold(change("endpoint.disabled", 60, trigger="automatic"), health=FAILING)

    assert types(events) == ["endpoint.disabled"]
    assert events[0].data["trigger"] == "automatic"
    assert health.incident is not None
    assert health.state == "disabled"


def test_enabling_closes_and_starts_afresh() -> None:
    automatic = change("endpoint.disabled", 60, trigger="automatic")
    health, events = fold(automatic, change("endpoint.enabled", 90), health=FAILING)

    assert types(events) == ["endpoint.disabled", "endpoint.enabled", "endpoint.recovered"]
    assert events[2].data["reason"] == "enabled"
    assert health.state == "healthy"
    assert fold(*(failure(91 + second) for second in range(9)), health=health)[1] == ()


@pytest.mark.parametrize("type_", ["endpoint.disabled", "endpoint.deleted"])
def test_an_attempt_under_way_when_a_change_closed_the_incident_opens_no_other(type_: ChangeType) -> None:
    closed, _ = fold(change(type_, 60), health=FAILING)

    assert fold(failure(61), health=closed)[1] == ()


def test_a_second_incident_has_a_dedup_key_of_its_own() -> None:
    _, events = fold(success(3600), *(failure(7200 + 4 * n) for n in range(10)), success(9999), health=FAILING)

    assert types(events) == ["endpoint.recovered", "endpoint.failing", "endpoint.recovered"]
    assert events[0].data["dedup_key"] == OPENED.data["dedup_key"]
    assert events[1].data["dedup_key"] == events[2].data["dedup_key"] != OPENED.data["dedup_key"]


# ── what the platform says ──


def test_a_created_endpoint_is_told_with_its_url_labels_and_who_reported_it() -> None:
    configuration = {"url": "https://a.example/", "labels": {"env": "prod"}}
    created = change("endpoint.created", 0, configuration=configuration, actor="user:42", reason="asked for")

    health, (event,) = fold(created)

    assert event.type == "endpoint.created"
    assert event.timestamp == at(0)
    assert event.application_id == APPLICATION_ID
    assert event.data == {
        "endpoint_id": ENDPOINT_ID,
        "endpoint_url": "https://a.example/",
        "sequence": 1,
        "detected_at": times.to_text(at(1)),
        "labels": {"env": "prod"},
        "reported_by": "key:k1",
        "dedup_key": f"endpoint:{ENDPOINT_ID}",
        "actor": "user:42",
        "reason": "asked for",
    }
    assert health.state == "healthy"


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        ([change("endpoint.deleted", 0)], ["endpoint.deleted"]),
        ([change("endpoint.deleted", 0), change("endpoint.deleted", 1)], ["endpoint.deleted"]),
        ([change("endpoint.deleted", 0), change("endpoint.created", 1)], ["endpoint.deleted", "endpoint.created"]),
        ([change("endpoint.created", 0)], []),
        ([change("endpoint.disabled", 0)], ["endpoint.disabled"]),
        ([change("endpoint.disabled", 0), change("endpoint.disabled", 1)], ["endpoint.disabled"]),
        ([change("endpoint.disabled", 0), change("endpoint.enabled", 1)], ["endpoint.disabled", "endpoint.enabled"]),
        ([change("endpoint.enabled", 0)], []),
        ([change("endpoint.updated", 0, configuration={"url": "https://b.example/"})], ["endpoint.updated"]),
        ([change("endpoint.updated", 0, configuration={"url": "https://a.example/"})], []),
        ([change("endpoint.updated", 0, changes={"secret_version": {"from": 1, "to": 2}})], ["endpoint.updated"]),
        ([change("endpoint.updated", 0, configuration={"is_enabled": False})], ["endpoint.disabled"]),
    ],
)
def test_a_change_of_a_known_endpoint_is_told_and_what_changed_nothing_is_not(
    signals: list[EndpointChange], expected: list[str]
) -> None:
    assert types(fold(*signals, health=KNOWN)[1]) == expected


@pytest.mark.parametrize("health", [UNKNOWN, KNOWN], ids=["never heard of", "known"])
def test_an_update_whose_content_is_unknown_is_told_without_changes(health: Health) -> None:
    _, events = fold(change("endpoint.updated", 0), health=health)

    assert types(events) == ["endpoint.updated"]
    assert "changes" not in events[0].data


@pytest.mark.parametrize("type_", ["endpoint.enabled", "endpoint.disabled"])
def test_a_switch_of_an_endpoint_never_heard_of_is_told(type_: ChangeType) -> None:
    assert types(fold(change(type_, 0))[1]) == [type_]


@pytest.mark.parametrize(("is_enabled", "expected"), [(False, ["endpoint.disabled"]), (True, ["endpoint.enabled"])])
def test_a_switch_that_the_platform_itself_spells_out_is_told_of_an_endpoint_never_heard_of(
    is_enabled: bool, expected: list[str]
) -> None:
    switch = change(
        "endpoint.updated",
        0,
        configuration={"is_enabled": is_enabled},
        changes={"is_enabled": {"from": not is_enabled, "to": is_enabled}},
    )

    assert types(fold(switch)[1])[-1:] == expected


SNAPSHOT = {"url": "https://a.example/", "description": "ERP", "event_types": ["x"], "labels": {}, "is_enabled": True}


def test_a_snapshot_is_compared_with_the_stored_copy_updated_first_then_disabled() -> None:
    changed = {**SNAPSHOT, "url": "https://b.example/", "event_types": [], "is_enabled": False}
    health, events = fold(
        change("endpoint.created", 0, configuration=SNAPSHOT),
        change("endpoint.updated", 1, configuration=changed),
        change("endpoint.updated", 2, configuration=changed),
        change("endpoint.updated", 3, configuration={**changed, "is_enabled": True}),
    )

    assert types(events) == ["endpoint.created", "endpoint.updated", "endpoint.disabled", "endpoint.enabled"]
    assert events[1].data["changes"] == {
        "event_types": {"from": ["x"], "to": []},
        "url": {"from": "https://a.example/", "to": "https://b.example/"},
    }
    assert events[2].data["trigger"] == "manual"
    assert health.configuration == {**changed, "is_enabled": True}


def test_a_snapshot_of_an_endpoint_never_heard_of_has_nothing_to_be_compared_with() -> None:
    health, (event,) = fold(change("endpoint.updated", 0, configuration=SNAPSHOT))

    assert event.type == "endpoint.updated"
    assert "changes" not in event.data
    assert health.configuration == SNAPSHOT


def test_a_snapshot_that_says_disabled_closes_the_incident() -> None:
    health, events = fold(change("endpoint.updated", 60, configuration={"is_enabled": False}), health=FAILING)

    assert types(events) == ["endpoint.disabled", "endpoint.recovered"]
    assert health.state == "disabled"


@pytest.mark.parametrize("type_", ["endpoint.updated", "endpoint.created"])
def test_an_old_change_never_reverts_a_newer_one(type_: ChangeType) -> None:
    newer, _ = fold(change("endpoint.updated", 10, configuration={"url": "https://b.example/"}), health=KNOWN)

    assert fold(change(type_, 5, configuration={"url": "https://c.example/"}), health=newer) == (newer, ())


def test_what_an_old_update_itself_says_has_changed_is_still_told_and_reverts_nothing() -> None:
    newer, _ = fold(change("endpoint.updated", 10, configuration={"url": "https://b.example/"}), health=KNOWN)
    changes = {"url": {"from": "https://a.example/", "to": "https://c.example/"}}
    old = change("endpoint.updated", 5, configuration={"url": "https://c.example/"}, changes=changes)

    health, (event,) = fold(old, health=newer)

    assert event.data["changes"] == changes
    assert health.configuration == newer.configuration
    assert health.configured_at == newer.configured_at


def test_a_change_from_the_future_is_capped_at_its_receipt() -> None:
    health, events = fold_reports(
        [
            report(change("endpoint.disabled", 240), received=0),
            report(change("endpoint.enabled", 60), received=61),
        ],
        KNOWN,
    )

    assert types(events) == ["endpoint.disabled", "endpoint.enabled"]
    assert events[0].timestamp == at(0)
    assert health.state == "healthy"


# ── messages ──


def test_a_message_that_the_platform_gives_up_is_told() -> None:
    _, (event,) = fold(failure(0, message_id="m_17", attempt_number=5, will_retry=False, duration_ms=812))

    assert event.type == "message.attempt.exhausted"
    assert event.quiet is False
    assert event.timestamp == at(0)
    assert event.data["dedup_key"] == f"message:{ENDPOINT_ID}:m_17"
    assert event.data["message_id"] == "m_17"
    assert event.data["attempt"] == {
        "message_id": "m_17",
        "number": 5,
        "outcome": "failed",
        "response_status_code": 503,
        "error": None,
        "duration_ms": 812,
        "attempted_at": times.to_text(at(0)),
        "will_retry": False,
        "trigger": "scheduled",
    }


@pytest.mark.parametrize(
    "signal",
    [
        pytest.param(failure(31), id="it will be retried"),
        pytest.param(success(31), id="it succeeded"),
        pytest.param(failure(31, will_retry=False, trigger="manual"), id="it was tried by hand"),
    ],
)
def test_only_a_scheduled_failure_without_retry_exhausts_a_message(signal: Signal) -> None:
    assert fold(signal, health=FAILING)[1] == ()


def test_it_is_quiet_while_the_incident_is_open_and_counted_there() -> None:
    final = [failure(31 + n, message_id=f"m_{n}", will_retry=False) for n in range(3)]
    _, events = fold(*final, success(3600), failure(3601, will_retry=False), health=FAILING)

    assert [event.quiet for event in events] == [True, True, True, False, False]
    assert types(events)[3] == "endpoint.recovered"
    assert events[3].data["messages_exhausted"] == 3


def test_the_attempt_that_opens_the_incident_exhausts_its_message_quietly() -> None:
    _, events = fold(*OUTAGE[:9], failure(30, will_retry=False))

    assert [(event.type, event.quiet) for event in events] == [
        ("endpoint.failing", False),
        ("message.attempt.exhausted", True),
    ]


def test_a_message_that_fails_finally_twice_is_told_once() -> None:
    finals = [failure(n, message_id="m_17", attempt_number=n, will_retry=False) for n in (4, 5)]

    assert types(fold(*finals)[1]) == ["message.attempt.exhausted"]


@pytest.mark.parametrize(
    "signal",
    [
        failure(0, will_retry=False),
        change("endpoint.created", 0),
        change("endpoint.updated", 0, changes={"url": {"from": "https://a.example/", "to": "https://b.example/"}}),
        change("endpoint.disabled", 0),
        change("endpoint.deleted", 0),
    ],
    ids=lambda signal: str(getattr(signal, "type", "message.attempt")),
)
def test_a_fact_that_is_reported_twice_is_told_once(signal: Signal) -> None:
    assert len(fold(signal, signal)[1]) == 1


# ── time ──


def test_late_attempts_move_no_state() -> None:
    late = [report(attempt, received=attempt.at.timestamp() - at(0).timestamp() + 301) for attempt in OUTAGE]

    assert fold_reports(late) == (UNKNOWN, ())


def test_a_late_success_closes_nothing() -> None:
    assert fold_reports([report(success(3600), received=3901)], FAILING) == (FAILING, ())


def test_an_attempt_received_five_minutes_after_it_is_not_late() -> None:
    assert types(fold_reports([report(success(3600), received=3900)], FAILING)[1]) == ["endpoint.recovered"]


def test_the_message_of_a_late_attempt_is_still_told() -> None:
    _, events = fold_reports([report(failure(0, will_retry=False), received=3600)])

    assert types(events) == ["message.attempt.exhausted"]
    assert events[0].timestamp == at(0)


def test_attempts_from_the_future_are_capped_at_their_receipt() -> None:
    ahead = [report(failure(n + 240), received=n) for n in (*range(9), 30)]
    health, (event,) = fold_reports(ahead)

    assert event.timestamp == at(30)
    assert event.data["failing_since"] == times.to_text(at(0))
    assert event.data["last_attempt"]["attempted_at"] == times.to_text(at(30))
    assert types(fold(success(400), health=health)[1]) == ["endpoint.recovered"]


def test_a_clock_that_is_ahead_cannot_stretch_a_run_over_thirty_seconds() -> None:
    assert fold_reports([report(failure(n * 30), received=n / 10) for n in range(10)])[1] == ()


def test_a_failure_older_than_the_last_success_is_no_part_of_the_run() -> None:
    health, events = fold(success(100), *map(failure, range(40, 58)))

    assert events == ()
    assert health.consecutive_failures == 0


@settings(deadline=None, max_examples=20)
@given(st.integers())
def test_ordinary_disorder_changes_little(seed: int) -> None:
    random = Random(seed)  # noqa: S311  # an order of arrival, not a secret
    healthy, outage, better = range(0, 300, 2), range(300, 600, 2), range(600, 1500, 2)
    history = [*map(success, healthy), *map(failure, outage), *map(success, better)]
    shuffled = sorted(history, key=lambda signal: signal.at + timedelta(seconds=random.uniform(0, 5)))

    _, in_order = fold(*history)
    _, events = fold(*shuffled)

    assert types(events) == types(in_order) == ["endpoint.failing", "endpoint.recovered"]
    for event, expected in zip(events, in_order, strict=True):
        assert abs(event.timestamp - expected.timestamp) <= timedelta(seconds=10)


# ── ids and sequence ──


def test_events_are_numbered_in_the_order_in_which_they_are_told() -> None:
    _, events = fold(CREATED, *OUTAGE, success(3600), change("endpoint.deleted", 4000))

    assert [event.data["sequence"] for event in events] == [1, 2, 3, 4]


def test_the_same_endpoint_id_in_another_application_has_other_events() -> None:
    other = msgspec.structs.replace(UNKNOWN, application_id="another")

    assert {event.event_id for event in fold(CREATED, *OUTAGE)[1]}.isdisjoint(
        event.event_id for event in fold(CREATED, *OUTAGE, health=other)[1]
    )


# ── for any history ──

CHANGES: list[ChangeType] = [
    "endpoint.created",
    "endpoint.updated",
    "endpoint.deleted",
    "endpoint.enabled",
    "endpoint.disabled",
]


@st.composite
def histories(draw: st.DrawFn) -> list[Report]:
    """Spells of attempts that mostly fail or mostly succeed, with changes in between; every fact is another one."""
    reports: list[Report] = []
    seconds = 0.0
    for spell in range(draw(st.integers(1, 6))):
        pace = draw(st.sampled_from([0.1, 3.5, 40, 400]))
        fails = draw(st.lists(st.booleans(), max_size=4)) + draw(st.sampled_from([[True] * 12, [False] * 40, []]))
        will_retry = draw(st.booleans())
        trigger = draw(st.sampled_from(["scheduled", "scheduled", "manual"]))
        disorder, delay = draw(st.sampled_from([0, 0, 5, 200])), draw(st.sampled_from([0, 1, 299, 400]))
        for number, has_failed in enumerate(fails):
            seconds += pace
            moment = seconds - disorder * (number % 2)
            fields = {"message_id": f"m_{spell}_{number}", "will_retry": will_retry, "trigger": trigger}
            signal = failure(moment, **fields) if has_failed else success(moment, **{**fields, "will_retry": False})
            reports.append(report(signal, received=moment + delay))
        for type_ in draw(st.lists(st.sampled_from(CHANGES), max_size=2)):
            seconds += pace
            moment = seconds - disorder
            configuration = draw(
                st.sampled_from([{}, {"url": "https://a.example/"}, {"is_enabled": False}, {"is_enabled": True}])
            )
            told = change(
                type_,
                moment,
                signal_id=f"s_{len(reports)}",
                configuration=configuration,
                trigger=draw(st.sampled_from(["manual", "automatic"])),
                changes=draw(st.sampled_from([None, {"description": {"from": "a", "to": "b"}}])),
            )
            reports.append(report(told, received=moment + delay))
    return reports


@settings(deadline=None, max_examples=150)
@given(histories())
def test_every_failing_is_followed_by_at_most_one_recovered_with_its_dedup_key(history: list[Report]) -> None:
    health, events = fold_reports(history)
    told = [
        (event.type, (event.data["dedup_key"], event.data["reopened"]))
        for event in events
        if event.type in ("endpoint.failing", "endpoint.recovered")
    ]

    assert [type_ for type_, _ in told] == (["endpoint.failing", "endpoint.recovered"] * len(told))[: len(told)]
    for (_, opened), (_, closed) in list(pairwise(told))[::2]:
        assert opened == closed
    assert max(Counter(told).values(), default=1) == 1
    assert (health.incident is not None) is (len(told) % 2 == 1)


@settings(deadline=None, max_examples=100)
@given(histories())
def test_reports_folded_one_by_one_and_stored_in_between_say_what_they_say_together(history: list[Report]) -> None:
    health, events = UNKNOWN, list[OperationalEvent]()
    for one in history:
        folded, told = fold_reports([one], health, {event.event_id: event.quiet for event in events})
        health = msgspec.json.decode(msgspec.json.encode(folded), type=Health)
        events.extend(told)

    together, all_events = fold_reports(history)
    assert health == together
    assert tuple(events) == all_events


@settings(deadline=None, max_examples=100)
@given(histories())
def test_the_same_history_folded_again_gives_the_same_events(history: list[Report]) -> None:
    assert fold_reports(history) == fold_reports(history)


@settings(deadline=None, max_examples=100)
@given(histories())
def test_distinct_facts_never_share_an_event_id_and_the_sequence_rises_by_one(history: list[Report]) -> None:
    health, events = fold_reports(history)

    assert len({event.event_id for event in events}) == len(events)
    assert [event.data["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert health.sequence == len(events)
