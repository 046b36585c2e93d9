"""GET /stats: what was reported, to the last attempt."""

from datetime import timedelta
from typing import Any

import pytest

from hookwatch import tables, times
from tests.in_process.api import call
from tests.in_process.aws import Aws
from tests.in_process.signals import START, attempt, created, messages, unique
from tests.integration.test_observer import observe

HOUR = 3600
DAY = {"since": times.to_text(START - timedelta(hours=10)), "until": times.to_text(START + timedelta(hours=14))}


def stats(aws: Aws, shop: str, **query: str) -> dict[str, Any]:
    status, answer = call(aws, "GET", "/stats", application_id=shop, **{**DAY, **query})
    assert status == 200, answer
    return answer


def test_messages_attempts_and_their_outcomes_are_counted_by_the_hour(aws: Aws) -> None:
    shop = unique("shop")
    told = [
        attempt("erp", 1, succeeded=True, duration_ms=100),
        attempt("erp", 2, succeeded=False, duration_ms=300),
        attempt("erp", 3, succeeded=True, attempt_number=2, duration_ms=100),
        attempt("erp", 4, succeeded=False, will_retry=False),
        attempt("erp", 5, succeeded=True, trigger="manual", attempt_number=6),
        attempt("erp", 6, succeeded=False),
    ]
    assert observe(aws, *messages(shop, *told)) == []
    answer = stats(aws, shop, endpoint_id="erp")
    [row] = answer["data"]
    assert row["period_start"] == "2026-11-23T10:00:00.000Z"
    assert row["period_end"] == "2026-11-23T11:00:00.000Z"
    assert (row["attempts"], row["failed_attempts"]) == (6, 3)
    assert (row["total_messages"], row["successful_messages"], row["failed_messages"]) == (4, 2, 1)
    assert (row["pending_messages"], row["success_rate"]) == (1, pytest.approx(2 / 3, abs=1e-6))
    assert row["avg_delivery_time_ms"] == 167
    assert row["p50_ms"] == pytest.approx(100, rel=0.091)
    assert row["p99_ms"] == pytest.approx(300, rel=0.091)
    assert row["response_classes"] == {"2xx": 3, "5xx": 3}
    assert row["failures_by_cause"] == {"503": 3}
    assert {**answer["summary"], "period_start": "", "period_end": ""} == {**row, "period_start": "", "period_end": ""}


def test_an_hour_that_turns_moves_to_its_row_and_nothing_is_counted_twice(aws: Aws) -> None:
    shop = unique("shop")
    for hour in range(4):
        for endpoint in ("erp", "crm"):
            observe(aws, *messages(shop, *(attempt(endpoint, hour * HOUR + n, succeeded=n > 0) for n in range(3))))
    late = [attempt("erp", 30, succeeded=True), attempt("erp", HOUR + 30, succeeded=False)]
    observe(aws, *messages(shop, *late, received_at=START + timedelta(hours=3, minutes=20)))

    one, every = stats(aws, shop, endpoint_id="erp"), stats(aws, shop)
    assert [row["attempts"] for row in one["data"]] == [4, 4, 3, 3]
    assert [row["failed_attempts"] for row in one["data"]] == [1, 2, 1, 1]
    assert [row["attempts"] for row in every["data"]] == [7, 7, 6, 6]
    assert every["summary"]["attempts"] == 26
    assert every["complete"] is True
    by_day = stats(aws, shop, granularity="day")
    assert [(row["attempts"], row["period_start"]) for row in by_day["data"]] == [(26, "2026-11-23T00:00:00.000Z")]


def test_rows_do_not_multiply_and_do_not_overlap(aws: Aws) -> None:
    shop = unique("shop")
    for second in range(0, 3 * HOUR, 600):
        observe(aws, *messages(shop, attempt("erp", second, succeeded=True)))
        observe(aws, *messages(shop, attempt("erp", second + 1, succeeded=True)))
    rows = stats(aws, shop, endpoint_id="erp")["data"]
    assert [row["attempts"] for row in rows] == [12, 12, 12]
    assert [row["period_end"] for row in rows[:-1]] == [row["period_start"] for row in rows[1:]]


def test_the_ten_worst_endpoints_come_first_with_their_numbers(aws: Aws) -> None:
    shop = unique("shop")
    for number in range(12):
        fails = [attempt(f"e{number:02}", n, succeeded=False) for n in range(number)]
        observe(aws, *messages(shop, attempt(f"e{number:02}", 0, succeeded=True, message_id="ok"), *fails))
    observe(aws, *messages(shop, attempt("e11", 2 * HOUR, succeeded=True)))  # its hour is in a row, the others' open
    worst = stats(aws, shop)["worst_endpoints"]
    assert [row["endpoint_id"] for row in worst] == [f"e{number:02}" for number in range(11, 1, -1)]
    assert [row["failed_attempts"] for row in worst] == list(range(11, 1, -1))
    assert worst[0]["attempts"] == 13


def test_what_a_source_cannot_know_is_null_and_never_0(aws: Aws) -> None:
    shop = unique("shop")
    observe(aws, *messages(shop, created("erp")))
    for query in ({"endpoint_id": "erp"}, {}):
        answer = stats(aws, shop, **query)
        assert answer["data"] == []
        for name in ("total_messages", "attempts", "failed_attempts", "success_rate", "p50_ms"):
            assert answer["summary"][name] is None


def test_an_endpoint_never_heard_of_and_another_application_are_not_found(aws: Aws) -> None:
    shop = unique("shop")
    assert call(aws, "GET", "/stats", application_id=shop, endpoint_id="erp")[0] == 404
    assert call(aws, "GET", "/stats", application_id=shop, applications="other")[0] == 404


@pytest.mark.parametrize(
    "query",
    [
        {"granularity": "minute"},
        {"since": "2026-11-23T10:00:00Z", "until": "2026-11-23T10:00:00Z"},
        {"since": "2026-10-01T00:00:00Z", "until": "2026-11-23T10:00:00Z"},
        {"since": "2024-10-01T00:00:00Z", "until": "2026-11-23T10:00:00Z", "granularity": "day"},
        {"since": "yesterday"},
    ],
)
def test_a_period_that_cannot_be_counted_is_refused(aws: Aws, query: dict[str, str]) -> None:
    status, answer = call(aws, "GET", "/stats", **{"application_id": "shop", **query})
    assert (status, answer["id"]) == (422, "validation_failed")


def test_thirty_one_days_by_the_hour_and_thirteen_months_by_the_day_are_told(aws: Aws) -> None:
    shop = unique("shop")
    observe(aws, *messages(shop, attempt("erp", 0, succeeded=True)))
    until = "2026-11-23T11:00:00Z"
    assert stats(aws, shop, since="2026-10-23T11:00:00Z", until=until)["summary"]["attempts"] == 1
    assert stats(aws, shop, since="2025-10-23T00:00:00Z", until=until, granularity="day")["summary"]["attempts"] == 1


def test_what_is_past_its_time_is_not_counted(aws: Aws) -> None:
    shop = unique("shop")
    observe(aws, *messages(shop, attempt("erp", 0, succeeded=True)))
    observe(aws, *messages(shop, attempt("erp", HOUR, succeeded=True)))
    for item in tables.MessageStats.scan():
        if shop in item.scope:
            item.update(actions=[tables.MessageStats.expires_at.set(1)])
    assert stats(aws, shop)["summary"]["attempts"] == 1


def test_a_year_by_the_day_is_what_its_hours_are(aws: Aws) -> None:
    shop = unique("shop")
    for day in range(3):
        for hour in (0, 5):
            told = [attempt(f"e{n}", day * 24 * HOUR + hour * HOUR + n, succeeded=n > 1) for n in range(5)]
            observe(aws, *messages(shop, *told))
    query = {"since": "2026-01-01T00:00:00Z", "until": "2026-11-27T00:00:00Z", "granularity": "day"}
    answer = stats(aws, shop, **query)
    assert [row["attempts"] for row in answer["data"]] == [10, 10, 10]
    assert answer["summary"]["failed_attempts"] == 12
    assert answer["worst_endpoints"] is None
