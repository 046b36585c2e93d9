"""message.attempt.failing, exhausted and recovered: what is told of a message, to whom, and how a storm stays quiet."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import pytest
from msgspec.structs import replace

from hookwatch.notifying.endpoints import OperationalEndpoint
from hookwatch.notifying.matching import matches
from hookwatch.observing.signals import Announcement, Attempt, Signal
from hookwatch.operational_events import OperationalEvent
from hookwatch.policy import Policy
from tests.unit.factories import APPLICATION_ID, ENDPOINT_ID, at, change, failure, success
from tests.unit.simulation import DAY, HOUR, Night, Worker, seconds_of, traffic
from tests.unit.test_incidents import OUTAGE

DEFAULT = OperationalEndpoint(
    operational_endpoint_id="ope_1",
    application_id=APPLICATION_ID,
    url="https://receiver.example/",
    credentials=(),
    created_at="",
    updated_at="",
)
ASKED_FOR_ALL = replace(DEFAULT, message_events="all")
FAILING: Final = "message.attempt.failing"
EXHAUSTED: Final = "message.attempt.exhausted"
RECOVERED: Final = "message.attempt.recovered"


def posts(receiver: OperationalEndpoint, events: Iterable[OperationalEvent]) -> list[str]:
    """The types of what `receiver` gets."""
    return [event.type for event in events if matches(receiver, event)]


def failed(seconds: float, number: int, message_id: str = "m_17", **fields: Any) -> Attempt:
    return failure(seconds, message_id=message_id, attempt_number=number, **fields)


def arrived(seconds: float, number: int, message_id: str = "m_17", **fields: Any) -> Attempt:
    return success(seconds, message_id=message_id, attempt_number=number, **fields)


def types(*signals: Signal) -> list[str]:
    return Night(signals).types()


# ── one message ──


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        ([failed(0, 1), failed(5, 2), failed(65, 3)], []),
        ([failed(0, 4)], [FAILING]),
        ([failed(0, 7)], [FAILING]),
        ([failed(0, 4), failed(60, 5)], [FAILING]),
        ([failed(0, 1, will_retry=False)], [EXHAUSTED]),
        ([failed(0, 4, will_retry=False)], [EXHAUSTED]),
        ([failed(0, 4), failed(60, 5, will_retry=False)], [FAILING, EXHAUSTED]),
        ([failed(0, 3), arrived(60, 4)], []),
        ([failed(0, 4), arrived(60, 5)], [FAILING, RECOVERED]),
        ([failed(0, 4), arrived(60, 5), arrived(61, 6)], [FAILING, RECOVERED]),
        ([failed(0, 4), failed(60, 5, will_retry=False), arrived(HOUR, 6, trigger="manual")],
         [FAILING, EXHAUSTED, RECOVERED]),
        ([failed(0, 5, will_retry=False), arrived(DAY, 1, trigger="manual")], [EXHAUSTED, RECOVERED]),
        ([failed(0, 5, will_retry=False), failed(60, 6, trigger="manual", will_retry=False), arrived(120, 7)],
         [EXHAUSTED, RECOVERED]),
        ([failed(0, 4, trigger="manual"), failed(1, 5, trigger="manual", will_retry=False)], []),
        ([failed(0, 5, will_retry=False), failed(1, 6)], [EXHAUSTED]),
    ],
)  # fmt: skip
def test_a_message_is_told_from_its_fourth_failure_and_its_last_and_when_it_arrives_after_that(
    signals: list[Signal], expected: list[str]
) -> None:
    apart = [failed(0, 4, "m_18"), arrived(9, 5, "m_18")] if expected else []

    assert types(*signals) == expected
    assert Counter(types(*apart, *signals)) == Counter(expected + [FAILING, RECOVERED] * bool(apart))


def test_a_message_has_one_dedup_key_and_one_event_of_each_type() -> None:
    night = Night([failed(0, 4), failed(60, 5, will_retry=False), arrived(HOUR, 6, trigger="manual")])

    assert {event.data["dedup_key"] for event in night.told()} == {f"message:{ENDPOINT_ID}:m_17"}
    assert [event.data["attempt"]["number"] for event in night.told()] == [4, 5, 6]
    assert posts(DEFAULT, night.told()) == [FAILING, EXHAUSTED, RECOVERED]


def test_what_comes_more_than_five_minutes_late_tells_of_its_message_and_moves_nothing() -> None:
    late = [(HOUR + number, failed(number * 10, 4, f"m_{number}")) for number in range(40)]
    late += [(HOUR + 100, arrived(500, 5, "m_7"))]
    night = Night([success(HOUR - 1)], received=late)

    assert night.types() == [FAILING] * 40 + [RECOVERED]
    assert night.health.consecutive_failures == 0
    assert night.health.last_success_at == at(HOUR - 1)
    assert set(night.states) == {"healthy"}


# ── quiet ──


def test_recovered_is_told_to_whom_failing_was_told() -> None:
    """m_1 was told before the incident, m_2 during it; both arrive during it, or both after it."""
    for end in (100, HOUR):
        night = Night(
            [failed(-60, 4, "m_1"), *OUTAGE, failed(40, 4, "m_2"), arrived(end, 5, "m_1"), arrived(end + 1, 5, "m_2")]
        )
        told = [(event.data["message_id"], event.type, event.quiet) for event in night.told(FAILING, RECOVERED)]

        assert ("m_1", FAILING, False) in told
        assert ("m_1", RECOVERED, False) in told
        assert ("m_2", FAILING, True) in told
        assert ("m_2", RECOVERED, True) in told


def test_recovered_is_told_where_either_was_told() -> None:
    night = Night([failed(-60, 4), *OUTAGE, failed(40, 5, will_retry=False), arrived(HOUR, 6, trigger="manual")])

    assert [(event.type, event.quiet) for event in night.told(FAILING, EXHAUSTED, RECOVERED)] == [
        (FAILING, False),
        (EXHAUSTED, True),
        (RECOVERED, False),
    ]


def test_what_is_resent_by_hand_after_a_quiet_exhaustion_arrives_quietly() -> None:
    lost = [failed(40 + number, 5, f"m_{number}", will_retry=False) for number in range(30)]
    resent = [arrived(HOUR + number, 6, f"m_{number}", trigger="manual") for number in range(30)]
    night = Night([*OUTAGE, *lost, *resent]).ends()

    assert posts(DEFAULT, night.told()) == ["endpoint.failing", "endpoint.recovered"]
    assert Counter(posts(ASKED_FOR_ALL, night.told()))[RECOVERED] == 30


def test_of_a_storm_a_few_are_told_before_its_incident_opens_and_so_is_what_arrives_of_them() -> None:
    storm = [failed(number / 16, 1, f"m_{number}", will_retry=False) for number in range(480)]
    resent = [arrived(HOUR + number, 2, f"m_{number}", trigger="manual") for number in range(480)]
    night = Night([*traffic(-600, 0), *storm, *resent]).ends()

    loud = [event.data["message_id"] for event in night.told(EXHAUSTED) if not event.quiet]
    assert loud == [f"m_{number}" for number in range(5)]
    assert [event.data["message_id"] for event in night.told(RECOVERED) if not event.quiet] == loud
    assert len(night.told(EXHAUSTED)) == len(night.told(RECOVERED)) == 480


def test_where_few_messages_fail_for_long_a_few_are_told_each_quarter_of_an_hour() -> None:
    lost = [failed(60 * minute + 1, 5, f"m_{minute}", will_retry=False) for minute in range(60)]
    night = Night(
        [signal for minute, one in enumerate(lost) for signal in (*traffic(60 * minute, 60 * minute + 59), one)]
    )

    loud = [event.data["message_id"] for event in night.told(EXHAUSTED) if not event.quiet]
    assert loud == [f"m_{minute}" for quarter in range(4) for minute in range(15 * quarter, 15 * quarter + 5)]


def test_an_application_may_have_every_one_told_or_none() -> None:
    lost = [failed(60 * minute, 5, f"m_{minute}", will_retry=False) for minute in range(8)]
    for at_most, expected in ((20, 8), (0, 0)):
        night = Night([*traffic(-600, 0), *lost], policy=Policy(messages_told_at_most=at_most))
        assert len(posts(DEFAULT, night.told(EXHAUSTED))) == expected


def test_outside_of_an_incident_a_message_is_told_to_everyone() -> None:
    rare = [
        signal
        for number in range(5)
        for signal in (
            *traffic(number * 100, number * 100 + 100, per_second=1),
            failed(number * 100 + 100, 5, f"m_{number}", will_retry=False),
        )
    ]

    assert posts(DEFAULT, Night(rare).told()) == [EXHAUSTED] * 5


# ── a storm ──

MESSAGES = 10_000


def at_once() -> Iterator[Attempt]:
    """Each message fails for the fourth time, and some minutes later for the last, of an endpoint never heard of."""
    for number in range(MESSAGES):
        yield failed(number / 16, 4, f"m_{number}")
    for number in range(MESSAGES):
        yield failed(900 + number / 16, 5, f"m_{number}", will_retry=False)


def from_the_first_attempt() -> Iterator[Attempt]:
    """A healthy endpoint dies; its messages are retried after 5 s, 1 min, 5 min and 30 min."""
    waits = (0, 5, 65, 365, 2165)
    yield from traffic(-600, 0)
    attempts = [
        failed(number / 16 + wait, attempt_number, f"m_{number}", will_retry=attempt_number < len(waits))
        for attempt_number, wait in enumerate(waits, start=1)
        for number in range(MESSAGES)
    ]
    yield from sorted(attempts, key=lambda attempt: attempt.at)


@pytest.mark.parametrize("request_size", [1000, 100, 20])
def test_a_storm_that_begins_with_fourth_failures_stays_quiet(request_size: int) -> None:
    assert_quiet(Night(at_once(), workers=(Worker(120),), request_size=request_size), told_before=[FAILING] * 5)


@pytest.mark.parametrize("request_size", [1000, 100, 10])
def test_a_storm_stays_quiet(request_size: int) -> None:
    assert_quiet(Night(from_the_first_attempt(), workers=(Worker(120),), request_size=request_size), told_before=[])


def test_a_storm_that_is_reported_one_by_one_stays_quiet_too() -> None:
    night = Night(at_once(), workers=(Worker(0.01),)).goes_on(3 * HOUR)

    assert Counter(posts(DEFAULT, night.told())) == {FAILING: 5, "endpoint.failing": 1, "endpoint.warning": 1}


def assert_quiet(night: Night, *, told_before: list[str]) -> None:
    night.goes_on(3 * HOUR)
    assert Counter(night.types()) == {
        FAILING: MESSAGES,
        EXHAUSTED: MESSAGES,
        "endpoint.failing": 1,
        "endpoint.warning": 1,
    }
    assert posts(DEFAULT, night.told()) == [*told_before, "endpoint.failing", "endpoint.warning"]
    assert len(posts(ASKED_FOR_ALL, night.told())) == 2 * MESSAGES + 2

    night.ends()
    assert Counter(posts(DEFAULT, night.told())) == Counter(told_before) | {
        "endpoint.failing": 1,
        "endpoint.warning": 5,
        "endpoint.disabled": 1,
        "endpoint.recovered": 1,
    }
    (closed,) = night.told("endpoint.recovered")
    assert closed.data["messages_exhausted"] == MESSAGES
    assert closed.data["messages_failing"] > MESSAGES - 20  # the first were told before it opened


# ── who says nothing of successes ──


def test_a_source_that_announces_never_opens_an_incident_and_is_told_as_it_announced() -> None:
    announced: list[Signal] = [
        Announcement(
            type="message.attempt.exhausted", endpoint_id=ENDPOINT_ID, message_id=f"m_{second}", occurred_at=at(second)
        )
        for second in range(600)
    ]
    night = Night(announced, reported_by="source:s1").goes_on(HOUR)

    assert night.types() == [EXHAUSTED] * 600
    assert set(night.states) == {"healthy"}
    assert posts(ASKED_FOR_ALL, night.told()) == [EXHAUSTED] * 600
    assert posts(DEFAULT, night.told()) == [EXHAUSTED] * 5
    assert night.health.minutes == ()


def test_a_source_that_configures_never_opens_an_incident() -> None:
    night = Night(
        [
            change("endpoint.updated", second, configuration={"url": f"https://{second}.example/", "is_enabled": True})
            for second in range(600)
        ],
        reported_by="source:s1",
    ).goes_on(HOUR)

    assert set(night.types()) == {"endpoint.updated"}
    assert set(night.states) == {"healthy"}


def test_an_announced_recovery_follows_its_announced_failure() -> None:
    failing = Announcement(type=FAILING, endpoint_id=ENDPOINT_ID, message_id="m_1", occurred_at=at(0))
    recovered = Announcement(type=RECOVERED, endpoint_id=ENDPOINT_ID, message_id="m_1", occurred_at=at(1))
    night = Night([failing, recovered], reported_by="source:s1")

    assert night.types() == [FAILING, RECOVERED]
    assert seconds_of(night.told()[1]) - seconds_of(night.told()[0]) == 1
