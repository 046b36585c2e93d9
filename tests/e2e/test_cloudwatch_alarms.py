"""CloudWatch's alarms, told by the deployed stack. The local cloud raises no events of alarms, and PutEvents takes none
of aws.*, as on AWS: so the function is invoked as EventBridge invokes it, without waiting."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hookwatch.operating.deployment import Deployment
from hookwatch.operating.redriving import redrive
from tests.e2e.test_notifying import passes, take_all
from tests.e2e.test_the_main_job import ARRIVES_WITHIN, eventually, register, text, unique
from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.local_cloud.controls import depth
from tests.local_cloud.receiver import Receiver
from tests.unit.test_cloudwatch_alarms import SAMPLES, changed

OPERATIONS = "operations"  # as the parameter AlarmsApplication of the local cloud names it


def deployment(stack: Stack) -> Deployment:
    return Deployment(stack.stack_name, stack.endpoint_url, stack.region)


def invoke(stack: Stack, function: str, event: dict[str, Any], invocation_type: str) -> None:
    name = deployment(stack).physical_id(function)
    answer = stack.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event), InvocationType=invocation_type)
    assert "FunctionError" not in answer, answer["Payload"].read()


def hand_over(stack: Stack, event: dict[str, Any]) -> None:
    invoke(stack, "Alarms", event, "Event")


def fresh(name: str, state: str = "ALARM", after: timedelta = timedelta()) -> dict[str, Any]:
    """A state change of now, or some time after, of an alarm of its own."""
    begun = {**SAMPLES[name]["detail"]["state"], "value": state, "timestamp": text(datetime.now(UTC) + after)}
    arn = f"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:{unique('shop')}"
    return changed({**SAMPLES[name], "id": unique("change"), "resources": [arn]}, state=begun)


def told(api: Api) -> set[str]:
    """The ARNs of alarms that were told."""
    page = api.get("/events", application_id=OPERATIONS, type="alarm.state_changed", limit=100).json()
    return {event["data"]["alarm_arn"] for event in page["data"]}


def test_an_alarm_arrives_verified_once_and_ends_under_its_key(api: Api, stack: Stack) -> None:
    opens = fresh("single metric")
    closes = {**fresh("single metric", "OK", after=timedelta(seconds=5)), "resources": opens["resources"]}
    with Receiver() as receiver:
        register(api, receiver, OPERATIONS, filter_types=["alarm.state_changed"])
        hand_over(stack, opens)
        assert receiver.wait_until(lambda: len(receiver.receipts) == 1, ARRIVES_WITHIN)
        hand_over(stack, opens)
        hand_over(stack, closes)
        assert receiver.wait_until(lambda: len(receiver.receipts) == 2, ARRIVES_WITHIN)
        passes(1)
        assert [receipt.is_verified for receipt in receiver.receipts] == [True, True]
    opened, closed = (receipt.data for receipt in receiver.receipts)
    assert (opened["severity"], closed["severity"]) == ("critical", "info")
    assert opened["dedup_key"] == closed["dedup_key"]
    assert opened["sequence"] < closed["sequence"]
    assert opened["metrics"][0]["dimensions"] == {"QueueName": "shop-orders"}


def test_our_own_alarms_are_known_by_the_names_that_cloudformation_gave(api: Api, stack: Stack) -> None:
    names = [
        *(deployment(stack).physical_id(name) for name in ("Alarms", "Ingest")),
        stack.queues["Signals"].rpartition("/")[2],
        stack.tables["OperationalEvent"],
    ]
    metrics = [{"metric": {"namespace": "AWS/Any", "name": "x", "dimensions": {"Name": name}}} for name in names]
    rule = f"OK(x) AND ALARM({deployment(stack).physical_id('AlarmsErrorsAlarm')})"
    others = [fresh("single metric")["resources"] for _ in range(len(names) + 1)]
    configurations = [{"alarmRule": rule}, *({"metrics": [{"metricStat": metric}]} for metric in metrics)]
    for configuration, resources in zip(configurations, others, strict=True):
        event = {**changed(fresh("single metric"), configuration=configuration), "resources": resources}
        invoke(stack, "Alarms", event, "RequestResponse")
    assert not {resources[0] for resources in others} & told(api)


def test_eventbridge_hands_over_what_the_rule_names_and_may_invoke_the_function(stack: Stack) -> None:
    events, function = stack.client("events"), deployment(stack).physical_id("Alarms")
    rule = events.describe_rule(Name=deployment(stack).physical_id("AlarmStateChanges"))
    [target] = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert target["Arn"].endswith(f":function:{function}")
    for sample in SAMPLES.values():
        assert events.test_event_pattern(EventPattern=rule["EventPattern"], Event=json.dumps(sample))["Result"]
    other = {**SAMPLES["composite"], "detail-type": "CloudWatch Alarm Configuration Change"}
    assert not events.test_event_pattern(EventPattern=rule["EventPattern"], Event=json.dumps(other))["Result"]
    policy = json.loads(stack.client("lambda").get_policy(FunctionName=function)["Policy"])
    allowed = [each for each in policy["Statement"] if each["Principal"] == {"Service": "events.amazonaws.com"}]
    assert [each["Condition"]["ArnLike"]["AWS:SourceArn"] for each in allowed] == [rule["Arn"]]


def test_what_cannot_be_told_is_put_aside_and_redriven(api: Api, stack: Stack) -> None:
    take_all(stack, "AlarmsFailures")
    good, left = fresh("composite"), list[str]()
    body = json.dumps({"requestContext": {"condition": "RetriesExhausted"}, "requestPayload": good})
    stack.client("sqs").send_message(QueueUrl=stack.queues["AlarmsFailures"], MessageBody=body)
    assert redrive(deployment(stack), "AlarmsFailures", lambda _: None) == 1
    assert good["resources"][0] in told(api)
    broken = {**SAMPLES["composite"], "id": unique("change"), "detail": {}}
    hand_over(stack, broken)
    assert eventually(lambda: depth(stack, "AlarmsFailures") == 1)
    assert redrive(deployment(stack), "AlarmsFailures", left.append) == 0  # it is as broken as before, and is left
    assert "left: " in left[0]
    assert broken["id"] in left[0]
