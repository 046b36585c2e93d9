"""OperationalEndpoint → the alarm topic: which receiver was given up, or missed a delivery."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from hookwatch import tables, times
from hookwatch.notifying import endpoints
from hookwatch.notifying.queue import Delivery
from tests.faults.killing import killed
from tests.in_process.api import call
from tests.in_process.aws import Aws
from tests.in_process.deliveries import HEADERS, SECRET, attempts, deliver, owed, received, record, register_receiver
from tests.in_process.signals import unique
from tests.integration.test_delivery import due_now
from tests.integration.test_metrics import emitted
from tests.local_cloud.receiver import Receiver

Published = Callable[[], list[dict[str, Any]]]
ONCE_MORE = (timedelta(seconds=1),)


@pytest.fixture
def published(aws: Aws) -> Iterator[Published]:
    """What a queue that has subscribed to the alarm topic got since the last look, as SNS wraps it."""
    sns, sqs, topic = aws.client("sns"), aws.client("sqs"), aws.environment("ALARM_TOPIC")
    url = sqs.create_queue(QueueName=unique("people"))["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]

    def take() -> list[dict[str, Any]]:
        taken: list[dict[str, Any]] = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            taken += [json.loads(message["Body"]) for message in messages]
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return taken

    aws.renew("Retries")
    yield take
    sns.unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def gone() -> Iterator[Receiver]:
    with Receiver(lambda _body, _attempt: 410) as receiver:
        yield receiver


@pytest.fixture
def broken() -> Iterator[Receiver]:
    with Receiver(lambda _body, _attempt: 500) as receiver:
        yield receiver


def exhaust(aws: Aws, name: str) -> tuple[Delivery, dict[str, Any]]:
    """A delivery whose second attempt, the last by `ONCE_MORE`, is due; and its message."""
    delivery = owed(name)
    deliver(aws, received(aws, delivery, "Retries"))
    due_now(aws, delivery.event_id, attempts(aws, delivery)[0]["attempt_key"])
    return delivery, received(aws, delivery, "Retries")


def set_clock(aws: Aws, name: str, attribute: str, moment: datetime) -> None:
    """When the next notice may be published, rather than waiting for it."""
    aws.client("dynamodb").update_item(
        TableName="OperationalEndpoint",
        Key={"operational_endpoint_id": {"S": name}},
        UpdateExpression="SET #attribute = :moment",
        ConditionExpression="attribute_exists(#attribute)",
        ExpressionAttributeNames={"#attribute": attribute},
        ExpressionAttributeValues={":moment": {"S": times.to_text(moment)}},
    )


def expired(aws: Aws, name: str, attribute: str) -> None:
    set_clock(aws, name, attribute, datetime.now(UTC) - timedelta(seconds=1))


def values(message: dict[str, Any]) -> dict[str, str]:
    return {name: attribute["Value"] for name, attribute in message["MessageAttributes"].items()}


def test_a_disabling_is_told_once_and_names_the_operational_endpoint(
    aws: Aws, published: Published, gone: Receiver
) -> None:
    name = register_receiver(aws, gone)
    delivery = owed(name)
    deliver(aws, record(delivery))
    deliver(aws, record(delivery), record(owed(name)))  # a copy, and one that is cancelled
    [message] = published()
    assert message["Subject"] == f"Hookwatch disabled operational endpoint {name} (gone)"
    for said in (name, delivery.event_id, "application: shop", "last outcome: 410"):
        assert said in message["Message"]
    assert values(message) == {
        "notice": "operational_endpoint.disabled",
        "operational_endpoint_id": name,
        "application_id": "shop",
    }


def test_a_subject_is_one_that_sns_takes(aws: Aws, published: Published, gone: Receiver) -> None:
    """ASCII, fewer than 100 characters (SNS Publish), for ids as the API makes them."""
    _, created = call(aws, "POST", "/", {"application_id": "*", "url": gone.url})
    name = created["operational_endpoint_id"]
    deliver(aws, received(aws, owed(name, application_id="*"), "Retries"))
    [message] = published()
    assert name in message["Subject"]
    assert len(message["Subject"]) < 100
    assert message["Subject"].isascii()


def test_a_notice_holds_no_secret(aws: Aws, published: Published, gone: Receiver) -> None:
    name = register_receiver(aws, gone)
    deliver(aws, record(owed(name)))
    [message] = published()
    said = json.dumps(message)
    assert gone.url not in said
    assert not any(secret in said for secret in (SECRET, *HEADERS, *HEADERS.values()))


def test_one_that_is_disabled_again_is_told_again(aws: Aws, published: Published, gone: Receiver) -> None:
    name = register_receiver(aws, gone)
    deliver(aws, record(owed(name)))
    call(aws, "PATCH", f"/{name}", {"is_enabled": True})
    deliver(aws, received(aws, owed(name), "Retries"))
    assert len(published()) == 2


def test_who_disables_by_hand_is_told_nothing(aws: Aws, published: Published, broken: Receiver) -> None:
    name = register_receiver(aws, broken)
    call(aws, "PATCH", f"/{name}", {"is_enabled": False})
    deliver(aws, record(owed(name)))
    assert published() == []


def test_exhausted_deliveries_of_one_operational_endpoint_are_told_once_an_hour(
    aws: Aws, published: Published, broken: Receiver
) -> None:
    names = [register_receiver(aws, broken, retry_schedule=ONCE_MORE) for _ in range(2)]
    for name in [*names, *names]:
        deliver(aws, exhaust(aws, name)[1])
    first = published()
    assert sorted(values(message)["operational_endpoint_id"] for message in first) == sorted(names)
    assert {values(message)["notice"] for message in first} == {"delivery.exhausted"}
    assert all("last outcome: 500" in message["Message"] for message in first)
    assert all("once an hour" in message["Message"] for message in first)
    set_clock(aws, names[0], "exhausted_notice_at", datetime.now(UTC) + timedelta(minutes=1))
    deliver(aws, exhaust(aws, names[0])[1])
    assert published() == []
    expired(aws, names[0], "exhausted_notice_at")
    delivery, message = exhaust(aws, names[0])
    deliver(aws, message)
    [again] = published()
    assert delivery.event_id in again["Message"]


def test_a_change_of_its_description_does_not_end_the_hour(aws: Aws, published: Published, broken: Receiver) -> None:
    name = register_receiver(aws, broken, retry_schedule=ONCE_MORE)
    deliver(aws, exhaust(aws, name)[1])
    call(aws, "PATCH", f"/{name}", {"description": "of the night shift"})
    deliver(aws, exhaust(aws, name)[1])
    assert len(published()) == 1


def test_one_that_is_disabled_for_failing_is_told_as_disabled(aws: Aws, published: Published, broken: Receiver) -> None:
    since = times.to_text(datetime.now(UTC) - timedelta(days=5))
    name = register_receiver(aws, broken, failing_since=since, retry_schedule=ONCE_MORE)
    deliver(aws, exhaust(aws, name)[1])
    [message] = published()
    assert "(failing)" in message["Subject"]


@pytest.mark.parametrize("kind", ["disabled", "exhausted"])
def test_of_many_at_the_same_moment_one_tells(aws: Aws, published: Published, kind: str) -> None:
    together = threading.Barrier(6)

    def answer(_body: Any, _attempt: int) -> int:
        if attempts_are_last.is_set():
            together.wait(timeout=10)
        return 410 if kind == "disabled" else 500

    attempts_are_last = threading.Event()
    with Receiver(answer) as receiver:
        name = register_receiver(aws, receiver, retry_schedule=ONCE_MORE)
        if kind == "disabled":
            records = [record(owed(name)) for _ in range(6)]
        else:
            records = [exhaust(aws, name)[1] for _ in range(6)]
        attempts_are_last.set()
        function = aws.function("delivery")
        batch, _ = function.messages.take({"Records": records}, function.seal_keys)
        with ThreadPoolExecutor(6) as functions:
            list(functions.map(function.deliver, batch))
    assert len(published()) == 1


def sns_of(aws: Aws) -> Any:
    return aws.function("delivery").alarm_topic._sns()


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_it_tells_the_message_that_comes_back_tells(
    aws: Aws, published: Published, gone: Receiver, when: Any
) -> None:
    name = register_receiver(aws, gone)
    message = record(owed(name))
    with killed(sns_of(aws), when, "sns.Publish") as kills:
        assert deliver(aws, message) == [message["messageId"]]
    assert kills
    told = len(published())
    assert told == (when == "after")
    assert deliver(aws, message) == []
    assert published() == []  # who was killed may still be at it, as far as anybody knows
    expired(aws, name, "disabled_notice_at")
    assert deliver(aws, message) == []
    assert len(published()) == 1
    assert deliver(aws, message) == []
    assert published() == []
    assert len(gone.receipts) == 1


def test_killed_between_its_record_and_its_notice_the_message_that_comes_back_tells_of_an_exhausted_delivery(
    aws: Aws, published: Published, broken: Receiver
) -> None:
    name = register_receiver(aws, broken, retry_schedule=ONCE_MORE)
    delivery, message = exhaust(aws, name)
    posted = len(broken.receipts) + 1
    with killed(sns_of(aws), "before", "sns.Publish") as kills:
        assert deliver(aws, message) == [message["messageId"]]
    assert kills
    expired(aws, name, "exhausted_notice_at")
    assert deliver(aws, message) == []
    [told] = published()
    assert delivery.event_id in told["Message"]
    assert "last outcome: 500" in told["Message"]
    assert len(broken.receipts) == posted


def test_an_sns_that_fails_fails_no_delivery_and_is_counted(
    aws: Aws, published: Published, gone: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    name = register_receiver(aws, gone)
    refusal = ClientError({"Error": {"Code": "AuthorizationError", "Message": "not authorized"}}, "Publish")

    def refuse(**_: Any) -> None:
        raise refusal

    events = sns_of(aws).meta.events
    emitted(capsys)
    events.register("before-call.sns.Publish", refuse)
    try:
        with aws.log_of("delivery") as log:
            assert deliver(aws, record(owed(name))) == []
    finally:
        events.unregister("before-call.sns.Publish", refuse)
    assert name in log.getvalue()
    assert "AuthorizationError" in log.getvalue()
    found = emitted(capsys)
    assert (found["NoticesFailed"], found["DeliveriesGivenUp"]) == ([1], [1])
    assert not endpoints.get(name).is_enabled
    assert published() == []


def test_of_one_that_is_deleted_in_that_moment_nothing_is_told_or_left(
    aws: Aws, published: Published, broken: Receiver
) -> None:
    name = register_receiver(aws, broken, retry_schedule=ONCE_MORE)
    _, message = exhaust(aws, name)

    def delete(**_: Any) -> None:
        key = {"operational_endpoint_id": {"S": name}}
        aws.client("dynamodb").delete_item(TableName="OperationalEndpoint", Key=key)

    events = tables.connection_of(tables.OperationalEndpoint).client.meta.events
    events.register("before-call.dynamodb.UpdateItem", delete)
    try:
        assert deliver(aws, message) == []
    finally:
        events.unregister("before-call.dynamodb.UpdateItem", delete)
    assert published() == []
    assert name not in {item["operational_endpoint_id"]["S"] for item in Aws.stored("OperationalEndpoint")}
