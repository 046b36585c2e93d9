"""Whether it is right at three in the morning: simulated histories, and what is told of them."""

from functools import partial

import pytest

from hookwatch.observing.signals import Attempt
from hookwatch.policy import Policy
from tests.unit.factories import failure, success
from tests.unit.simulation import DAY, HOUR, MINUTE, Night, Worker, seconds_of, traffic

# Seconds of a minute at which an outage may begin.
PHASES = [0, 7.5, 30, 48, 59]
# Workers that flush every five seconds, each at a time of its own and some of them delayed.
OUT_OF_ORDER = tuple(Worker(5, phase, delayed) for phase, delayed in ((0, 0), (1.3, 2), (2.5, 0), (3.9, 3)))


def outage(since: float, until: float, failing: float, *, after: float = 600, background: float = 0) -> list[Attempt]:
    """Six minutes of health, the outage, and health again."""
    return [
        *traffic(since - 360, since, failing=background),
        *traffic(since, until, failing=failing),
        *traffic(until, until + after, failing=background),
    ]


def opened_and_closed(night: Night) -> tuple[float, float]:
    """When the only incident was opened and closed, in seconds."""
    opened, closed = night.told("endpoint.failing", "endpoint.recovered")
    assert (opened.type, closed.type) == ("endpoint.failing", "endpoint.recovered")
    assert closed.data["reason"] == "traffic"
    return seconds_of(opened), seconds_of(closed)


# ── an outage ──


@pytest.mark.parametrize("failing", [0.95, 0.99, 1])
def test_an_outage_of_forty_minutes_stays_open_the_whole_time_and_closes_within_five_minutes_of_its_end(
    failing: float,
) -> None:
    since, until = 10 * MINUTE, 50 * MINUTE
    night = Night(outage(since, until, failing, after=1200), workers=OUT_OF_ORDER).ends()

    opened, closed = opened_and_closed(night)
    assert since + 30 <= opened <= since + 2 * MINUTE
    assert until < closed <= until + 5 * MINUTE
    assert night.types() == ["endpoint.failing", "endpoint.recovered"]
    assert night.minutes(1, 10) == {"healthy"}
    assert night.minutes(12, 50) == {"failing"}
    assert night.minutes(55, 70) == {"healthy"}


@pytest.mark.parametrize("phase", PHASES)
def test_a_total_outage_opens_at_thirty_seconds(phase: float) -> None:
    since = 10 * MINUTE + phase
    night = Night(outage(since, since + MINUTE, 1, after=240)).ends()

    opened, _ = opened_and_closed(night)
    assert opened == since + 30
    assert night.told("endpoint.failing")[0].data["reason"] == "consecutive"


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("failing", [0.9, 0.95, 0.99])
def test_nine_in_ten_failing_open_within_two_minutes(failing: float, phase: float) -> None:
    since = 10 * MINUTE + phase
    opened, _ = opened_and_closed(Night(outage(since, since + 2 * MINUTE, failing, after=240)).ends())

    assert since < opened <= since + 2 * MINUTE


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("seconds", [10, 30])
def test_a_blip_of_a_deploy_opens_nothing(seconds: int, phase: float) -> None:
    since = 10 * MINUTE + phase

    assert Night(outage(since, since + seconds, 1, after=60), workers=OUT_OF_ORDER).ends().types() == []


def test_an_outage_goes_on_where_only_a_few_attempts_succeed_in_a_minute_of_it() -> None:
    sea = [*traffic(0, 360), *traffic(360, 1800, failing=1), success(1000, message_id="lone")]
    night = Night(sorted(sea, key=lambda attempt: attempt.at))

    assert night.minutes(7, 30) == {"failing"}
    assert night.types() == ["endpoint.failing"]


def test_it_closes_by_the_sweeper_where_nothing_comes_after_the_first_success() -> None:
    history = [*traffic(0, 600), *traffic(600, 1200, failing=1), success(1200)]
    night = Night(history).ends()

    _, closed = opened_and_closed(night)
    assert 1200 < closed <= 1200 + 5 * MINUTE
    assert night.ticks <= 6


# ── some failures ──


def test_one_in_five_failing_for_a_day_says_nothing() -> None:
    night = Night(traffic(0, DAY, per_second=0.5, failing=0.2))

    assert night.types() == []
    assert night.minutes(1, 24 * 60) == {"healthy"}


def test_one_in_five_failing_for_a_day_says_everything_where_the_policy_says_fifteen_percent() -> None:
    day = [success(2 * number) if number % 5 else failure(2 * number) for number in range(DAY // 2)]
    night = Night([*day, *traffic(DAY, DAY + 1200, per_second=0.5)], policy=Policy(opens_at_share=0.15)).ends()

    opened, first, second, closed = night.told()
    assert night.types() == ["endpoint.failing", "endpoint.warning", "endpoint.warning", "endpoint.recovered"]
    assert opened.data["reason"] == "rate"
    assert seconds_of(opened) < 5 * MINUTE
    assert [event.data["step"] for event in (first, second)] == ["1h", "24h"]
    assert seconds_of(first) - seconds_of(opened) == pytest.approx(HOUR, abs=5)
    assert seconds_of(second) - seconds_of(opened) == pytest.approx(DAY, abs=5)
    assert DAY < seconds_of(closed) <= DAY + 5 * MINUTE + 5
    assert night.minutes(6, 24 * 60) == {"failing"}


def test_two_percent_of_background_failures_open_no_incident_and_keep_none_open() -> None:
    since, until = 10 * MINUTE, 20 * MINUTE
    night = Night(outage(since, until, 1, background=0.02, after=1200), workers=OUT_OF_ORDER).ends()

    _, closed = opened_and_closed(night)
    assert closed <= until + 5 * MINUTE
    assert night.minutes(25, 40) == {"healthy"}


def test_two_percent_of_background_failures_do_not_keep_a_reopened_incident_open() -> None:
    history = [
        *traffic(0, 360, failing=0.02),
        *traffic(360, 480, failing=1),
        *traffic(480, 960, failing=0.02),
        *traffic(960, 1080, failing=1),
        *traffic(1080, 2700, failing=0.02),
    ]
    night = Night(history).ends()

    assert night.types() == ["endpoint.failing", "endpoint.recovered"] * 2
    assert seconds_of(night.told()[-1]) <= 1080 + 20 * MINUTE


# ── few attempts ──


def test_a_dead_endpoint_with_one_message_an_hour_opens() -> None:
    night = Night([failure(hour * HOUR, attempt_number=1, will_retry=False) for hour in range(12)])

    (opened,) = night.told("endpoint.failing")
    assert seconds_of(opened) == 9 * HOUR
    assert night.minutes(1, 9 * 60) == {"healthy"}
    assert night.minutes(9 * 60 + 1, 11 * 60) == {"failing"}


def test_a_dead_endpoint_with_one_message_an_hour_opens_in_the_second_hour_where_it_is_retried() -> None:
    after = (0, 5, 65, 365, 2165)
    night = Night(
        failure(hour * HOUR + wait, message_id=f"m_{hour}", attempt_number=number, will_retry=number < len(after))
        for hour in range(4)
        for number, wait in enumerate(after, start=1)
    )

    (opened,) = night.told("endpoint.failing")
    assert seconds_of(opened) == HOUR + after[-1]


def test_twelve_failures_and_then_silence_end_in_recovered_silent() -> None:
    night = Night([failure(10 * number) for number in range(12)]).ends()

    assert night.types() == ["endpoint.failing", *["endpoint.warning"] * 3, "endpoint.recovered"]
    assert [event.data["step"] for event in night.told("endpoint.warning")] == ["1h", "24h", "50%"]
    (closed,) = night.told("endpoint.recovered")
    assert closed.data["reason"] == "silent"
    assert seconds_of(closed) == 110 + 5 * DAY
    assert night.minutes(2, 5 * 24 * 60) == {"failing"}
    assert night.ticks == 4


# ── how it is reported ──


@pytest.mark.parametrize("failing", [0.95, 1])
def test_four_workers_that_flush_every_five_seconds_out_of_order_change_nothing(failing: float) -> None:
    history = outage(607, 1000, failing, after=360)
    in_order = Night(history, workers=(Worker(0.1),)).ends()
    out_of_order = Night(history, workers=OUT_OF_ORDER).ends()

    assert out_of_order.types() == in_order.types() == ["endpoint.failing", "endpoint.recovered"]
    for event, expected in zip(out_of_order.told(), in_order.told(), strict=True):
        assert abs(seconds_of(event) - seconds_of(expected)) <= 10


@pytest.mark.parametrize("failing", [0.95, 1])
def test_one_worker_whose_clock_is_five_minutes_fast_changes_nothing(failing: float) -> None:
    one_fast = (*OUT_OF_ORDER[:3], Worker(5, 3.9, fast=295))
    history = [*outage(607, 1000, failing, after=400), *traffic(1400, 1410, failing=1), *traffic(1410, 1500)]
    expected, night = Night(history, workers=OUT_OF_ORDER).ends(), Night(history, workers=one_fast).ends()

    assert night.types() == expected.types() == ["endpoint.failing", "endpoint.recovered"]
    for event, usual in zip(night.told(), expected.told(), strict=True):
        assert abs(seconds_of(event) - seconds_of(usual)) <= 10


@pytest.mark.parametrize("moment", [400, 606, 620, 800, 1000])
def test_one_success_stamped_in_the_future_changes_nothing(moment: float) -> None:
    history = outage(607, 900, 1, after=300)
    night = Night(history, received=[(moment, success(moment + 300))]).ends()
    expected = Night(history, received=[(moment, success(moment))]).ends()

    assert night.types() == expected.types() == ["endpoint.failing", "endpoint.recovered"]
    assert [seconds_of(event) for event in night.told()] == [seconds_of(event) for event in expected.told()]


# ── flapping ──

calls = partial(traffic, per_second=4)


@pytest.mark.parametrize(("bad", "good"), [(60, 60), (120, 120)])
def test_flapping_every_few_minutes_for_an_hour_is_one_incident(bad: int, good: int) -> None:
    hour = [
        attempt
        for start in range(600, 600 + HOUR, bad + good)
        for attempt in (*calls(start, start + bad, failing=1), *calls(start + bad, start + bad + good))
    ]
    end = 600 + HOUR
    night = Night([*calls(0, 600), *hour, *calls(end, end + 1800)], workers=OUT_OF_ORDER).ends()

    assert len({event.data["dedup_key"] for event in night.told()}) == 1
    assert night.types() == ["endpoint.failing", "endpoint.warning", "endpoint.recovered"]
    assert night.minutes(11, 70 - good // MINUTE) == {"failing"}


def test_failing_again_within_fifteen_minutes_reopens_and_recovered_waits_for_fifteen_calm_minutes() -> None:
    """A minute of failures every ten."""
    bad = [600 * number for number in range(1, 7)]
    hour = [
        attempt for start in bad for attempt in (*calls(start, start + 60, failing=1), *calls(start + 60, start + 600))
    ]
    night = Night([*calls(0, 600), *hour, *calls(bad[-1] + 600, bad[-1] + 1800)]).ends()

    assert len({event.data["dedup_key"] for event in night.told()}) == 1
    opened, first_closed, reopened, warned, closed = night.told()
    assert warned.data["step"] == "1h"
    assert [event.data["reopened"] for event in (opened, first_closed, reopened, closed)] == [0, 0, 1, 1]
    assert seconds_of(reopened) == bad[1] + 30
    assert bad[-1] + 15 * MINUTE < seconds_of(closed) <= bad[-1] + 60 + 20 * MINUTE
    assert night.minutes(bad[1] / 60 + 1, bad[-1] / 60 + 15) == {"failing"}


def test_failing_again_after_more_than_fifteen_minutes_is_another_incident() -> None:
    history = [
        *calls(0, 600),
        *calls(600, 660, failing=1),
        *calls(660, 2400),
        *calls(2400, 2460, failing=1),
        *calls(2460, 3000),
    ]
    night = Night(history).ends()

    assert night.types() == ["endpoint.failing", "endpoint.recovered"] * 2
    assert [event.data["reopened"] for event in night.told()] == [0, 0, 0, 0]
    assert len({event.data["dedup_key"] for event in night.told()}) == 2


def test_a_reopened_incident_is_closed_by_the_sweeper_where_traffic_ends() -> None:
    history = [
        *calls(0, 600),
        *calls(600, 660, failing=1),
        *calls(660, 1200),
        *calls(1200, 1260, failing=1),
        *calls(1260, 1300),
    ]
    night = Night(history).ends()

    closed = night.told("endpoint.recovered")[-1]
    assert (closed.data["reason"], closed.data["reopened"]) == ("traffic", 1)
    assert 1260 + 15 * MINUTE <= seconds_of(closed) <= 1260 + 21 * MINUTE
