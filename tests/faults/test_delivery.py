"""The delivery function killed at each step between receive and delete: the event arrives, and the record is right."""

from collections.abc import Iterator
from typing import Any

import pytest

from hookwatch import tables
from tests.faults.killing import killed
from tests.in_process.aws import Aws
from tests.in_process.deliveries import attempts, deliver, owed, received, record, register_receiver
from tests.integration.test_delivery import due_now
from tests.local_cloud.receiver import Receiver


def attempts_client() -> Any:
    return tables.OperationalAttempt._get_connection().connection.client


def queue_client(aws: Aws) -> Any:
    return aws.function("delivery").messages._sqs


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def busy_once() -> Iterator[Receiver]:
    with Receiver(lambda _body, attempt: 503 if attempt == 1 else 200) as receiver:
        yield receiver


def test_killed_before_the_look(aws: Aws, receiver: Receiver) -> None:
    message = record(owed(register_receiver(aws, receiver)))
    with killed(attempts_client(), "before", "dynamodb.Query"):
        assert deliver(aws, message) == [message["messageId"]]
    assert receiver.receipts == []
    assert deliver(aws, message) == []
    assert len(receiver.accepted()) == 1


def test_killed_between_the_post_and_its_record_it_posts_once_more_and_records_once(
    aws: Aws, receiver: Receiver
) -> None:
    delivery = owed(register_receiver(aws, receiver))
    message = record(delivery)
    with killed(attempts_client(), "before", "dynamodb.PutItem") as kills:
        assert deliver(aws, message) == [message["messageId"]]
    assert kills
    assert attempts(aws, delivery) == []
    assert deliver(aws, message) == []
    assert {receipt.webhook_id for receipt in receiver.accepted()} == {delivery.event_id}
    assert len(receiver.accepted()) == 2  # a duplicate that the receiver tells by its webhook-id
    assert [attempt["status"] for attempt in attempts(aws, delivery)] == ["delivered"]


def test_killed_between_the_record_and_its_acknowledgement_it_posts_nothing_more(aws: Aws, receiver: Receiver) -> None:
    delivery = owed(register_receiver(aws, receiver))
    message = record(delivery)
    with killed(attempts_client(), "after", "dynamodb.PutItem"):
        assert deliver(aws, message) == [message["messageId"]]
    assert deliver(aws, message) == []
    assert len(receiver.receipts) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_between_the_record_and_the_retry(aws: Aws, busy_once: Receiver, when: Any) -> None:
    delivery = owed(register_receiver(aws, busy_once))
    message = record(delivery)
    with killed(queue_client(aws), when, "sqs.SendMessage") as kills:
        assert deliver(aws, message) == [message["messageId"]]
    assert kills
    assert deliver(aws, message) == []  # it looks, sees that the retry is not due, and moves to RETRIES
    assert len(busy_once.receipts) == 1
    due_now(aws, delivery.event_id, attempts(aws, delivery)[0]["attempt_key"])
    assert deliver(aws, received(aws, delivery, "Retries")) == []
    assert deliver(aws, record(delivery, "Retries")) == []  # the copy that the second move left
    assert [attempt["status"] for attempt in attempts(aws, delivery)] == ["retrying", "delivered"]
    assert len(busy_once.receipts) == 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_a_retry_is_hidden(aws: Aws, busy_once: Receiver, when: Any) -> None:
    delivery = owed(register_receiver(aws, busy_once))
    deliver(aws, record(delivery))
    message = received(aws, delivery, "Retries")
    with killed(queue_client(aws), when, "sqs.ChangeMessageVisibility"):
        assert deliver(aws, message) == [message["messageId"]]
    due_now(aws, delivery.event_id, attempts(aws, delivery)[0]["attempt_key"])
    assert deliver(aws, message) == []
    assert len(busy_once.accepted()) == 1
