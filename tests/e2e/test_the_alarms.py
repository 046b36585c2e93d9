"""The deployed alarms, driven by metric data of ours; and what the alarm topic says by itself."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.test_notifying import happen
from tests.e2e.test_the_main_job import eventually, register, unique
from tests.integration.test_alarms import ALARMS, COMPOSITES, expanded
from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.local_cloud.receiver import Receiver

Told = Callable[[], list[dict[str, Any]]]
LEAVES_AFTER = timedelta(seconds=4)  # the last of the time over which an alarm looks
OURS = [name for name, alarm in ALARMS.items() if alarm.get("Namespace") == "Hookwatch"]


def described(stack: Stack) -> dict[str, dict[str, Any]]:
    """The alarms as CloudWatch has them, by their logical ids."""
    names = stack.physical("AWS::CloudWatch::Alarm")
    found = stack.client("cloudwatch").describe_alarms(AlarmNames=list(names.values()), MaxRecords=100)["MetricAlarms"]
    by_name = {alarm["AlarmName"]: alarm for alarm in found}
    return {logical: by_name[name] for logical, name in names.items()}


@pytest.fixture
def told(stack: Stack) -> Iterator[Told]:
    """What a queue that has subscribed to the alarm topic has got so far, as SNS wraps it."""
    sns, sqs = stack.client("sns"), stack.client("sqs")
    [topic] = stack.physical("AWS::SNS::Topic").values()
    url = sqs.create_queue(QueueName=unique("people"))["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]
    messages: list[dict[str, Any]] = []

    def take() -> list[dict[str, Any]]:
        while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            messages.extend(json.loads(message["Body"]) for message in found)
            for message in found:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return messages

    yield take
    sns.unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=url)


def put(stack: Stack, alarm: dict[str, Any], value: float, moment: datetime) -> None:
    datum = {
        "MetricName": alarm["MetricName"],
        "Dimensions": alarm["Dimensions"],
        "Value": value,
        "Timestamp": moment,
    }
    stack.client("cloudwatch").put_metric_data(Namespace=alarm["Namespace"], MetricData=[datum])


def earliest(alarm: dict[str, Any]) -> datetime:
    """Of what the alarm looks at now: it leaves `LEAVES_AFTER` later."""
    looks_back = timedelta(seconds=alarm["Period"] * alarm["EvaluationPeriods"])
    return datetime.now(UTC) - looks_back + LEAVES_AFTER


@pytest.fixture
def needs_a_look(stack: Stack) -> Iterator[str]:
    """The composite alarm, with the rule of the template, put by the API: the local cloud's templates have none."""
    [composite] = COMPOSITES.values()
    rule, names = expanded(composite["AlarmRule"]["Fn::Sub"], takes="all"), stack.physical("AWS::CloudWatch::Alarm")
    for logical in ALARMS:
        term = f'ALARM("{names[logical]}")' if logical in names else "FALSE"
        rule = rule.replace(f'ALARM("${{{logical}}}")', term)
    name, cloudwatch = unique("needs-a-look"), stack.client("cloudwatch")
    cloudwatch.put_composite_alarm(AlarmName=name, AlarmRule=rule)
    yield name
    cloudwatch.delete_alarms(AlarmNames=[name])


def light(stack: Stack, name: str) -> str:
    answer = stack.client("cloudwatch").describe_alarms(AlarmNames=[name], AlarmTypes=["CompositeAlarm"])
    return str(answer["CompositeAlarms"][0]["StateValue"])


def test_every_alarm_is_deployed_but_those_that_are_derived(stack: Stack) -> None:
    assert sorted(described(stack)) == sorted(set(ALARMS) - {"DeliverySuccessRateAlarm"})


def test_an_alarm_watches_a_queue_or_a_function_that_is_deployed(stack: Stack) -> None:
    functions = set(stack.physical("AWS::Lambda::Function").values())
    queues = {url.rpartition("/")[2] for url in stack.queues.values()}
    owners = {"QueueName": queues, "FunctionName": functions, "service": {"hookwatch"}}
    for logical, alarm in described(stack).items():
        [dimension] = alarm["Dimensions"]
        assert dimension["Value"] in owners[dimension["Name"]], logical


def test_what_is_put_above_a_threshold_is_an_alarm_and_below_it_is_over(
    stack: Stack, told: Told, needs_a_look: str
) -> None:
    def states() -> set[str]:
        return {described(stack)[name]["StateValue"] for name in OURS}

    def of_all() -> str:
        """Functions that fail in other tests are among them: the local cloud counts their errors as AWS does."""
        return "ALARM" if "ALARM" in {alarm["StateValue"] for alarm in described(stack).values()} else "OK"

    def said(state: str) -> set[str]:
        messages = [json.loads(message["Message"]) for message in told()]
        return {message["AlarmName"] for message in messages if message["NewStateValue"] == state}

    alarms = {name: described(stack)[name] for name in OURS}
    names = {alarm["AlarmName"] for alarm in alarms.values()}
    assert "ALARM" not in states()  # not before anything has happened, silence included
    assert eventually(lambda: light(stack, needs_a_look) == of_all())
    for alarm in alarms.values():
        put(stack, alarm, alarm["Threshold"] + 1, earliest(alarm))
    assert states() == {"ALARM"}
    assert light(stack, needs_a_look) == "ALARM"
    assert eventually(lambda: said("ALARM") >= names)
    time.sleep(LEAVES_AFTER.total_seconds() + 1)
    for alarm in alarms.values():
        put(stack, alarm, 0, datetime.now(UTC))
    assert states() == {"OK"}
    assert eventually(lambda: light(stack, needs_a_look) == of_all())
    assert eventually(lambda: said("OK") >= names)


def test_the_topic_is_told_by_id_of_a_receiver_that_is_gone(api: Api, told: Told) -> None:
    shop = unique("shop")
    with Receiver(lambda _body, _attempt: 410) as receiver:
        name = register(api, receiver, shop)
        happen(api, shop, 3)

        def notices() -> list[dict[str, Any]]:
            return [each for each in told() if name in json.dumps(each)]

        assert eventually(lambda: len(api.get("/events", application_id=shop).json()["data"]) == 3)
        assert eventually(lambda: len(api.get(f"/{name}/attempts").json()["data"]) == 3)
        assert eventually(lambda: bool(notices()))
        [notice] = notices()
    assert notice["Subject"] == f"Hookwatch disabled operational endpoint {name} (gone)"
    attributes = {key: attribute["Value"] for key, attribute in notice["MessageAttributes"].items()}
    assert attributes == {
        "notice": "operational_endpoint.disabled",
        "operational_endpoint_id": name,
        "application_id": shop,
    }
    assert receiver.url not in json.dumps(notice)
    assert not api.get(f"/{name}").json()["is_enabled"]
