"""The delivery function killed at each step between receive and delete: the event arrives, and the record is right."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from hookwatch import tables
from hookwatch.notifying import endpoints
from tests.faults.killing import Killed, killed
from tests.in_process.auditing import on_record
from tests.in_process.aws import Aws
from tests.in_process.deliveries import attempts, deliver, owed, received, record, register_receiver
from tests.in_process.signals import unique
from tests.integration.test_delivery import due_now
from tests.integration.test_emitter import records
from tests.local_cloud.receiver import Receiver


def attempts_client() -> Any:
    return tables.OperationalAttempt._get_connection().connection.client


def queue_client(aws: Aws) -> Any:
    return aws.function("delivery").messages._sqs


@pytest.fixture
def busy_once() -> Iterator[Receiver]:
    with Receiver(lambda _body, attempt: 503 if attempt == 1 else 200) as receiver:
        yield receiver


def test_killed_before_the_look_at_a_batch(aws: Aws, receiver: Receiver) -> None:
    message = record(owed(register_receiver(aws, receiver)))
    with killed(attempts_client(), "before", "dynamodb.BatchGetItem"), pytest.raises(Killed):
        deliver(aws, message)
    assert receiver.receipts == []
    assert deliver(aws, message) == []
    assert len(receiver.accepted()) == 1


def test_killed_before_the_look_at_a_retry(aws: Aws, receiver: Receiver) -> None:
    message = record(owed(register_receiver(aws, receiver)), "Retries")
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


def endpoints_client() -> Any:
    return tables.OperationalEndpoint._get_connection().connection.client


def pace_client() -> Any:
    return tables.DeliveryPace._get_connection().connection.client


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_it_notes_that_a_receiver_fails(aws: Aws, busy_once: Receiver, when: Any) -> None:
    delivery = owed(register_receiver(aws, busy_once))
    message = record(delivery)
    with killed(endpoints_client(), when, "dynamodb.UpdateItem") as kills:
        assert deliver(aws, message) == [message["messageId"]]
    assert kills
    assert deliver(aws, message) == []  # the attempt is on record: it waits on RETRIES
    due_now(aws, delivery.event_id, attempts(aws, delivery)[0]["attempt_key"])
    assert deliver(aws, received(aws, delivery, "Retries")) == []
    assert [attempt["status"] for attempt in attempts(aws, delivery)] == ["retrying", "delivered"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_it_disables_a_receiver_that_is_gone(aws: Aws, when: Any) -> None:
    with Receiver(lambda _body, _attempt: 410) as gone:
        operational_endpoint_id = register_receiver(aws, gone)
        message = record(owed(operational_endpoint_id))
        with killed(endpoints_client(), when, "dynamodb.TransactWriteItems") as kills:
            deliver(aws, message)
        assert kills
        assert deliver(aws, message) == []
        deliver(aws, record(owed(operational_endpoint_id)))  # the next one is told so again, or is cancelled
    assert endpoints.get(operational_endpoint_id).disabled_reason == "gone"
    noted = [item["action"] for item in on_record() if item["target"] == operational_endpoint_id]
    assert noted == ["operational_endpoint.disabled"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_it_takes_its_slot_it_takes_the_next(aws: Aws, receiver: Receiver, when: Any) -> None:
    delivery = owed(register_receiver(aws, receiver, rate_limit=5))
    message = record(delivery)
    with killed(pace_client(), when, "dynamodb.UpdateItem") as kills:
        assert deliver(aws, message) == [message["messageId"]]
    assert kills
    assert receiver.receipts == []
    assert deliver(aws, message) == []
    assert len(receiver.accepted()) == 1


def test_copies_at_the_same_moment_record_one_attempt_and_the_others_go_by_it(aws: Aws) -> None:
    """Each copy may post, which its receiver tells by the webhook-id; on record is one."""
    together = threading.Barrier(3)

    def answer(_body: Any, _attempt: int) -> int:
        with suppress(threading.BrokenBarrierError):
            together.wait(timeout=2)
        return 200

    with Receiver(answer) as receiver:
        delivery = owed(register_receiver(aws, receiver))
        function = aws.function("delivery")
        copies, _ = function.messages.take({"Records": [record(delivery) for _ in range(3)]}, function.seal_keys)
        with ThreadPoolExecutor(3) as functions:  # three of them, as far as a delivery can tell
            list(functions.map(function.deliver, copies))
        assert not any(copy.stays for copy in copies)
        assert [attempt["status"] for attempt in attempts(aws, delivery)] == ["delivered"]
        assert len({receipt.webhook_id for receipt in receiver.receipts}) == 1
        assert len(receiver.receipts) == 3
        assert deliver(aws, record(delivery)) == []
    assert len(receiver.receipts) == 3


def test_copies_in_one_batch_are_posted_once(aws: Aws, receiver: Receiver) -> None:
    delivery, other = (owed(register_receiver(aws, receiver)) for _ in range(2))
    assert deliver(aws, *(record(delivery) for _ in range(3)), record(other)) == []
    assert len(receiver.receipts) == 2


def test_however_many_copies_there_are_five_attempts_are_on_record_and_a_final_one_stays(aws: Aws) -> None:
    with Receiver(lambda _body, _attempt: 500) as receiver:
        delivery = owed(register_receiver(aws, receiver))
        for _ in range(7):
            deliver(aws, *(received(aws, delivery, "Retries") for _ in range(4)))
            on_record = attempts(aws, delivery)
            if "next_attempt_at" in on_record[-1]:
                due_now(aws, delivery.event_id, on_record[-1]["attempt_key"])
    assert [attempt["number"] for attempt in attempts(aws, delivery)] == ["1", "2", "3", "4", "5"]
    assert [attempt["status"] for attempt in attempts(aws, delivery)] == ["retrying"] * 4 + ["exhausted"]


def test_a_batch_of_the_stream_that_is_handed_out_again_reaches_its_receiver_once(aws: Aws) -> None:
    shop = unique("shop")
    aws.renew("Deliveries")
    with Receiver() as receiver:
        register_receiver(aws, receiver, application_id=shop)
        batch = records(aws, shop, 3)
        for _ in range(2):
            aws.invoke("emitter", {"Records": batch})
        messages = aws.take("Deliveries")
        for message in messages:
            assert deliver(aws, message) == []
    assert (len(messages), len(receiver.receipts)) == (6, 3)


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_emitter_that_is_killed_while_it_queues_or_lines_up_queues_it_all_again(aws: Aws, when: Any) -> None:
    shop = unique("shop")
    aws.renew("Deliveries", "Retries")
    with Receiver() as receiver:
        register_receiver(aws, receiver, application_id=shop)
        register_receiver(aws, receiver, application_id=shop, rate_limit=500)
        batch = {"Records": records(aws, shop, 3)}
        emission = aws.function("emitter").emission
        for client, operation in (
            (pace_client(), "dynamodb.UpdateItem"),
            (emission.outbox._sqs, "sqs.SendMessageBatch"),
        ):
            with killed(client, when, operation) as kills, pytest.raises(Killed):
                aws.invoke("emitter", batch)
            assert kills
        aws.invoke("emitter", batch)
        assert receiver.receipts == []
        deliver(aws, *aws.take("Deliveries"))
        assert eventually_empty(aws)
    assert {receipt.webhook_id for receipt in receiver.receipts} == {
        record["dynamodb"]["Keys"]["event_id"]["S"] for record in batch["Records"]
    }
    assert len(receiver.receipts) == 6


def eventually_empty(aws: Aws) -> bool:
    """Delivers what lies on RETRIES until nothing does."""
    ends_at = time.monotonic() + 10
    while aws.waiting("Retries") and time.monotonic() < ends_at:
        for message in aws.take("Retries"):
            deliver(aws, message)
    return not aws.waiting("Retries")
