from typing import Any

import pytest

from hookwatch.catalogue import CATALOGUE
from hookwatch.notifying.endpoints import OperationalEndpoint
from hookwatch.notifying.matching import PRESETS, filtered, matches
from hookwatch.operational_events import HEARTBEAT, TEST, OperationalEvent
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


@pytest.mark.parametrize(
    ("filter_types", "told", "not_told"),
    [
        (
            ("incidents",),
            ("endpoint.warning", "endpoint.disabled", "application.degraded"),
            ("endpoint.created", EXHAUSTED),
        ),
        (("changes",), ("endpoint.updated", "endpoint.disabled"), ("endpoint.failing", "invoice.overdue")),
        (("all",), ("endpoint.updated", EXHAUSTED, "alarm.state_changed", "invoice.overdue"), (HEARTBEAT,)),
        (("all", HEARTBEAT), ("endpoint.updated", HEARTBEAT), ()),
        (("changes", EXHAUSTED), ("endpoint.created", EXHAUSTED), ("endpoint.failing",)),
    ],
)
def test_a_preset_stands_for_several_types(
    filter_types: tuple[str, ...], told: tuple[str, ...], not_told: tuple[str, ...]
) -> None:
    one = endpoint(filter_types=filter_types)
    assert [type_ for type_ in (*told, *not_told) if matches(one, event(type_))] == [*told]


def test_presets_hold_types_of_the_catalogue_and_each_of_its_first_two_families_is_in_one() -> None:
    held = PRESETS["incidents"] | PRESETS["changes"]
    assert held == {name for name in CATALOGUE if name.startswith(("endpoint.", "application."))}


@pytest.mark.parametrize(
    ("type_", "passes"), [("endpoint.failing", False), ("invoice.overdue", False), (TEST, True), (HEARTBEAT, True)]
)
def test_a_test_and_a_heartbeat_pass_by_every_filter(type_: str, passes: bool) -> None:
    payload = {"type": type_, "timestamp": "", "data": {}}
    assert filtered(endpoint(filter="data.severity == 'critical'"), payload).matches is passes
    assert filtered(endpoint(), payload).matches
