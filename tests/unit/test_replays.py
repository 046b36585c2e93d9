from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from hookwatch.notifying import pacing, replays
from hookwatch.notifying.endpoints import OperationalEndpoint
from hookwatch.notifying.replaying import AHEAD, PROBES_EVERY, interval, moments
from hookwatch.notifying.replays import LEAD, Follow, Later, Nothing, Past, Replay, State, Take

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ASKED = Past(operational_endpoint_id="oep", since=NOW - timedelta(hours=1), until=NOW, rate_per_second=10)


def replay(*, step: int = 3, state: State = "running", goes_on_in: float = 0) -> Replay:
    return Replay(
        replay_id="rpl_1",
        application_id="shop",
        asked=ASKED,
        request_digest="",
        created_at="2026-11-30T11:00:00.000Z",
        updated_at="2026-11-30T11:00:00.000Z",
        goes_on_at=NOW + timedelta(seconds=goes_on_in),
        step=step,
        state=state,
    )


def endpoint(*, rate_limit: int | None = None, has_succeeded: bool = True) -> OperationalEndpoint:
    return OperationalEndpoint(
        operational_endpoint_id="oep",
        application_id="shop",
        url="https://ops.example.com/",
        credentials=(),
        created_at="2026-11-23T10:00:00.000Z",
        updated_at="2026-11-23T10:00:00.000Z",
        rate_limit=rate_limit,
        has_succeeded=has_succeeded,
    )


@pytest.mark.parametrize(
    ("found", "step", "move"),
    [
        (replay(), 3, Take()),
        (replay(goes_on_in=LEAD.total_seconds()), 3, Take()),
        (replay(goes_on_in=LEAD.total_seconds() + 2), 3, Later(timedelta(seconds=2))),
        (replay(), 2, Follow(3)),  # whoever took step 2 may have been killed before waking the next
        (replay(goes_on_in=60), 2, Follow(3)),
        (replay(), 1, Nothing()),
        (replay(state="cancelled"), 3, Nothing()),
        (replay(state="completed"), 2, Nothing()),
        (replay(state="failed"), 3, Nothing()),
    ],
)
def test_a_wake_up_leads_to_the_next_step_and_to_no_other(found: Replay, step: int, move: object) -> None:
    assert replays.next_move(found, step, NOW - timedelta(days=1), NOW) == move


@pytest.mark.parametrize(("age", "move"), [(0, Later), (59, Later), (60, Nothing), (86_400, Nothing)])
def test_a_wake_up_waits_a_minute_for_the_record_that_it_is_about(age: int, move: type) -> None:
    assert isinstance(replays.next_move(None, 0, NOW - timedelta(seconds=age), NOW), move)


@pytest.mark.parametrize(
    ("asked", "limit", "milliseconds"),
    [(10, None, 100), (100, None, 10), (10, 500, 100), (10, 20, 100), (10, 10, 200), (100, 1, 2000), (1, 1, 2000)],
)
def test_a_replay_takes_what_was_asked_for_and_at_most_half_of_a_rate_limit(
    asked: int, limit: int | None, milliseconds: int
) -> None:
    past = Past(operational_endpoint_id="oep", since=NOW, until=NOW, rate_per_second=asked)
    assert interval(past, endpoint(rate_limit=limit)) == timedelta(milliseconds=milliseconds)


def test_a_receiver_that_is_not_known_to_work_is_probed() -> None:
    assert interval(ASKED, endpoint(has_succeeded=False)) == PROBES_EVERY


@pytest.mark.parametrize(
    ("goes_on_in", "between", "first", "number"),
    [
        (0, 0.1, 0, 100),
        (-60, 0.1, 0, 100),  # what could not go out in time does not go out all at once
        (5, 0.1, 5, 50),
        (0, 5, 0, 2),
        (5, 30, 5, 1),
        (0, 0.01, 0, 1000),
    ],
)
def test_a_step_goes_on_where_the_last_one_ended_and_no_further_than_some_seconds_ahead(
    goes_on_in: float, between: float, first: float, number: int
) -> None:
    found = moments(NOW + timedelta(seconds=goes_on_in), timedelta(seconds=between), NOW)
    assert (found[0], len(found)) == (NOW + timedelta(seconds=first), number)
    assert all(later - earlier == timedelta(seconds=between) for earlier, later in pairwise(found))
    assert number == 1 or found[-1] < NOW + AHEAD


def test_of_a_seconds_deliveries_at_half_a_limit_the_last_still_finds_a_slot() -> None:
    """A queue delays by whole seconds: those of a second come together."""
    for limit in (2, 10, pacing.RATE_AT_MOST):
        waits = (limit // 2 - 1) / limit
        assert timedelta(seconds=waits) <= pacing.YIELDS_WITHIN
