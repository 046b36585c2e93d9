"""A function that fails at one record for ever: the others pass it by, and it lies where an operator finds it and takes
it back from, once the cause is gone. For the sweeper and the eraser, which try again each minute: tests/integration."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from hookwatch.operating.deployment import Deployment
from hookwatch.operating.redriving import redrive
from tests.e2e.test_notifying import attempts, created, happen, ids, register_proven, take_all
from tests.e2e.test_the_main_job import ARRIVES_WITHIN, eventually, text, types, unique
from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.local_cloud.controls import depth, stopped
from tests.local_cloud.receiver import Receiver

Key = dict[str, Any]


@contextmanager
def impatient(stack: Stack, queue: str) -> Iterator[None]:
    """The queue gives a message up after two receives, a second apart, instead of after half an hour and more."""
    sqs, url, names = stack.client("sqs"), stack.queues[queue], ["VisibilityTimeout", "RedrivePolicy"]
    patient = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    redrive_policy = json.loads(patient["RedrivePolicy"]) | {"maxReceiveCount": 2}
    changed = {"VisibilityTimeout": "1", "RedrivePolicy": json.dumps(redrive_policy)}
    sqs.set_queue_attributes(QueueUrl=url, Attributes=changed)
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=patient)


@contextmanager
def unreadable(stack: Stack, table: str, key: Key, attribute: str, garbage: dict[str, Any]) -> Iterator[None]:
    """An item holds what no version of Hookwatch has written meanwhile."""
    name, dynamodb = stack.tables[table], stack.client("dynamodb")
    item = dynamodb.get_item(TableName=name, Key=key, ConsistentRead=True)["Item"]

    def write(value: dict[str, Any]) -> None:
        dynamodb.update_item(
            TableName=name,
            Key=key,
            UpdateExpression="SET #attribute = :value",
            ExpressionAttributeNames={"#attribute": attribute},
            ExpressionAttributeValues={":value": value},
        )

    write(garbage)
    try:
        yield
    finally:
        write(item[attribute])


def disabled(receiver: Receiver) -> list[str]:
    """The endpoints of which it was told so."""
    return [receipt.data["endpoint_id"] for receipt in receiver.receipts if receipt.type == "endpoint.disabled"]


def stored(stack: Stack, application_id: str) -> int:
    """How many events it has, readable or not."""
    found = stack.client("dynamodb").query(
        TableName=stack.tables["OperationalEvent"],
        IndexName="by_application",
        KeyConditionExpression="application_id = :it",
        ExpressionAttributeValues={":it": {"S": application_id}},
        Select="COUNT",
    )
    return int(found["Count"])


def taken_back(stack: Stack, queue: str) -> int:
    return redrive(Deployment(stack.stack_name, stack.endpoint_url, stack.region), queue, lambda _: None)


def body_of_the_only(stack: Stack, queue: str) -> Any:
    """What lies there, which is left there."""
    answer = stack.client("sqs").receive_message(QueueUrl=stack.queues[queue], VisibilityTimeout=0)
    [message] = answer["Messages"]
    return json.loads(message["Body"])


@pytest.fixture(autouse=True)
def nothing_dead_lettered(stack: Stack) -> None:
    for queue in ("SignalsDeadLetters", "DeliveriesDeadLetters", "EmitterFailures"):
        take_all(stack, queue)


def test_an_endpoint_whose_record_cannot_be_read_holds_up_no_other(api: Api, stack: Stack) -> None:
    shop, now = unique("shop"), text(datetime.now(UTC))
    signals = [{"type": "endpoint.created", "endpoint_id": name, "occurred_at": now} for name in ("erp", "crm")]
    changes = [{"type": "endpoint.disabled", "endpoint_id": name, "occurred_at": now} for name in ("erp", "crm")]
    key = {"application_id": {"S": shop}, "endpoint_id": {"S": "erp"}}
    with Receiver() as receiver, impatient(stack, "Signals"):
        register_proven(api, receiver, shop)
        api.post_signals(shop, signals)
        assert receiver.wait_until(lambda: created(receiver) == 2, ARRIVES_WITHIN)
        with unreadable(stack, "MonitoredEndpoint", key, "record", {"B": b"no record"}):
            batch_id = api.post_signals(shop, changes).json()["batch_id"]
            assert receiver.wait_until(lambda: disabled(receiver) == ["crm"], ARRIVES_WITHIN)
            assert eventually(lambda: depth(stack, "SignalsDeadLetters") == 1)
            dead = body_of_the_only(stack, "SignalsDeadLetters")
            assert (dead["application_id"], dead["endpoint_id"], dead["batch_id"]) == (shop, "erp", batch_id)
        assert taken_back(stack, "SignalsDeadLetters") == 1
        assert receiver.wait_until(lambda: disabled(receiver) == ["crm", "erp"], ARRIVES_WITHIN)
    events = api.get("/events", application_id=shop, endpoint_id="erp").json()["data"]
    assert sorted(event["type"] for event in events) == ["endpoint.created", "endpoint.disabled"]


def test_an_event_that_cannot_be_read_holds_up_no_other(api: Api, stack: Stack) -> None:
    shop, dynamodb, table = unique("shop"), stack.client("dynamodb"), stack.tables["OperationalEvent"]
    planted = {"event_id": {"S": f"evt_{uuid.uuid4().hex}"}}
    with Receiver() as receiver:
        register_proven(api, receiver, shop)
        happen(api, shop)
        assert receiver.wait_until(lambda: created(receiver) == 1, ARRIVES_WITHIN)
        [event] = api.get("/events", application_id=shop, type="endpoint.created").json()["data"]
        item = dynamodb.get_item(TableName=table, Key={"event_id": {"S": event["event_id"]}})["Item"] | planted
        with stopped(stack, "EmitterSource"):  # so that they come in one batch
            dynamodb.put_item(TableName=table, Item=item | {"data": {"S": '{"endpoint_id": '}})
            happen(api, shop, 3)
            assert eventually(lambda: stored(stack, shop) == 6)  # the test that proved the receiver, 1, the planted, 3
        assert receiver.wait_until(lambda: created(receiver) == 4, ARRIVES_WITHIN)
        assert eventually(lambda: depth(stack, "EmitterFailures") == 1)
        assert body_of_the_only(stack, "EmitterFailures")["event_id"] == planted["event_id"]["S"]
        assert taken_back(stack, "EmitterFailures") == 0  # it cannot be told yet, and stays
        dynamodb.put_item(TableName=table, Item=item)
        assert taken_back(stack, "EmitterFailures") == 1
        assert receiver.wait_until(lambda: planted["event_id"]["S"] in ids(receiver), ARRIVES_WITHIN)
    assert created(receiver) == len(ids(receiver)) - 1 == 5  # and the test that proved it


def test_a_delivery_that_cannot_be_made_holds_up_no_other(api: Api, stack: Stack) -> None:
    shop = unique("shop")
    with Receiver() as receiver, Receiver() as other, impatient(stack, "Deliveries"):
        name = register_proven(api, receiver, shop)
        register_proven(api, other, shop)
        key = {"operational_endpoint_id": {"S": name}}
        with unreadable(stack, "OperationalEndpoint", key, "credentials", {"L": [{"B": b"no ciphertext"}]}):
            happen(api, shop, 2)
            assert other.wait_until(lambda: created(other) == 2, ARRIVES_WITHIN)
            assert eventually(lambda: depth(stack, "DeliveriesDeadLetters") == 2)
            assert created(receiver) == 0
        assert taken_back(stack, "DeliveriesDeadLetters") == 2
        assert receiver.wait_until(lambda: created(receiver) == 2, ARRIVES_WITHIN)
        assert eventually(lambda: len(attempts(api, name, status="delivered")) == 3)
    assert types(receiver) == ["webhook.test", "endpoint.created", "endpoint.created"]
