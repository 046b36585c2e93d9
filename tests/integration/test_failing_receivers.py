"""DELIVERIES, RETRIES → HTTPS: receivers that fail, that are dead, that have a limit or a schedule of their own."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from hookwatch import times
from hookwatch.notifying import endpoints, pacing
from hookwatch.notifying.queue import Delivery
from hookwatch.notifying.signing import SealKeys
from tests.in_process.api import call
from tests.in_process.aws import SEAL_KEY, Aws
from tests.in_process.deliveries import attempts, deliver, owed, received, record, register, register_receiver
from tests.in_process.signals import unique
from tests.integration.test_delivery import due_now
from tests.integration.test_emitter import records
from tests.local_cloud.receiver import Receiver


@pytest.fixture(autouse=True)
def empty_queues(aws: Aws) -> None:
    aws.renew("Deliveries", "Retries")


def failing_since(operational_endpoint_id: str) -> str | None:
    return endpoints.get(operational_endpoint_id).failing_since


def emit(aws: Aws, *batch: dict[str, Any]) -> tuple[int, int]:
    """How many deliveries the emitter put on DELIVERIES and on RETRIES."""
    aws.invoke("emitter", {"Records": list(batch)})
    return len(aws.take("Deliveries")), aws.waiting("Retries")


def bodies(aws: Aws, queue: str) -> list[dict[str, Any]]:
    return [json.loads(message["body"]) for message in aws.take(queue)]


def test_the_first_failure_is_noted_and_a_success_ends_it(aws: Aws) -> None:
    with Receiver(lambda _body, attempt: 500 if attempt == 1 else 200) as receiver:
        name = register_receiver(aws, receiver)
        delivery = owed(name)
        deliver(aws, record(delivery))
        noted = failing_since(name)
        assert noted == attempts(aws, delivery)[0]["attempted_at"]
        deliver(aws, record(owed(name)))
        assert failing_since(name) == noted
        due_now(aws, delivery.event_id, attempts(aws, delivery)[0]["attempt_key"])
        deliver(aws, received(aws, delivery, "Retries"))
    assert failing_since(name) is None


def test_what_is_owed_to_a_receiver_that_fails_goes_straight_to_retries(aws: Aws) -> None:
    shop = unique("shop")
    works, fails = (
        register(aws, "https://ops.example.com/", application_id=shop, has_succeeded=True) for _ in range(2)
    )
    assert emit(aws, *records(aws, shop, 3)) == (6, 0)
    endpoints.begin_failing(endpoints.get(fails), datetime.now(UTC))
    aws.invoke("emitter", {"Records": records(aws, shop, 3)})
    assert {each["operational_endpoint_id"] for each in bodies(aws, "Deliveries")} == {works}
    assert [each["operational_endpoint_id"] for each in bodies(aws, "Retries")] == [fails] * 3
    endpoints.succeed(endpoints.get(fails))
    assert emit(aws, *records(aws, shop, 3)) == (6, 0)


def test_what_is_owed_to_a_receiver_that_never_answered_goes_there_too_until_it_has(aws: Aws) -> None:
    shop = unique("shop")
    with Receiver() as receiver:
        name = register_receiver(aws, receiver, application_id=shop, has_succeeded=False)
        aws.invoke("emitter", {"Records": records(aws, shop)})
        [message] = aws.take("Retries")
        assert deliver(aws, message) == []
        assert endpoints.get(name).has_succeeded
    assert emit(aws, *records(aws, shop, 3)) == (3, 0)


def test_what_became_risky_on_its_way_goes_over_to_retries_without_an_attempt(aws: Aws) -> None:
    with Receiver() as receiver:
        delivery = owed(register_receiver(aws, receiver, failing_since="2026-11-23T10:00:00.000Z"))
        assert deliver(aws, record(delivery)) == []
        assert (receiver.receipts, attempts(aws, delivery)) == ([], [])
        [message] = aws.take("Retries")
        assert deliver(aws, message) == []
    assert len(receiver.accepted()) == 1


def test_a_first_attempt_on_retries_is_made_at_once(aws: Aws) -> None:
    with Receiver() as receiver:
        name = register_receiver(aws, receiver)
        assert deliver(aws, received(aws, owed(name), "Retries")) == []
    assert len(receiver.accepted()) == 1


def test_a_receiver_that_failed_for_five_days_is_disabled_when_a_delivery_is_exhausted(aws: Aws) -> None:
    since = times.to_text(datetime.now(UTC) - timedelta(days=5))
    with Receiver(lambda _body, _attempt: 500) as receiver:
        name = register_receiver(aws, receiver, failing_since=since, retry_schedule=(timedelta(seconds=1),))
        delivery = owed(name)
        deliver(aws, received(aws, delivery, "Retries"))
        assert endpoints.get(name).is_enabled
        due_now(aws, delivery.event_id, attempts(aws, delivery)[0]["attempt_key"])
        deliver(aws, received(aws, delivery, "Retries"))
        assert (endpoints.get(name).is_enabled, endpoints.get(name).disabled_reason) == (False, "failing")
        rest = owed(name)
        assert deliver(aws, record(rest)) == []
    assert len(receiver.receipts) == 2
    assert attempts(aws, rest)[0]["status"] == "cancelled"


def test_who_enables_it_again_or_moves_it_gives_it_five_days_anew(aws: Aws) -> None:
    for change in ({"is_enabled": True}, {"url": "https://ops.example.com/moved"}):
        body = {"application_id": unique("shop"), "url": "https://ops.example.com/"}
        name = call(aws, "POST", "/", body)[1]["operational_endpoint_id"]
        endpoints.begin_failing(endpoints.get(name), datetime.now(UTC) - timedelta(days=6))
        if "is_enabled" in change:
            endpoints.disable(endpoints.get(name), "failing")
        else:
            call(aws, "PUT", f"/{name}", body | {"description": "the same place"})
            assert failing_since(name)
        shown = call(aws, "PUT", f"/{name}", body | change)[1]
        assert (shown["is_enabled"], shown["disabled_reason"], shown["failing_since"]) == (True, None, None)
        assert failing_since(name) is None


def test_a_schedule_of_its_own_replaces_the_deployments(aws: Aws) -> None:
    with Receiver(lambda _body, _attempt: 500) as receiver:
        once = register_receiver(aws, receiver, retry_schedule=())
        slowly = register_receiver(aws, receiver, retry_schedule=(timedelta(seconds=100),))
        first, second = owed(once), owed(slowly)
        deliver(aws, record(first), record(second))
    assert attempts(aws, first)[0]["status"] == "exhausted"
    [attempt] = attempts(aws, second)
    wait = times.from_text(attempt["next_attempt_at"]) - times.from_text(attempt["attempted_at"])
    assert timedelta(seconds=100) <= wait <= timedelta(seconds=122)


def test_a_wait_that_sqs_does_not_hide_for_so_long_is_waited_for_in_parts(aws: Aws) -> None:
    """SQS delays a message by 15 minutes at most, and hides it for 12 hours in all, counted from its receipt."""
    with Receiver(lambda _body, _attempt: 500) as receiver:
        name = register_receiver(aws, receiver, retry_schedule=(timedelta(hours=11),))
        delivery = owed(name)
        deliver(aws, record(delivery))
        assert aws.waiting("Retries") == 1
        [attempt] = attempts(aws, delivery)
        until = datetime.now(UTC) + timedelta(hours=13, minutes=12)  # eleven hours and all of the jitter
        aws.client("dynamodb").update_item(
            TableName="OperationalAttempt",
            Key={"event_id": {"S": delivery.event_id}, "attempt_key": {"S": attempt["attempt_key"]}},
            UpdateExpression="SET next_attempt_at = :until",
            ExpressionAttributeValues={":until": {"S": times.to_text(until)}},
        )
        for _ in range(2):  # it comes back early, and is hidden for the rest
            message = received(aws, delivery, "Retries")
            assert deliver(aws, message) == [message["messageId"]]
    assert len(receiver.receipts) == 1


# ── rate limits ──


def test_of_many_to_a_limited_endpoint_the_first_goes_out_and_the_rest_lines_up_on_retries(aws: Aws) -> None:
    shop = unique("shop")
    name = register(aws, "https://ops.example.com/", application_id=shop, rate_limit=5)
    aws.invoke("emitter", {"Records": records(aws, shop, 20)})
    [first] = aws.take("Deliveries")
    assert json.loads(first["body"])["operational_endpoint_id"] == name
    assert aws.waiting("Retries") == 19


def test_without_a_limit_no_clock_is_written(aws: Aws) -> None:
    shop = unique("shop")
    name = register(aws, "https://ops.example.com/", application_id=shop)
    aws.invoke("emitter", {"Records": records(aws, shop, 3)})
    assert name not in {item["operational_endpoint_id"]["S"] for item in aws.items("DeliveryPace")}


def test_a_delivery_before_its_place_waits_and_that_is_no_attempt(aws: Aws) -> None:
    with Receiver() as receiver:
        name = register_receiver(aws, receiver, rate_limit=5)
        now = datetime.now(UTC)
        place = pacing.line_up(name, 5 * 5 * 60, 5, now)[-1]
        delivery = replace(owed(name), comes_at=place)
        message = received(aws, delivery, "Retries")
        assert deliver(aws, message) == [message["messageId"]]
    assert receiver.receipts == []
    assert attempts(aws, delivery) == []


def test_a_delivery_that_finds_no_slot_lines_up_again_and_that_is_no_attempt(aws: Aws) -> None:
    with Receiver() as receiver:
        name = register_receiver(aws, receiver, rate_limit=1)
        now = datetime.now(UTC)
        while pacing.take_slot(name, 1, now):
            continue
        delivery = owed(name)
        assert deliver(aws, record(delivery)) == []
    assert receiver.receipts == []
    assert attempts(aws, delivery) == []
    assert aws.waiting("Retries") == 1


def test_a_batch_to_a_limited_endpoint_goes_out_at_its_pace(aws: Aws) -> None:
    with Receiver() as receiver:
        name = register_receiver(aws, receiver, rate_limit=20)
        assert deliver(aws, *(record(owed(name)) for _ in range(10))) == []
    arrived = sorted(receipt.arrived_at for receipt in receiver.accepted())
    assert len(arrived) == 10
    assert arrived[-1] - arrived[0] >= 9 / 20 - 0.05


# ── what merely lies on a queue ──


def test_a_seal_of_before_endpoints_had_their_application_in_it_still_counts() -> None:
    """What version 0.1 left on a queue must not become a dead letter by an upgrade."""
    old = replace(owed("oep"), application_id="", seal="").sealed(SealKeys(SEAL_KEY))
    parts = (old.delivery_id, old.event_id, old.event_type, old.operational_endpoint_id, old.replay, old.body)
    assert old.seal == SealKeys(SEAL_KEY).seal(*parts)
    assert not replace(old, application_id="another").is_sealed(SealKeys(SEAL_KEY))


def test_the_longest_delivery_fits_a_message_of_sqs() -> None:
    """An item of DynamoDB, and with it an event, has 400 KB at most; SQS takes 1 MiB in a message (SQS quotas)."""
    body = json.dumps({"custom": '"' * 195_000})  # each takes two bytes as JSON, and four as JSON in JSON
    assert len(body) < 400 * 1024
    delivery = Delivery.owed(
        event_id="evt_" + "0" * 32,
        event_type="x" * 128,
        operational_endpoint_id="oep_" + "0" * 24,
        body=body,
        application_id="x" * 256,
    ).sealed(SealKeys(SEAL_KEY))
    assert len(msgspec.json.encode(delivery)) < 1024 * 1024
