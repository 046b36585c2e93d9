"""CloudWatch's alarms, by EventBridge → OperationalEvent."""

import json
from typing import Any

import jsonschema
import msgspec
import pytest

from hookwatch.catalogue import CATALOGUE
from tests.in_process.api import call
from tests.in_process.aws import Aws
from tests.in_process.invoking import inserted
from tests.in_process.signals import unique
from tests.integration.test_metrics import Written, emitted
from tests.unit.test_cloudwatch_alarms import SAMPLES, changed

OPERATIONS = "operations"  # the application that the settings name


def fresh(name: str, **fields: Any) -> dict[str, Any]:
    """A sample under an id of its own."""
    return {**SAMPLES[name], "id": unique("change"), **fields}


def told(aws: Aws) -> list[dict[str, Any]]:
    status, page = call(aws, "GET", "/events", application_id=OPERATIONS, limit="100")
    assert status == 200
    return list(page["data"])


@pytest.fixture(autouse=True)
def nothing_told(aws: Aws) -> None:
    aws.forget("OperationalEvent")


@pytest.mark.parametrize("name", SAMPLES)
def test_a_state_change_is_an_event_of_the_application_that_the_deployment_names(aws: Aws, name: str) -> None:
    aws.invoke("alarms", fresh(name))
    [event] = told(aws)
    jsonschema.validate(event, CATALOGUE["alarm.state_changed"].schema)
    assert event["data"]["application_id"] == OPERATIONS
    assert event["data"]["alarm_name"] == SAMPLES[name]["detail"]["alarmName"]


def test_it_is_among_the_events_of_every_application(aws: Aws) -> None:
    aws.invoke("alarms", fresh("single metric"))
    since = "2026-11-23T10:00:00Z"
    _, page = call(aws, "GET", "/events", application_id="*", type="alarm.state_changed", since=since)
    assert len(page["data"]) == 1


def test_what_is_handed_over_twice_is_told_once_and_counted_once(aws: Aws, capsys: Written) -> None:
    change = fresh("single metric")
    emitted(capsys)
    for _ in range(2):
        aws.invoke("alarms", change)
    found = emitted(capsys)
    assert len(told(aws)) == 1
    assert (found["AlarmsReceived"], found["Events"]) == ([1, 1], [1])
    assert found["EventsByType"] == [("alarm.state_changed", 1)]


def test_changes_that_come_out_of_order_are_told_with_the_order_in_them(aws: Aws) -> None:
    closing = {"value": "OK", "timestamp": "2026-11-23T10:05:00.000+0000", "reason": "x"}
    aws.invoke("alarms", changed(fresh("single metric"), state=closing))
    aws.invoke("alarms", fresh("single metric"))
    newest_first = [event["data"]["state"] for event in told(aws)]
    by_sequence = sorted(told(aws), key=lambda event: event["data"]["sequence"], reverse=True)
    assert newest_first == [event["data"]["state"] for event in by_sequence] == ["OK", "ALARM"]


@pytest.mark.parametrize(
    "metric",
    [
        {"namespace": "Hookwatch", "name": "DeliveriesExhausted", "dimensions": {"service": "hookwatch"}},
        {"namespace": "AWS/Lambda", "name": "Errors", "dimensions": {"FunctionName": "hookwatch-Ingest-AbCdEfGhIjKl"}},
        {"namespace": "AWS/Lambda", "name": "Errors", "dimensions": {"FunctionName": "function"}},  # the test's context
        {"namespace": "AWS/DynamoDB", "name": "SystemErrors", "dimensions": {"TableName": "OperationalEvent"}},
        {"namespace": "AWS/SQS", "name": "x", "dimensions": {"QueueName": "hookwatch-Signals-MnOpQrStUvWx.fifo"}},
    ],
)
def test_an_alarm_of_hookwatchs_own_is_counted_and_not_told(aws: Aws, capsys: Written, metric: dict[str, Any]) -> None:
    metrics = [{"id": "m1", "metricStat": {"metric": metric, "period": 60, "stat": "Sum"}, "returnData": True}]
    emitted(capsys)
    aws.invoke("alarms", changed(fresh("single metric"), configuration={"metrics": metrics}))
    found = emitted(capsys)
    assert told(aws) == []
    assert found["AlarmsIgnored"] == [1]
    assert "Events" not in found


def test_what_is_no_state_change_raises_so_that_lambda_puts_it_aside(aws: Aws) -> None:
    with pytest.raises(msgspec.ValidationError):
        aws.invoke("alarms", fresh("single metric", detail={}))
    assert told(aws) == []


def test_it_can_be_asked_for_by_its_type(aws: Aws) -> None:
    body = {"application_id": OPERATIONS, "url": "https://ops.example.com/", "filter_types": ["alarm.state_changed"]}
    status, endpoint = call(aws, "POST", "/", body, idempotency_key=unique("key"))
    assert status == 201, endpoint
    aws.invoke("alarms", fresh("composite"))
    [item] = aws.items("OperationalEvent")
    aws.renew("Retries")  # of what other tests let wait there
    aws.invoke("emitter", {"Records": [inserted(item)]})
    bodies = [json.loads(message["body"]) for message in aws.take("Retries")]  # nobody knows this receiver yet
    assert [body["operational_endpoint_id"] for body in bodies] == [endpoint["operational_endpoint_id"]]
