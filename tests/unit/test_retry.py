from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookwatch.notifying import retry
from hookwatch.notifying.retry import (
    Blocked,
    Delivered,
    Exhausted,
    Failed,
    GiveUp,
    LastAttempt,
    Outcome,
    Post,
    Responded,
    RetryLater,
    Schedule,
    Settled,
    Verdict,
    Wait,
)
from tests.unit.factories import START, at

WAITS = (timedelta(seconds=5), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
SCHEDULE = Schedule(WAITS)
FIRST = RetryLater(WAITS[0])


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        *((Responded(code), Delivered()) for code in (200, 201, 202, 204, 226, 299)),
        (Responded(410), GiveUp("gone", disables_endpoint=True)),
        *((Responded(code), FIRST) for code in (429, 502, 503, 504)),
        *((Responded(code), FIRST) for code in (301, 302, 303, 307, 308)),
        *((Responded(code), FIRST) for code in (100, 199, 400, 401, 403, 404, 409, 411, 422, 500, 501, 505, 599)),
        *((Failed(error), FIRST) for error in ("timeout", "dns", "tls", "connection", "other")),
        (Blocked("10.0.0.1"), GiveUp("10.0.0.1 is not allowed")),
        (None, GiveUp("cancelled")),
    ],
    ids=str,
)
def test_each_outcome_has_its_verdict(outcome: Outcome | None, verdict: Verdict) -> None:
    assert retry.judge(outcome, 1, SCHEDULE, jitter=0) == verdict


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [*((number, RetryLater(wait)) for number, wait in enumerate(WAITS, start=1)), (5, Exhausted()), (6, Exhausted())],
)
@pytest.mark.parametrize("outcome", [Responded(500), Responded(503), Failed("timeout")])
def test_each_failure_has_its_wait_and_the_fifth_has_none(outcome: Outcome, attempt: int, expected: Verdict) -> None:
    assert retry.judge(outcome, attempt, SCHEDULE, jitter=0) == expected


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (Responded(200), Delivered()),
        (Responded(410), GiveUp("gone", disables_endpoint=True)),
        (Blocked("::1"), GiveUp("::1 is not allowed")),
        (Responded(503, timedelta(seconds=1)), Exhausted()),
    ],
)
def test_the_last_attempt_is_judged_by_its_outcome_first(outcome: Outcome, verdict: Verdict) -> None:
    assert retry.judge(outcome, 5, SCHEDULE, jitter=0.5) == verdict


@pytest.mark.parametrize("code", [429, 502, 503, 504])
@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [
        (timedelta(0), WAITS[0]),
        (timedelta(seconds=-1), WAITS[0]),
        (timedelta(seconds=4), WAITS[0]),
        (timedelta(seconds=6), timedelta(seconds=6)),
        (timedelta(hours=1), timedelta(hours=1)),
        (timedelta(hours=2), timedelta(hours=1)),
        (timedelta(days=10**6), timedelta(hours=1)),
    ],
)
def test_retry_after_is_a_floor_of_at_most_an_hour(code: int, retry_after: timedelta, expected: timedelta) -> None:
    assert retry.judge(Responded(code, retry_after), 1, SCHEDULE, jitter=0) == RetryLater(expected)


def test_a_wait_longer_than_an_hour_stays_as_long() -> None:
    long = Schedule((timedelta(hours=11),))

    assert retry.judge(Responded(503, timedelta(hours=2)), 1, long, jitter=0) == RetryLater(timedelta(hours=11))


@pytest.mark.parametrize("code", [301, 400, 404, 500])
def test_other_codes_cannot_ask_for_a_wait(code: int) -> None:
    assert retry.judge(Responded(code, timedelta(hours=1)), 1, SCHEDULE, jitter=0) == FIRST


@settings(deadline=None, max_examples=100)
@given(
    st.integers(1, 4),
    st.floats(0, 1, exclude_max=True),
    st.none() | st.timedeltas(timedelta(0), timedelta(hours=2)),
)
def test_jitter_lengthens_a_wait_by_up_to_a_fifth_and_never_shortens_it(
    attempt: int, jitter: float, retry_after: timedelta | None
) -> None:
    outcome = Responded(503, retry_after)

    without = retry.judge(outcome, attempt, SCHEDULE, jitter=0)
    verdict = retry.judge(outcome, attempt, SCHEDULE, jitter=jitter)

    assert isinstance(without, RetryLater)
    assert isinstance(verdict, RetryLater)
    assert without.delay <= verdict.delay <= without.delay * 1.2


def test_without_waits_there_is_one_attempt() -> None:
    assert retry.judge(Failed("dns"), 1, Schedule(()), jitter=0) == Exhausted()


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (None, Post(1)),
        (LastAttempt(1, None), Settled()),
        (LastAttempt(5, None), Settled()),
        (LastAttempt(1, at(60)), Wait(timedelta(minutes=1))),
        (LastAttempt(1, at(0)), Post(2)),
        (LastAttempt(4, at(-1)), Post(5)),
    ],
)
def test_what_is_on_record_says_what_comes_next(last: LastAttempt | None, expected: Post | Wait | Settled) -> None:
    assert retry.next_step(last, START) == expected
