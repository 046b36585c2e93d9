import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookwatch import times
from hookwatch.observing import stats
from hookwatch.observing.signals import Attempt, Signal
from hookwatch.observing.stats import Counts, Hour, Rows
from tests.unit.factories import START, at, change, failure, report, success

HOUR = 3600
FIRST = times.hour_of(START)


def counted(*attempts: Signal, hour: Hour = Hour()) -> tuple[Hour, Rows]:  # noqa: B008  # frozen
    return stats.count(hour, [report(attempt) for attempt in attempts])


def truth_of(*attempts: Attempt) -> Counts:
    """The counts of the attempts, whatever their hours."""
    hours, rows = counted(*attempts)
    return stats.summed([hours.counts, *rows.of_endpoint.values()])


def timed(durations: Iterable[int]) -> Counts:
    return truth_of(*(success(0, duration_ms=duration) for duration in durations))


@st.composite
def attempts(draw: st.DrawFn) -> Attempt:
    make: Callable[..., Attempt] = draw(st.sampled_from([success, failure]))
    causes: list[dict[str, int | str | None]] = [{"response_status_code": code} for code in (200, 301, 404, 410, 503)]
    causes += [{"response_status_code": None, "error": error} for error in ("timeout", "dns", None)]
    return make(
        draw(st.integers(0, 8 * HOUR - 1)),
        attempt_number=draw(st.integers(1, 6)),
        will_retry=make is failure and draw(st.booleans()),
        trigger=draw(st.sampled_from(["scheduled", "scheduled", "manual"])),
        duration_ms=draw(st.none() | st.integers(0, 60_000)),
        **draw(st.sampled_from(causes)),
    )


histories = st.lists(attempts(), max_size=60)
durations = st.integers(1, 100) | st.integers(1, 86_400_000)


# ── what counts as what ──


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [
        (
            success(0, duration_ms=100),
            {"messages": 1, "successful_messages": 1, "class_2xx": 1, "timed": 1, "duration_ms": 100, "bucket_27": 1},
        ),
        (success(0, attempt_number=3), {"successful_messages": 1, "class_2xx": 1}),
        (success(0, attempt_number=6, trigger="manual"), {"class_2xx": 1}),
        (failure(0), {"messages": 1, "failed_attempts": 1, "class_5xx": 1, "cause_503": 1}),
        (
            failure(0, attempt_number=5, will_retry=False),
            {"failed_messages": 1, "failed_attempts": 1, "class_5xx": 1, "cause_503": 1},
        ),
        (
            failure(0, attempt_number=6, will_retry=False, trigger="manual"),
            {"failed_attempts": 1, "class_5xx": 1, "cause_503": 1},
        ),
        (
            failure(0, attempt_number=2, response_status_code=None, error="timeout"),
            {"failed_attempts": 1, "cause_timeout": 1},
        ),
    ],
)
def test_an_attempt_counts_as_what_it_is(attempt: Attempt, expected: Counts) -> None:
    assert truth_of(attempt) == {"attempts": 1, **expected}


def test_beyond_twenty_causes_of_an_hour_what_is_new_is_other() -> None:
    counts = truth_of(*(failure(number, response_status_code=500 + number) for number in range(25)))

    assert sum(name.startswith("cause_") for name in counts) == 21
    assert counts["cause_other"] == 5


def test_what_is_no_attempt_counts_nothing() -> None:
    assert counted(change("endpoint.updated", 0)) == (Hour(), Rows())


# ── hours ──


def test_an_hour_stays_in_the_record_until_it_turns_and_is_told_once() -> None:
    hour, rows = counted(*(success(second) for second in range(0, HOUR, 60)))
    assert hour.start == FIRST
    assert hour.counts["attempts"] == 60
    assert rows == Rows({}, {FIRST: {"endpoints": 1}})

    turned, rows = counted(success(HOUR), hour=hour)
    assert (turned.start, turned.counts["attempts"]) == (FIRST + 1, 1)
    assert rows.of_endpoint == {FIRST: hour.counts}
    assert rows.of_application == {FIRST: hour.counts, FIRST + 1: {"endpoints": 1}}


def test_what_comes_after_its_hour_turned_is_added_to_its_own_hour() -> None:
    hour, _ = counted(success(HOUR))
    same, rows = counted(failure(HOUR - 1), hour=hour)

    assert same == hour
    assert rows.of_endpoint == {FIRST: truth_of(failure(0))}
    assert rows.of_application == rows.of_endpoint


def test_an_attempt_from_the_future_counts_in_the_hour_of_its_receipt() -> None:
    hour, _ = stats.count(Hour(), [report(success(HOUR + 60), received=HOUR - 60)])

    assert hour.start == FIRST


@settings(deadline=None, max_examples=100)
@given(histories, st.randoms(use_true_random=False), st.integers(1, 10))
def test_hours_turned_in_any_order_and_cut_anyhow_sum_to_the_truth(
    history: list[Attempt], random: Random, size: int
) -> None:
    random.shuffle(history)
    hour, of_endpoint, of_application = Hour(), list[tuple[int, Counts]](), list[tuple[int, Counts]]()
    for start in range(0, len(history), size):
        hour, rows = counted(*history[start : start + size], hour=hour)
        of_endpoint += rows.of_endpoint.items()
        of_application += rows.of_application.items()

    for number in range(FIRST, FIRST + 8):
        own = [attempt for attempt in history if times.hour_of(attempt.at) == number]
        still_open = hour.counts if hour.start == number else {}
        for written in (of_endpoint, of_application):
            rows_of_hour = [counts for start, counts in written if start == number]
            total = stats.summed([still_open, *rows_of_hour])
            endpoints = total.pop("endpoints", 0)
            assert total == truth_of(*own)
            assert endpoints <= 1


@settings(deadline=None, max_examples=100)
@given(histories, st.integers(0, 60))
def test_counts_add_up_over_any_split(history: list[Attempt], cut: int) -> None:
    one, other = truth_of(*history[:cut]), truth_of(*history[cut:])

    assert stats.summed([one, other]) == truth_of(*history)


@settings(deadline=None, max_examples=100)
@given(histories)
def test_the_parts_of_a_count_agree_with_it(history: list[Attempt]) -> None:
    counts = truth_of(*history)

    assert counts.get("attempts", 0) == len(history)
    causes = sum(number for name, number in counts.items() if name.startswith("cause_"))
    buckets = sum(number for name, number in counts.items() if name.startswith("bucket_"))
    assert causes == counts.get("failed_attempts", 0)
    assert buckets == counts.get("timed", 0)
    assert counts.get("duration_ms", 0) == sum(attempt.duration_ms or 0 for attempt in history)


# ── percentiles ──


def true_percentile(durations: list[int], percent: int) -> int:
    """The smallest that so many do not exceed (nearest rank)."""
    rank = math.ceil(Fraction(percent, 100) * len(durations))
    return sorted(durations)[rank - 1]


@settings(deadline=None, max_examples=300)
@given(st.lists(durations, min_size=1, max_size=100), st.sampled_from([50, 95, 99]))
def test_a_percentile_is_at_most_nine_percent_off(durations: list[int], percent: int) -> None:
    told = stats.percentile_ms(timed(durations), percent / 100)

    assert told is not None
    assert abs(told / true_percentile(durations, percent) - 1) <= 0.091


def test_a_percentile_of_every_short_duration_is_at_most_nine_percent_off() -> None:
    for duration in range(1, 5000):
        told = stats.percentile_ms({f"bucket_{stats.bucket_of(duration)}": 1}, 0.5)
        assert told is not None
        assert abs(told / duration - 1) <= 0.091, duration


def test_the_rank_of_a_percentile_is_exact_for_any_count() -> None:
    for total in range(1, 2000):
        for percent in (50, 95, 99):
            below = math.ceil(Fraction(percent, 100) * total)
            told = stats.percentile_ms({"bucket_4": below, "bucket_40": total - below}, percent / 100)
            assert told is not None
            assert told < 10


def test_a_percentile_of_nothing_timed_is_not_known_and_what_took_no_time_took_at_most_one_millisecond() -> None:
    assert stats.percentile_ms(truth_of(success(0)), 0.5) is None
    assert stats.percentile_ms(timed([0, 0, 1]), 0.99) == 1


@settings(deadline=None)
@given(st.integers(1, 86_400_000))
def test_a_bucket_holds_what_is_above_its_lower_bound_and_not_above_its_upper(duration: int) -> None:
    bucket = stats.bucket_of(duration)

    assert duration <= 2 ** (bucket / 4) * (1 + 1e-9)
    assert bucket == 0 or duration > 2 ** ((bucket - 1) / 4) * (1 + 1e-12)


@pytest.mark.parametrize(("exponent", "bucket"), [(0, 0), (1, 4), (10, 40), (26, 104)])
def test_an_upper_bound_is_of_its_own_bucket(exponent: int, bucket: int) -> None:
    assert stats.bucket_of(2**exponent) == bucket
    assert times.start_of(times.hour_of(at(59 * 60))) == START
