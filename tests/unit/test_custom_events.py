from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from hookwatch.custom_events import Request, to_event
from hookwatch.errors import Problem
from hookwatch.operational_events import to_payload
from tests.unit.factories import START

REQUEST = Request(
    key_id="k1",
    application_id="shop",
    type="invoice.overdue",
    body={"data": {"amount": 7, "of": "me"}},
    received_on="2026-11-23",
)


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        ({"body": {"data": {"of": "me", "amount": 7}}}, True),
        ({"key_id": "k2"}, True),
        ({"body": {"data": {"amount": 8}}}, False),
        ({"application_id": "crm"}, False),
        ({"idempotency_key": "a"}, False),
    ],
)
def test_without_a_key_the_same_body_is_the_same_event(other: dict[str, Any], is_same: bool) -> None:
    assert (replace(REQUEST, **other).event_id == REQUEST.event_id) is is_same


@pytest.mark.parametrize(
    ("other", "is_same"),
    [({"body": {}}, True), ({"type": "a.b"}, True), ({"key_id": "k2"}, False), ({"idempotency_key": "b"}, False)],
)
def test_with_a_key_the_key_is_the_event_whatever_the_body(other: dict[str, Any], is_same: bool) -> None:
    keyed = replace(REQUEST, idempotency_key="a")
    assert (replace(keyed, **other).event_id == keyed.event_id) is is_same


@pytest.mark.parametrize("ahead", [timedelta(days=-7, milliseconds=-1), timedelta(minutes=5, milliseconds=1)])
def test_what_is_too_old_or_too_far_ahead_is_refused(ahead: timedelta) -> None:
    with pytest.raises(Problem):
        to_event(REQUEST, START, START + ahead)


@pytest.mark.parametrize("ahead", [timedelta(days=-7), timedelta(0), timedelta(minutes=5)])
def test_an_event_happened_when_its_request_says(ahead: timedelta) -> None:
    assert to_event(REQUEST, START, START + ahead).timestamp == START + ahead


def test_the_fields_of_the_platform_never_meet_ours() -> None:
    posted = {"application_id": "another", "severity": "critical", "reported_by": "me"}
    data = to_payload(to_event(REQUEST, START, None, custom=posted), {})["data"]
    assert data["custom"] == posted
    assert (data["application_id"], data["severity"], data["reported_by"]) == ("shop", "info", "key:k1")


def test_the_same_body_is_the_same_event_for_a_day_or_for_good_where_it_says_when() -> None:
    tomorrow = replace(REQUEST, received_on="2026-11-24")
    at_a_time = replace(REQUEST, body={**REQUEST.body, "timestamp": "2026-11-23T10:00:00Z"})
    assert replace(REQUEST).event_id == REQUEST.event_id != tomorrow.event_id
    assert at_a_time.event_id == replace(at_a_time, received_on="2026-11-24").event_id != REQUEST.event_id
