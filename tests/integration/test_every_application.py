"""`application_id=*`, with a key for every application: what happened anywhere, newest first, and how much of it."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest

from hookwatch import times
from tests.in_process.api import call
from tests.in_process.aws import Aws
from tests.in_process.signals import START, attempt, created, messages, unique
from tests.integration.test_observer import observe

HOUR = 3600
_days = count(9)  # what is reported is at most seven days old


@pytest.fixture
def day() -> datetime:
    """One of which no other test tells anything."""
    return START.replace(hour=0) - timedelta(days=next(_days))


def told(aws: Aws, day: datetime, shop: str, *hours: float) -> None:
    """An endpoint's creation in each of those hours of the day."""
    for hour in hours:
        at = day + timedelta(hours=hour) - START
        signal = created(unique("e"), at.total_seconds())
        assert observe(aws, *messages(shop, signal, received_at=START + at)) == []


def pages(aws: Aws, day: datetime, **query: str) -> list[list[dict[str, Any]]]:
    """Of that day's events."""
    window = {"since": times.to_text(day), "until": times.to_text(day + timedelta(days=1))}
    found: list[list[dict[str, Any]]] = []
    cursor = None
    while cursor or not found:
        status, page = call(
            aws, "GET", "/events", application_id="*", **window, **query, **({"cursor": cursor} if cursor else {})
        )
        assert status == 200, page
        found.append(page["data"])
        cursor = page["next_cursor"]
    return found


def listed(aws: Aws, day: datetime, **query: str) -> list[dict[str, Any]]:
    return [event for page in pages(aws, day, **query) for event in page]


def of(page: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["data"]["application_id"], event["timestamp"][11:16]) for event in page]


@pytest.mark.parametrize("limit", ["1", "2", "3", "100"])
def test_events_of_all_are_listed_newest_first_each_once(aws: Aws, day: datetime, limit: str) -> None:
    a, b = unique("a"), unique("b")
    told(aws, day, a, 3, 3.5, 17)
    told(aws, day, b, 3.25, 16.5, 17)
    found = pages(aws, day, limit=limit)
    assert all(len(page) <= int(limit) for page in found)
    events = [event for page in found for event in of(page)]
    assert [at for _, at in events] == ["17:00", "17:00", "16:30", "03:30", "03:15", "03:00"]
    assert sorted(events) == sorted(
        [(a, "03:00"), (a, "03:30"), (a, "17:00"), (b, "03:15"), (b, "16:30"), (b, "17:00")]
    )


def test_they_are_filtered_and_bounded_as_those_of_one(aws: Aws, day: datetime) -> None:
    shop = unique("shop")
    told(aws, day, shop, 0, 5, 23.99)
    told(aws, day + timedelta(days=1), shop, 0)
    assert [at for _, at in of(listed(aws, day))] == ["23:59", "05:00", "00:00"]
    assert pages(aws, day, type="endpoint.failing") == [[]]
    [event] = [event for event in listed(aws, day) if event["timestamp"][11:16] == "05:00"]
    assert listed(aws, day, endpoint_id=event["data"]["endpoint_id"]) == [event]


def test_a_page_asks_no_more_than_it_can_and_the_next_goes_on(aws: Aws, day: datetime) -> None:
    for number in range(9):
        told(aws, day, unique("shop"), *(hour + number / 10 for hour in range(24)))
    assert pages(aws, day, type="endpoint.failing") == [[], []]  # 216 times an application was active in an hour
    moments = [event["timestamp"] for event in listed(aws, day, limit="100")]
    assert len(moments) == 216
    assert moments == sorted(moments, reverse=True)


def test_custom_events_and_tests_are_among_them(aws: Aws) -> None:
    shop = unique("shop")
    name = unique("invoice").replace("-", ".")
    body = {"application_id": shop, "description": "x", "schema": {"type": "object"}}
    assert call(aws, "POST", f"/event_types/{name}", body)[0] == 201
    posted = call(aws, "POST", "/events", {"application_id": shop, "type": name, "data": {}})[1]
    endpoint = call(aws, "POST", "/", {"application_id": shop, "url": "https://ops.example.com/"})[1]
    tested = call(aws, "POST", f"/{endpoint['operational_endpoint_id']}/test")[1]
    newest = call(aws, "GET", "/events", application_id="*", limit="20")[1]["data"]
    assert {posted["event_id"], tested["event_id"]} <= {event["event_id"] for event in newest}


@pytest.mark.parametrize("path", ["/events", "/stats"])
def test_they_are_for_keys_of_every_application(aws: Aws, path: str) -> None:
    assert call(aws, "GET", path, application_id="*", applications="shop other")[0] == 404


def test_statistics_of_all_are_the_sum_of_each(aws: Aws, day: datetime) -> None:
    shops, window = [unique("shop") for _ in range(3)], {"since": times.to_text(day)}
    window["until"] = times.to_text(day + timedelta(days=1))
    start = (day - START).total_seconds()
    for number, shop in enumerate(shops):
        signals = [attempt("erp", start + hour * HOUR + number, succeeded=number > 0) for hour in (1, 2, 9)]
        for signal in signals:
            assert observe(aws, *messages(shop, signal, received_at=signal.at)) == []
    for granularity, rows in (("hour", [3, 3, 3]), ("day", [9])):
        status, answer = call(aws, "GET", "/stats", application_id="*", granularity=granularity, **window)
        assert status == 200, answer
        assert [row["attempts"] for row in answer["data"]] == rows
        assert (answer["summary"]["attempts"], answer["summary"]["failed_attempts"]) == (9, 3)
        assert (answer["summary"]["application_id"], answer["complete"], answer["worst_endpoints"]) == ("*", True, None)
    assert call(aws, "GET", "/stats", application_id="*", endpoint_id="erp")[0] == 422


def test_too_many_applications_are_not_summed_up_in_part(aws: Aws, day: datetime) -> None:
    start = (day - START).total_seconds()
    for _ in range(101):
        signal = attempt("erp", start, succeeded=True)
        assert observe(aws, *messages(unique("shop"), signal, received_at=signal.at)) == []
    window = {"since": times.to_text(day), "until": times.to_text(day + timedelta(days=1))}
    status, problem = call(aws, "GET", "/stats", application_id="*", **window)
    assert (status, problem["errors"][0]["loc"]) == (422, ["application_id"])
    assert "101" in problem["errors"][0]["msg"]
