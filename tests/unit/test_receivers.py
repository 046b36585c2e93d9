"""What an attempt says of the receiver behind an operational endpoint."""

from datetime import timedelta

import pytest

from hookwatch import times
from hookwatch.notifying import receivers
from hookwatch.notifying.attempts import Attempted
from hookwatch.notifying.endpoints import OperationalEndpoint
from hookwatch.notifying.receivers import Change, Fails, IsDead, Works
from hookwatch.notifying.retry import Delivered, Exhausted, GiveUp, RetryLater, Verdict
from tests.unit.factories import START

FIVE_DAYS = timedelta(days=5)
LATER = RetryLater(timedelta(seconds=5))


def judge(verdict: Verdict, failing_for: timedelta | None, *, has_succeeded: bool = True) -> Change | None:
    endpoint = OperationalEndpoint(
        operational_endpoint_id="oep",
        application_id="shop",
        url="https://ops.example.com/",
        credentials=(),
        created_at="2026-01-01T00:00:00.000Z",
        updated_at="2026-01-01T00:00:00.000Z",
        has_succeeded=has_succeeded,
        failing_since=None if failing_for is None else times.to_text(START - failing_for),
    )
    return receivers.judge(endpoint, Attempted(1, None, verdict, START, timedelta()), FIVE_DAYS)


@pytest.mark.parametrize(
    ("verdict", "failing_for", "expected"),
    [
        pytest.param(Delivered(), None, None, id="a success of one that works is no news"),
        pytest.param(Delivered(), FIVE_DAYS * 2, Works(), id="a success ends the failing, however long it was"),
        pytest.param(LATER, None, Fails(START), id="the first failure begins it"),
        pytest.param(Exhausted(), None, Fails(START), id="also where there is but one attempt"),
        pytest.param(GiveUp("10.0.0.1 is not allowed"), None, Fails(START), id="also where nothing was posted"),
        pytest.param(LATER, timedelta(hours=1), None, id="a further failure is no news"),
        pytest.param(LATER, FIVE_DAYS * 2, None, id="a delivery is tried as often as it may be"),
        pytest.param(Exhausted(), FIVE_DAYS - timedelta(milliseconds=1), None, id="not yet five days"),
        pytest.param(Exhausted(), FIVE_DAYS, IsDead("failing"), id="five days"),
        pytest.param(GiveUp("10.0.0.1 is not allowed"), FIVE_DAYS, IsDead("failing"), id="five days of being blocked"),
        pytest.param(GiveUp("gone", disables_endpoint=True), None, IsDead("gone"), id="it says that it is gone"),
    ],
)
def test_what_an_attempt_changes(verdict: Verdict, failing_for: timedelta | None, expected: Change | None) -> None:
    assert judge(verdict, failing_for) == expected


def test_the_first_success_is_news_and_a_failure_before_it_is_too() -> None:
    assert judge(Delivered(), None, has_succeeded=False) == Works()
    assert judge(LATER, None, has_succeeded=False) == Fails(START)
