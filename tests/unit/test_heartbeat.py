from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hookwatch.catalogue import CATALOGUE
from hookwatch.notifying.matching import matches
from hookwatch.observing.heartbeat import heartbeat
from hookwatch.operational_events import to_payload
from tests.unit.test_matching import endpoint

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minutes", "seconds", "is_the_same"),
    [(5, 299.9, True), (5, 300, False), (1, 59.9, True), (1, 60, False), (1440, 43199, True), (1440, 43200, False)],
)
def test_a_period_begins_at_a_whole_number_of_them_since_the_epoch(
    minutes: int, seconds: float, is_the_same: bool
) -> None:
    first, later = heartbeat(NOON, minutes), heartbeat(NOON + timedelta(seconds=seconds), minutes)
    assert (first.event_id == later.event_id) is is_the_same
    assert later.data["sequence"] - first.data["sequence"] == int(not is_the_same)


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 1440), st.integers(0, 10**6))
def test_of_each_period_there_is_one_event(period_minutes: int, minute: int) -> None:
    """Two minutes are of one period exactly when no multiple of it lies between them."""
    moments = [NOON + timedelta(minutes=minute + after) for after in range(3)]
    ids = [heartbeat(moment, period_minutes).event_id for moment in moments]
    begins = [int(moment.timestamp()) // 60 % period_minutes == 0 for moment in moments]
    assert [ids[0] != ids[1], ids[1] != ids[2]] == begins[1:]


def test_another_rhythm_is_another_event() -> None:
    assert heartbeat(NOON, 1).event_id != heartbeat(NOON, 2).event_id


def test_it_is_told_by_its_schema_of_no_application_and_is_worth_nothing_after_a_period() -> None:
    payload = to_payload(heartbeat(NOON, 5), {"events": "https://x/?application_id={application_id}"})
    assert list(Draft202012Validator(CATALOGUE["hookwatch.heartbeat"].schema).iter_errors(payload)) == []
    assert payload["data"]["application_id"] == "*"
    assert payload["data"]["expires_at"] == "2026-11-23T12:05:00.000Z"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"application_id": "*", "filter_types": ("hookwatch.heartbeat",)}, True),
        ({"application_id": "*", "filter_types": ("endpoint.failing", "hookwatch.heartbeat")}, True),
        ({"application_id": "*", "filter_types": ("hookwatch.heartbeat",), "is_enabled": False}, False),
        ({"application_id": "*", "filter_types": ("endpoint.failing",)}, False),
        ({"application_id": "*"}, False),
        ({"application_id": "*", "message_events": "all"}, False),
        ({"application_id": "shop", "filter_types": ("hookwatch.heartbeat",)}, False),
    ],
)
def test_only_who_names_it_for_every_application_receives_it(fields: dict[str, object], expected: bool) -> None:
    assert matches(endpoint(**fields), heartbeat(NOON, 5)) is expected
