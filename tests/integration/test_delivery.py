"""DELIVERIES, RETRIES → HTTPS, OperationalAttempt."""

import json
import socket
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from hookwatch import tables, times
from hookwatch.notifying import attempts as on_record
from hookwatch.notifying import endpoints
from hookwatch.notifying.attempts import Attempted
from hookwatch.notifying.retry import Delivered, Responded
from hookwatch.notifying.signing import SealKeys
from tests.in_process.aws import SEAL_KEY, Aws
from tests.in_process.deliveries import HEADERS, attempts, deliver, owed, received, record, register, register_receiver
from tests.local_cloud.receiver import Receiver
from tests.performance.ledger import item_size


@pytest.fixture(autouse=True)
def empty_queues(aws: Aws) -> None:
    aws.renew("Retries", "DeliveriesDeadLetters")


def due_now(aws: Aws, delivery_event_id: str, attempt_key: str) -> None:
    """Sets the clock of a retry, rather than waiting for it."""
    aws.client("dynamodb").update_item(
        TableName="OperationalAttempt",
        Key={"event_id": {"S": delivery_event_id}, "attempt_key": {"S": attempt_key}},
        UpdateExpression="SET next_attempt_at = :now",
        ExpressionAttributeValues={":now": {"S": times.to_text(datetime.now(UTC) - timedelta(seconds=1))}},
    )


def test_a_delivery_arrives_verified_and_is_on_record(aws: Aws, receiver: Receiver) -> None:
    delivery = owed(register_receiver(aws, receiver))
    assert deliver(aws, record(delivery)) == []
    [receipt] = receiver.receipts
    assert receipt.is_verified
    assert receipt.webhook_id == delivery.event_id
    assert receipt.headers["user-agent"].startswith("Hookwatch/")
    assert receipt.headers["content-type"] == "application/json"
    assert receipt.headers["x-api-token"] == HEADERS["X-Api-Token"]
    [attempt] = attempts(aws, delivery)
    assert attempt["status"] == "delivered"
    assert attempt["response_status_code"] == "200"


@pytest.mark.parametrize(
    ("status", "recorded", "retries"),
    [
        pytest.param(204, "delivered", False, id="any 2xx is delivered"),
        pytest.param(301, "retrying", True, id="a redirect is not followed"),
        pytest.param(400, "retrying", True, id="a client error is retried"),
        pytest.param(410, "given_up", False, id="gone is final"),
        pytest.param(429, "retrying", True, id="too many requests"),
        pytest.param(500, "retrying", True, id="a server error"),
        pytest.param(503, "retrying", True, id="unavailable"),
    ],
)
def test_what_an_answer_means(aws: Aws, status: int, recorded: str, retries: bool) -> None:
    with Receiver(lambda _body, _attempt: status) as receiver:
        delivery = owed(register_receiver(aws, receiver))
        assert deliver(aws, record(delivery)) == []
    assert [attempt["status"] for attempt in attempts(aws, delivery)] == [recorded]
    assert len(receiver.receipts) == 1
    assert aws.waiting("Retries") == int(retries)


def test_a_410_disables_the_endpoint(aws: Aws) -> None:
    with Receiver(lambda _body, _attempt: 410) as receiver:
        operational_endpoint_id = register_receiver(aws, receiver)
        deliver(aws, record(owed(operational_endpoint_id)))
    endpoint = endpoints.get(operational_endpoint_id)
    assert (endpoint.is_enabled, endpoint.disabled_reason) == (False, "gone")


def test_what_is_owed_to_a_disabled_or_deleted_endpoint_is_cancelled(aws: Aws, receiver: Receiver) -> None:
    disabled, deleted = owed(register_receiver(aws, receiver, is_enabled=False)), owed("oep_deleted")
    assert deliver(aws, record(disabled), record(deleted)) == []
    assert receiver.receipts == []
    assert [attempts(aws, delivery)[0]["status"] for delivery in (disabled, deleted)] == ["cancelled", "cancelled"]


def test_a_retry_waits_hidden_until_it_is_due_and_waiting_is_no_attempt(aws: Aws) -> None:
    with Receiver(lambda _body, attempt: 503 if attempt == 1 else 200) as receiver:
        delivery = owed(register_receiver(aws, receiver))
        deliver(aws, record(delivery))
        message = received(aws, delivery, "Retries")
        assert deliver(aws, message) == [message["messageId"]]
        assert len(receiver.receipts) == 1
        [first] = attempts(aws, delivery)
        due_now(aws, delivery.event_id, first["attempt_key"])
        assert deliver(aws, message) == []
    assert [attempt["status"] for attempt in attempts(aws, delivery)] == ["retrying", "delivered"]
    assert all(receipt.is_verified for receipt in receiver.receipts)


def test_the_wait_is_the_schedules_and_a_little_longer(aws: Aws) -> None:
    with Receiver(lambda _body, _attempt: 500) as receiver:
        delivery = owed(register_receiver(aws, receiver))
        before = datetime.now(UTC)
        deliver(aws, record(delivery))
    [attempt] = attempts(aws, delivery)
    wait = times.from_text(attempt["next_attempt_at"]) - before
    assert timedelta(seconds=5) <= wait <= timedelta(seconds=5 * 1.2 + 1)


def test_after_the_fifth_attempt_it_is_exhausted(aws: Aws) -> None:
    with Receiver(lambda _body, _attempt: 500) as receiver:
        delivery = owed(register_receiver(aws, receiver))
        deliver(aws, record(delivery))
        for _ in range(4):
            due_now(aws, delivery.event_id, attempts(aws, delivery)[-1]["attempt_key"])
            deliver(aws, received(aws, delivery, "Retries"))
        assert deliver(aws, record(delivery, "Retries")) == []
    statuses = [attempt["status"] for attempt in attempts(aws, delivery)]
    assert statuses == ["retrying"] * 4 + ["exhausted"]
    assert len(receiver.receipts) == 5


def test_a_copy_of_a_delivered_message_posts_nothing(aws: Aws, receiver: Receiver) -> None:
    delivery = owed(register_receiver(aws, receiver))
    for _ in range(3):
        assert deliver(aws, record(delivery)) == []
    assert len(receiver.receipts) == 1


def test_a_batch_of_first_attempts_is_looked_at_in_one_read_and_a_copy_in_it_by_itself(
    aws: Aws, receiver: Receiver
) -> None:
    first, second, third = (owed(register_receiver(aws, receiver)) for _ in range(3))
    assert deliver(aws, record(third)) == []
    reads: list[str] = []

    def note(model: Any, **_: Any) -> None:
        reads.append(model.name)

    events = tables.connection_of(tables.OperationalAttempt).client.meta.events
    operations = [f"before-call.dynamodb.{operation}" for operation in ("BatchGetItem", "Query")]
    for operation in operations:
        events.register(operation, note)
    assert deliver(aws, *map(record, (first, second, first, third))) == []
    for operation in operations:
        events.unregister(operation, note)
    assert sorted(reads) == ["BatchGetItem", "Query", "Query"]  # of the copy, and of what was delivered before
    assert sorted(receipt.webhook_id for receipt in receiver.receipts) == sorted(
        delivery.event_id for delivery in (first, second, third)
    )


def test_a_message_without_our_seal_sends_nothing_and_is_dead_lettered(aws: Aws, receiver: Receiver) -> None:
    delivery = owed(register_receiver(aws, receiver))
    forged = [
        record(aws.sample("delivery")["Records"][0]["body"]),
        record(replace(delivery, body='{"type":"forged"}')),
        record(replace(delivery, operational_endpoint_id="oep_other")),
        record(replace(delivery, seal="")),
        record(delivery.sealed(SealKeys("another key"))),
        record("no JSON"),
        record("{}"),
        record("[" * 100_000),
    ]
    assert deliver(aws, *forged) == []
    assert receiver.receipts == []
    assert len(aws.take("DeliveriesDeadLetters")) == len(forged)


def test_a_seal_key_that_was_rotated_meanwhile_is_read_anew(aws: Aws, receiver: Receiver) -> None:
    first, second = (owed(register_receiver(aws, receiver)) for _ in range(2))
    assert deliver(aws, record(first)) == []
    with aws.seal_key("N" * 64, previous=SEAL_KEY):
        assert deliver(aws, record(second.sealed(SealKeys("N" * 64)))) == []
    assert aws.take("DeliveriesDeadLetters") == []
    assert len(receiver.accepted()) == 2


def test_the_previous_seal_key_still_counts() -> None:
    assert owed("oep").is_sealed(SealKeys("new", SEAL_KEY))


@pytest.mark.parametrize(
    "url", ["https://169.254.169.254/latest/meta-data", "http://[::ffff:10.0.0.1]/", "http://10.0.0.1/"]
)
def test_an_address_that_is_not_allowed_is_given_up_and_recorded_as_blocked(aws: Aws, url: str) -> None:
    delivery = owed(register(aws, url))
    assert deliver(aws, record(delivery)) == []
    [attempt] = attempts(aws, delivery)
    assert (attempt["status"], attempt["error"]) == ("given_up", "blocked")


def test_nobody_listens(aws: Aws) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    delivery = owed(register(aws, f"http://127.0.0.1:{port}/"))
    deliver(aws, record(delivery))
    assert attempts(aws, delivery)[0]["error"] == "connection"


def test_a_name_that_leads_nowhere(aws: Aws) -> None:
    delivery = owed(register(aws, "http://nowhere.invalid/"))
    deliver(aws, record(delivery))
    assert attempts(aws, delivery)[0]["error"] == "dns"


def test_a_batch_goes_out_at_the_same_time(aws: Aws) -> None:
    """Each answer waits until all ten have arrived: one after the other, none would ever come."""
    everyone = threading.Barrier(10)

    def answer(_body: object, _attempt: int) -> int:
        everyone.wait(timeout=5)
        return 200

    with Receiver(answer) as receiver:
        deliveries = [owed(register_receiver(aws, receiver)) for _ in range(10)]
        assert deliver(aws, *map(record, deliveries)) == []
    assert len(receiver.accepted()) == 10


def test_one_message_that_fails_leaves_the_others_alone(aws: Aws, receiver: Receiver) -> None:
    good, undecipherable = owed(register_receiver(aws, receiver)), register_receiver(aws, receiver)
    endpoint = endpoints.get(undecipherable)
    aws.client("dynamodb").update_item(
        TableName="OperationalEndpoint",
        Key={"operational_endpoint_id": {"S": endpoint.operational_endpoint_id}},
        UpdateExpression="SET credentials = :garbage",
        ExpressionAttributeValues={":garbage": {"L": [{"B": b"garbage"}]}},
    )
    bad = record(owed(undecipherable))
    assert deliver(aws, bad, record(good)) == [bad["messageId"]]
    assert [attempt["status"] for attempt in attempts(aws, good)] == ["delivered"]


def test_no_secret_is_in_a_log_line(aws: Aws, receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    with aws.log_of("delivery") as log:
        deliver(aws, record(owed(register_receiver(aws, receiver))))
    written = log.getvalue() + capsys.readouterr().out
    assert json.loads(log.getvalue())["message"] == "attempt"
    for secret in (receiver.secret, HEADERS["X-Api-Token"], SEAL_KEY):
        assert secret is not None
        assert secret not in written


def test_a_page_of_html_is_kept_and_the_record_is_still_one_kilobyte(aws: Aws, receiver: Receiver) -> None:
    delivery = owed(register_receiver(aws, receiver))
    page = b"<html><head><title>OK</title></head><body>" + b'<p class="note">Thank you</p>' * 40
    taken = Attempted(1, Responded(200, body=page[:1024]), Delivered(), times.now(), timedelta())
    assert on_record.record(delivery, taken, 30)
    [item] = [each for each in aws.items("OperationalAttempt") if each["event_id"]["S"] == delivery.event_id]
    assert item_size(item) <= 1024
    assert [attempt.response for attempt in on_record.of_event(delivery.event_id)] == [page[:1024]]
