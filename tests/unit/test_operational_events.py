import re
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hookwatch.catalogue import CATALOGUE
from hookwatch.operational_events import OperationalEvent, event_id, to_payload
from tests.unit.factories import APPLICATION_ID

EVERY_EVENT = {
    "application_id",
    "summary",
    "severity",
    "dedup_key",
    "sequence",
    "detected_at",
    "labels",
    "links",
    "reported_by",
}
OF_AN_ENDPOINT = [name for name in CATALOGUE if "endpoint_id" in CATALOGUE[name].example["data"]]
EXAMPLES: list[dict[str, Any]] = [event_type.example for event_type in CATALOGUE.values()]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def event(type_: str, **data: Any) -> OperationalEvent:
    """The example of its type, without what is rendered."""
    example = CATALOGUE[type_].example
    told = {name: value for name, value in example["data"].items() if name not in ("summary", "severity", "links")}
    return OperationalEvent(
        event_id="evt_1",
        application_id=APPLICATION_ID,
        type=type_,
        timestamp=datetime.fromisoformat(example["timestamp"]),
        data={**told, **data},
    )


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_schema_is_a_json_schema_and_its_example_satisfies_it(name: str) -> None:
    schema, example = CATALOGUE[name].schema, CATALOGUE[name].example

    Draft202012Validator.check_schema(schema)
    assert list(Draft202012Validator(schema).iter_errors(example)) == []
    assert msgspec.json.decode(msgspec.json.encode(example)) == example


@pytest.mark.parametrize("name", CATALOGUE)
def test_an_example_is_of_its_type_and_has_what_every_event_has(name: str) -> None:
    event_type = CATALOGUE[name]

    assert event_type.name == event_type.example["type"] == name
    assert event_type.description
    assert event_type.example["data"].keys() >= EVERY_EVENT
    assert set(event_type.schema["properties"]["data"]["required"]) >= EVERY_EVENT


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_example_of_one_type_is_not_valid_for_another(name: str) -> None:
    assert [
        example["type"] for example in EXAMPLES if Draft202012Validator(CATALOGUE[name].schema).is_valid(example)
    ] == [name]


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_schema_wants_every_field_that_the_example_must_have(name: str) -> None:
    event_type = CATALOGUE[name]

    for field in event_type.schema["properties"]["data"]["required"]:
        data = {other: value for other, value in event_type.example["data"].items() if other != field}
        assert not Draft202012Validator(event_type.schema).is_valid({**event_type.example, "data": data})


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_schema_lets_fields_be_added(name: str) -> None:
    example = CATALOGUE[name].example
    later = {**example, "later": 1, "data": {**example["data"], "later": 1}}

    assert Draft202012Validator(CATALOGUE[name].schema).is_valid(later)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_payload_is_its_type_time_and_data_with_a_summary_of_one_sentence(name: str) -> None:
    payload = to_payload(event(name), {})

    assert list(payload) == ["type", "timestamp", "data"]
    assert payload["type"] == name
    assert payload["timestamp"] == CATALOGUE[name].example["timestamp"]
    assert payload["data"]["summary"].endswith(".")
    assert "\n" not in payload["data"]["summary"]


@pytest.mark.parametrize("name", OF_AN_ENDPOINT)
def test_a_summary_names_its_endpoint(name: str) -> None:
    assert "https://erp.example.com/hooks/billing" in to_payload(event(name), {})["data"]["summary"]


@pytest.mark.parametrize("name", OF_AN_ENDPOINT)
def test_an_endpoint_without_a_known_url_is_told_by_its_id(name: str) -> None:
    payload = to_payload(event(name, endpoint_url=None), {})

    assert "1a2b3c4d" in payload["data"]["summary"]
    assert "None" not in payload["data"]["summary"]
    assert Draft202012Validator(CATALOGUE[name].schema).is_valid(payload)


@pytest.mark.parametrize(("trigger", "severity"), [("manual", "warning"), ("automatic", "critical")])
def test_an_automatic_disabling_is_critical(trigger: str, severity: str) -> None:
    payload = to_payload(event("endpoint.disabled", trigger=trigger), {})

    assert payload["data"]["severity"] == severity
    assert ("automatically" in payload["data"]["summary"]) is (trigger == "automatic")


@pytest.mark.parametrize("reason", ["traffic", "enabled", "disabled", "deleted", "silent"])
def test_every_reason_of_a_recovery_has_its_sentence(reason: str) -> None:
    assert to_payload(event("endpoint.recovered", reason=reason), {})["data"]["summary"]


def test_a_failing_endpoints_summary_says_since_when_how_much_and_why() -> None:
    summary = to_payload(event("endpoint.failing"), {})["data"]["summary"]

    for said in ("2026-11-23T10:00:00.000Z", "10 attempts", "503 × 9", "timeout × 1"):
        assert said in summary


def test_an_update_without_known_changes_is_told() -> None:
    told = event("endpoint.updated")
    del told.data["changes"]

    assert to_payload(told, {})["data"]["summary"].endswith("its configuration.")


def test_a_time_is_told_in_utc_with_milliseconds() -> None:
    elsewhere = datetime(2026, 11, 23, 15, 30, 0, 123_456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    told = msgspec.structs.replace(event("endpoint.created"), timestamp=elsewhere)

    assert to_payload(told, {})["timestamp"] == "2026-11-23T10:00:00.123Z"


def test_an_event_id_is_evt_and_32_hexadecimal_digits() -> None:
    assert re.fullmatch(r"evt_[0-9a-f]{32}", event_id("a", "endpoint.failing", "inc_1"))


@settings(deadline=None, max_examples=200)
@given(*[st.tuples(texts, st.sampled_from(sorted(CATALOGUE)), st.lists(texts, max_size=3))] * 2)
def test_the_same_fact_is_the_same_event_and_another_fact_is_another(
    fact: tuple[str, str, list[str]], other: tuple[str, str, list[str]]
) -> None:
    application_id, type_, derived_from = fact

    same = event_id(application_id, type_, *derived_from) == event_id(other[0], other[1], *other[2])

    assert same is (fact == other)
