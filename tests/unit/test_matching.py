from typing import Any

import pytest

from hookwatch.notifying.endpoints import OperationalEndpoint
from hookwatch.notifying.matching import matches
from hookwatch.operational_events import OperationalEvent
from tests.unit.factories import APPLICATION_ID, START

EXHAUSTED = "message.attempt.exhausted"


def endpoint(**fields: Any) -> OperationalEndpoint:
    told: dict[str, Any] = {
        "operational_endpoint_id": "ope_1",
        "application_id": APPLICATION_ID,
        "url": "https://receiver.example/",
        "credentials": (),
        "created_at": "",
        "updated_at": "",
    }
    return OperationalEndpoint(**told | fields)


def event(type_: str = "endpoint.failing", *, quiet: bool = False) -> OperationalEvent:
    return OperationalEvent(
        event_id="evt_1", application_id=APPLICATION_ID, type=type_, timestamp=START, data={}, quiet=quiet
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"is_enabled": False}, False),
        ({"application_id": "another"}, False),
        ({"application_id": "*"}, True),
        ({"application_id": "*", "is_enabled": False}, False),
        ({"filter_types": ("endpoint.failing",)}, True),
        ({"filter_types": ("endpoint.recovered", "endpoint.failing")}, True),
        ({"filter_types": ("endpoint.recovered",)}, False),
        ({"filter_types": ("endpoint",)}, False),
    ],
)
def test_an_event_is_for_the_enabled_endpoints_of_its_application_that_asked_for_its_type(
    fields: dict[str, Any], expected: bool
) -> None:
    assert matches(endpoint(**fields), event()) is expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, False),
        ({"filter_types": (EXHAUSTED,)}, False),
        ({"application_id": "*"}, False),
        ({"message_events": "all"}, True),
        ({"message_events": "all", "filter_types": (EXHAUSTED,)}, True),
        ({"message_events": "all", "is_enabled": False}, False),
        ({"message_events": "all", "application_id": "another"}, False),
    ],
)
def test_a_quiet_event_is_only_for_endpoints_that_asked_for_all_message_events(
    fields: dict[str, Any], expected: bool
) -> None:
    assert matches(endpoint(**fields), event(EXHAUSTED, quiet=True)) is expected


@pytest.mark.parametrize("message_events", ["grouped", "all"])
def test_a_message_event_that_is_not_quiet_is_for_both(message_events: str) -> None:
    assert matches(endpoint(message_events=message_events), event(EXHAUSTED))
