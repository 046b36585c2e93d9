"""State changes of CloudWatch's alarms, in the form of its User Guide, and which of them are Hookwatch's own."""

import json
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from hookwatch import times
from hookwatch.catalogue import CATALOGUE
from hookwatch.observing.alarms import Deployment, StateChange, to_event
from hookwatch.operational_events import to_payload
from tests.in_process.aws import ROOT

Event = dict[str, Any]
SINGLE: Event = json.loads((ROOT / "events" / "alarms.json").read_text())
SAMPLES: dict[str, Event] = {
    "single metric": SINGLE,
    **json.loads((ROOT / "tests" / "samples" / "cloudwatch_alarm_state_changes.json").read_text()),
}
NOW = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)
INGEST, SIGNALS, EVENTS = "hookwatch-Ingest-AbCdEfGhIjKl", "hookwatch-Signals-MnOpQr.fifo", "hookwatch-Events-StUvWx"
OURS = Deployment("hookwatch", "Hookwatch", frozenset({INGEST, SIGNALS, EVENTS}))
ACCOUNT = "arn:aws:cloudwatch:eu-central-1:123456789012"


def told(event: Event) -> Event:
    return to_payload(to_event(StateChange.from_event(event), "operations", NOW), {})


def changed(event: Event, **detail: Any) -> Event:
    return {**event, "detail": {**event["detail"], **detail}}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_kind_of_alarm_is_told_by_the_schema(name: str) -> None:
    payload = told(SAMPLES[name])
    validator = Draft202012Validator(
        CATALOGUE["alarm.state_changed"].schema, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    assert list(validator.iter_errors(payload)) == []
    data, detail = payload["data"], SAMPLES[name]["detail"]
    assert data["alarm_name"] == detail["alarmName"]
    assert data["alarm_arn"] == SAMPLES[name]["resources"][0]
    assert (data["state"], data["previous_state"]) == (detail["state"]["value"], detail["previousState"]["value"])
    assert data["reason"] == detail["state"]["reason"]
    assert data["description"] == detail["configuration"].get("description")
    assert (data["account_id"], data["region"]) == ("123456789012", "eu-central-1")


def test_it_happened_when_the_state_began_and_was_learned_of_now() -> None:
    payload = told(SINGLE)
    assert payload["timestamp"] == "2026-11-23T10:00:30.214Z"
    assert payload["data"]["detected_at"] == times.to_text(NOW)
    assert payload["data"]["previous_state_since"] == "2026-11-20T08:12:44.102Z"


def test_its_metrics_are_told_with_their_expressions() -> None:
    dimensions = {"FunctionName": "shop-checkout"}
    stat = {"namespace": "AWS/Lambda", "dimensions": dimensions, "stat": "Sum", "period_seconds": 60}
    assert told(SAMPLES["metric math"])["data"]["metrics"] == [
        {"id": "e1", "label": "Share of errors in %", "expression": "100 * m1 / m2"},
        {"id": "m1", "name": "Errors", **stat},
        {"id": "m2", "name": "Invocations", **stat},
    ]
    assert told(SAMPLES["metrics insights"])["data"]["metrics"][0]["period_seconds"] == 60


def test_a_composite_alarm_has_a_rule_and_no_metrics_and_says_what_holds_its_actions_back() -> None:
    data = told(SAMPLES["composite"])["data"]
    assert data["metrics"] == []
    assert data["alarm_rule"].startswith("ALARM(shop-orders-age) OR")
    assert data["actions_suppressed_by"] == "WaitPeriod"
    assert told(SAMPLES["metric math"])["data"]["muted_by"].endswith("alarm-mute-rule:night")


@pytest.mark.parametrize(
    ("state", "severity"), [("ALARM", "critical"), ("OK", "info"), ("INSUFFICIENT_DATA", "warning")]
)
def test_the_state_makes_the_severity(state: str, severity: str) -> None:
    payload = told(changed(SINGLE, state={**SINGLE["detail"]["state"], "value": state}))
    assert payload["data"]["severity"] == severity
    assert f" is in {state}, before OK: Threshold Crossed" in payload["data"]["summary"]


def test_what_opens_and_what_closes_have_one_key_and_an_order_whichever_comes_first() -> None:
    closing = changed(SINGLE, state={"value": "OK", "timestamp": "2026-11-23T10:00:30.215+0000", "reason": "x"})
    opened, closed = told(SINGLE)["data"], told({**closing, "id": "another"})["data"]
    assert opened["dedup_key"] == closed["dedup_key"]
    assert closed["sequence"] == opened["sequence"] + 1
    elsewhere = {**SINGLE, "resources": [SINGLE["resources"][0].replace("eu-central-1", "eu-west-1")]}
    assert told(elsewhere)["data"]["dedup_key"] != opened["dedup_key"]


def test_a_change_that_is_handed_over_again_is_the_same_event_and_another_one_is_not() -> None:
    def event_id(event: Event) -> str:
        return to_event(StateChange.from_event(event), "operations", NOW).event_id

    assert event_id(SINGLE) == event_id(deepcopy(SINGLE))
    assert event_id(SINGLE) != event_id({**SINGLE, "id": "another"})


def test_what_is_too_long_is_cut_and_says_so() -> None:
    long = changed(
        SAMPLES["composite"],
        state={**SINGLE["detail"]["state"], "reason": "Because\n" + "x" * 5000},
        configuration={"alarmRule": "ALARM(a) OR " * 900, "description": "y" * 1024},
    )
    data = told(long)["data"]
    assert (len(data["reason"]), data["reason"][-1]) == (1024, "…")
    assert (len(data["alarm_rule"]), data["alarm_rule"][-1]) == (1024, "…")
    assert data["description"] == "y" * 1024
    assert len(data["summary"]) < 400
    assert data["summary"].endswith("….")
    assert "\n" not in data["summary"]


def test_an_alarm_that_says_little_is_told_all_the_same() -> None:
    bare = {"alarmName": "x", "state": {"value": "OK", "timestamp": "2026-11-23T10:00:30Z"}}
    data = told({**SINGLE, "detail": bare})["data"]
    assert data["summary"] == "Alarm x (eu-central-1) is in OK."
    assert (data["previous_state"], data["description"], data["metrics"]) == (None, None, [])


@pytest.mark.parametrize(
    "event",
    [
        {},
        {**SINGLE, "detail-type": "CloudWatch Alarm Configuration Change"},
        {**SINGLE, "id": ""},
        {**SINGLE, "resources": []},
        {**SINGLE, "detail": None},
        changed(SINGLE, alarmName=""),
        changed(SINGLE, state={}),
        changed(SINGLE, state={"value": "BROKEN", "timestamp": "2026-11-23T10:00:30Z"}),
        changed(SINGLE, state={"value": "OK", "timestamp": "yesterday"}),
        changed(SINGLE, state={"value": "OK", "timestamp": "2026-11-23T10:00:30"}),
        changed(SINGLE, configuration={"metrics": [{"metricStat": {"metric": {}}}]}),
    ],
)
def test_what_is_no_state_change_is_refused(event: Event) -> None:
    with pytest.raises(msgspec.ValidationError):
        StateChange.from_event(event)


# ── the loop guard ──


def watching(namespace: str, **dimensions: str) -> list[Event]:
    stat = {"metric": {"namespace": namespace, "name": "x", "dimensions": dimensions}, "stat": "Sum", "period": 60}
    return [{"id": "m1", "metricStat": stat, "returnData": True}]


def asking(expression: str) -> list[Event]:
    return [{"id": "m1", "expression": expression, "period": 60, "returnData": True}]


def owns(name: str = "anything", **configuration: Any) -> bool:
    return OURS.owns(StateChange.from_event(changed(SINGLE, alarmName=name, configuration=configuration)))


@pytest.mark.parametrize(
    "metrics",
    [
        watching("Hookwatch", service="hookwatch"),
        watching("Hookwatch"),
        watching("AWS/Lambda", FunctionName=INGEST, Resource=f"{INGEST}:live"),
        watching("AWS/SQS", QueueName=SIGNALS),
        watching("AWS/DynamoDB", TableName=EVENTS, GlobalSecondaryIndexName="by_application"),
        watching("AWS/ApiGateway", ApiName="hookwatch", Stage="live"),
        [*asking("m1 / m2"), *watching("AWS/SQS", QueueName="shop"), *watching("AWS/SQS", QueueName=SIGNALS)],
        asking("SELECT SUM(DeliveriesExhausted) FROM Hookwatch"),
        asking("SELECT MAX(RetryAge) FROM SCHEMA(\"Hookwatch\", service) WHERE service = 'hookwatch'"),
        asking(f"SELECT SUM(Errors) FROM \"AWS/Lambda\" WHERE FunctionName = '{INGEST}'"),  # noqa: S608  # no database's
        asking('SELECT SUM("5XXError") FROM "AWS/ApiGateway" WHERE ApiName = \'hookwatch\''),
    ],
)
def test_an_alarm_on_a_metric_of_hookwatchs_own_is_its_own_whatever_its_name(metrics: list[Event]) -> None:
    assert owns(metrics=metrics)


@pytest.mark.parametrize(
    "metrics",
    [
        watching("AWS/SQS", QueueName="hookwatch-shop-Orders-AbCdEfGhIjKl"),
        watching("AWS/Lambda", FunctionName="hookwatch-Ingest"),
        watching("AWS/ApiGateway", ApiName="hookwatch-shop"),
        watching("Shop", service="hookwatch"),
        watching("HookwatchShop", service="shop"),
        asking("SELECT SUM(Errors) FROM HookwatchShop"),
        asking('SELECT AVG(ConsumedWriteCapacityUnits) FROM "AWS/DynamoDB" GROUP BY TableName'),
        [],
    ],
)
def test_an_alarm_on_anything_else_is_not_though_it_has_a_name_like_ours(metrics: list[Event]) -> None:
    """Another stack's name may begin with this one's."""
    assert not owns("hookwatch-shop-OrdersAlarm-AbCdEfGhIjKl", metrics=metrics)


@pytest.mark.parametrize("name", ["hookwatch-SignalsAgeAlarm-3AOHFRGOXR5T", "hookwatch-HookwatchAlarm-aBcD3fGhIjKlM"])
@pytest.mark.parametrize(
    "rule", ["ALARM({})", 'ALARM("{}")', "NOT OK( {} ) AND ALARM(x)", f"INSUFFICIENT_DATA({ACCOUNT}:alarm:{{}})"]
)
def test_a_composite_alarm_over_one_of_ours_is_ours_and_so_is_that_one(name: str, rule: str) -> None:
    assert owns(alarmRule=rule.format(name))
    assert owns(name)


@pytest.mark.parametrize(
    "name",
    [
        "hookwatch-shop-OrdersAlarm-AbCdEfGhIjKl",
        "my-hookwatch-SignalsAgeAlarm-3AOHFRGOXR5T",
        "hookwatch-OrdersAlarm",
        "hookwatch-OrdersAlarm-production-AbCdEfGhIjKl",
        "hookwatch-Orders-AbCdEfGhIjKl",
    ],
)
def test_a_composite_alarm_over_others_is_not(name: str) -> None:
    assert not owns(alarmRule=f'ALARM("{name}") OR OK({ACCOUNT}:alarm:{name})')
    assert not owns(name)
