"""What receivers and operators set and ask about notifying, on the deployed stack."""

import json
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hookwatch.operating.deployment import Deployment
from hookwatch.operating.redriving import SOURCES, redrive
from tests.e2e.conftest import STATE
from tests.e2e.test_the_main_job import ARRIVES_WITHIN, eventually, register, text, types, unique
from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.local_cloud.controls import depth, stopped
from tests.local_cloud.reading import readable
from tests.local_cloud.receiver import Receiver


def happen(api: Api, application_id: str, number: int = 1) -> None:
    """So many events: an endpoint.created each."""
    now = text(datetime.now(UTC))
    signals = [{"type": "endpoint.created", "endpoint_id": unique(f"e{n}"), "occurred_at": now} for n in range(number)]
    assert api.post_signals(application_id, signals).json()["accepted"] == number


def attempts(api: Api, operational_endpoint_id: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = api.get(f"/{operational_endpoint_id}/attempts", limit=100, cursor=cursor, **query).json()
        found, cursor = [*found, *page["data"]], page["next_cursor"]
        if cursor is None:
            return found


def passes(seconds: float) -> None:
    begun = time.monotonic()
    assert eventually(lambda: time.monotonic() - begun > seconds)


def register_proven(api: Api, receiver: Receiver, application_id: str) -> str:
    """An operational endpoint whose receiver has answered, and of which the emitter knows that."""
    name = register(api, receiver, application_id)
    api.post(f"/{name}/test", None)
    assert eventually(lambda: bool(attempts(api, name, status="delivered")))
    passes(1.5)
    return name


def created(receiver: Receiver) -> int:
    """How many of the events of `happen` it has."""
    return types(receiver).count("endpoint.created")


def ids(receiver: Receiver) -> set[str]:
    return {receipt.webhook_id for receipt in receiver.receipts}


def most_in_a_second(moments: list[float]) -> int:
    return max(sum(start <= moment < start + 1 for moment in moments) for start in moments)


@pytest.mark.alone
@pytest.mark.alone
def test_a_limited_endpoint_gets_no_more_than_its_limit_and_gets_it_all(api: Api) -> None:
    shop, rate, number = unique("shop"), 5, 100
    with Receiver() as receiver:
        name = register(api, receiver, shop, rate_limit=rate)
        happen(api, shop, number)
        assert receiver.wait_until(lambda: len(receiver.accepted()) == number, 4 * number / rate)
        assert eventually(lambda: len(attempts(api, name)) == number)
        recorded = attempts(api, name)
    assert most_in_a_second([receipt.arrived_at for receipt in receiver.receipts]) <= rate + 1
    assert {(attempt["number"], attempt["status"]) for attempt in recorded} == {(1, "delivered")}
    assert len({receipt.webhook_id for receipt in receiver.receipts}) == number


def test_retries_that_hand_out_nothing_delay_no_first_attempt(api: Api, stack: Stack) -> None:
    shop, fails = unique("shop"), threading.Event()
    with Receiver() as working, Receiver(lambda _body, _attempt: 500 if fails.is_set() else 200) as failing:
        name = register_proven(api, failing, shop)
        register_proven(api, working, shop)
        with stopped(stack, "RetrySource"):
            fails.set()
            happen(api, shop, 20)
            assert working.wait_until(lambda: created(working) == 20, ARRIVES_WITHIN)
            assert eventually(lambda: api.get(f"/{name}").json()["failing_since"] is not None)
            passes(1.5)  # the emitter remembers endpoints for a second
            seen = len(failing.receipts)
            happen(api, shop, 20)
            assert working.wait_until(lambda: created(working) == 40, ARRIVES_WITHIN)
            assert len(failing.receipts) == seen  # its first attempts wait on RETRIES, and nowhere else
            fails.clear()
            assert created(failing) == 0
        assert failing.wait_until(lambda: created(failing) == 40, 2 * ARRIVES_WITHIN)
        assert eventually(lambda: api.get(f"/{name}").json()["failing_since"] is None)


def test_a_test_is_delivered_with_the_old_secret_and_the_new_one_while_both_sign(api: Api) -> None:
    with Receiver() as receiver:
        name = register(api, receiver, unique("shop"), filter_types=["endpoint.failing"])
        rotated = api.post(f"/{name}/secret/rotate", {"grace_period_seconds": 600}).json()
        old, new = receiver.secret, rotated["secret"]
        assert old != new == api.get(f"/{name}/secret").json()["secret"]
        for receiver.secret in (old, new):
            event_id = api.post(f"/{name}/test", None).json()["event_id"]
            assert receiver.wait_until(lambda awaited=event_id: awaited in ids(receiver), ARRIVES_WITHIN)  # type: ignore[misc]
        assert [receipt.is_verified for receipt in receiver.receipts] == [True, True]
        assert types(receiver) == ["webhook.test"] * 2
        api.put(
            f"/{name}",
            {"application_id": api.get(f"/{name}").json()["application_id"], "url": receiver.url}
            | {"is_enabled": False},
        )
        assert api.post(f"/{name}/test", None).status_code == 409


def test_nothing_that_happens_to_a_delivery_becomes_an_event(api: Api, stack: Stack) -> None:
    """The loop guard. Receivers that are dead or gone, and a forged message: the table of events does not grow."""
    shop = unique("shop")
    dead: dict[str, Any] = {"retry": {"schedule_seconds": [1, 1]}}
    with Receiver(lambda _body, _attempt: 500) as fails, Receiver(lambda _body, _attempt: 410) as gone:
        names = [register(api, receiver, shop, **dead) for receiver in (fails, gone)]
        names.append(
            api.post("", {"application_id": shop, "url": "http://127.0.0.1:9/"} | dead).json()[
                "operational_endpoint_id"
            ]
        )
        happen(api, shop, 10)
        stack.client("sqs").send_message(QueueUrl=stack.queues["Deliveries"], MessageBody='{"forged": true}')
        assert eventually(lambda: len(attempts(api, names[0], status="exhausted")) == 10)
        assert eventually(lambda: len(attempts(api, names[2], status="exhausted")) == 10)
        assert eventually(lambda: api.get(f"/{names[1]}").json()["disabled_reason"] == "gone")
        assert eventually(lambda: depth(stack, "DeliveriesDeadLetters") >= 1)
    told = api.get("/events", application_id=shop, limit=100).json()["data"]
    assert [event["type"] for event in told] == ["endpoint.created"] * 10
    every = stack.client("dynamodb").scan(TableName=stack.tables["OperationalEvent"], ConsistentRead=True)
    assert not {name for name in names for item in every["Items"] if name in readable(item)}
    assert all(len([each for each in attempts(api, name) if each["number"] > 3]) == 0 for name in names)
    take_all(stack, "DeliveriesDeadLetters")


# ── the remedies ──


def take_all(stack: Stack, queue: str) -> list[dict[str, Any]]:
    sqs, url, taken = stack.client("sqs"), stack.queues[queue], []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"]).get("Messages"):
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            taken.append(message)
    return taken


def operating(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """The command that an operator runs, in a folder where `.local/stack.json` names the tests' stack."""
    (folder / ".local").mkdir(exist_ok=True)
    (folder / ".local" / "stack.json").write_text((STATE / "stack.json").read_text())
    command = [sys.executable, "-m", "hookwatch.operating", *arguments]
    return subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that ran the tests in the background had SIGINT ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # nothing that takes a lock
    )


def operate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The same, until it is done."""
    with operating(folder, *arguments) as process:
        said, complained = process.communicate()
    return subprocess.CompletedProcess(arguments, process.returncode, said, complained)


def test_what_an_emitter_that_stood_still_never_emitted_is_reemitted_and_arrives_once(
    api: Api, stack: Stack, tmp_path: Path
) -> None:
    shop, since = unique("shop"), text(datetime.now(UTC) - timedelta(minutes=1))
    with Receiver() as receiver:
        register(api, receiver, shop)
        with stopped(stack, "EmitterSource"):
            happen(api, shop, 12)
            assert eventually(lambda: len(api.get("/events", application_id=shop).json()["data"]) == 12)
            asked = ("reemit", "--since", since, "--application-id", shop)
            counted = operate(tmp_path, *asked, "--dry-run")
            assert "12 events looked at, 12 deliveries to queue" in counted.stdout, counted.stderr
            done = operate(tmp_path, *asked)
            assert "12 events looked at, 12 deliveries queued, 0 events" in done.stdout, done.stderr
            assert receiver.wait_until(lambda: len(receiver.accepted()) == 12, ARRIVES_WITHIN)
        happen(api, shop)  # behind what the stream now hands out after all
        assert receiver.wait_until(lambda: len(receiver.accepted()) == 13, ARRIVES_WITHIN)
        again = operate(tmp_path, *asked)
        assert "13 events looked at, 0 deliveries queued" in again.stdout, again.stderr
    assert len({receipt.webhook_id for receipt in receiver.receipts}) == len(receiver.receipts) == 13


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("redrive", "Deliveries"), "invalid choice"),
        (("reemit",), "--since"),
        (("reemit", "--since", "yesterday"), "invalid moment value"),
        (("reemit", "--since", "2026-11-24T10:00:00"), "invalid moment value"),
    ],
)
@pytest.mark.usefixtures("stack")
def test_a_command_that_is_none_says_what_is_wrong(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    done = operate(tmp_path, *arguments)
    assert done.returncode == 2
    assert says in done.stderr


def dead_letter(stack: Stack, queue: str) -> None:
    """Moves what lies on a queue to its dead-letter queue, as SQS does after its last receive: hands of its own."""
    source = SOURCES[queue]
    assert source
    sqs, target = stack.client("sqs"), stack.queues[queue]
    for message in take_all(stack, source):
        names = ("MessageGroupId", "MessageDeduplicationId")
        known = {name: message["Attributes"][name] for name in names if name in message["Attributes"]}
        sqs.send_message(QueueUrl=target, MessageBody=message["Body"], **known)


@pytest.mark.parametrize(
    ("queue", "source"),
    [
        ("SignalsDeadLetters", "ObserverSource"),
        ("DeliveriesDeadLetters", "DeliverySource"),
        ("RetriesDeadLetters", "RetrySource"),
    ],
)
def test_what_was_dead_lettered_is_redriven_and_arrives_once(api: Api, stack: Stack, queue: str, source: str) -> None:
    shop = unique("shop")
    take_all(stack, queue)
    with Receiver() as receiver:
        name = register_proven(api, receiver, shop) if source == "DeliverySource" else register(api, receiver, shop)
        expected = 3
        with stopped(stack, source):
            happen(api, shop, expected)
            feeds = SOURCES[queue]
            assert feeds
            assert eventually(lambda: depth(stack, feeds) >= expected)
            dead_letter(stack, queue)
            assert depth(stack, queue) == expected
        deployment = Deployment(stack.stack_name, stack.endpoint_url, stack.region)
        assert redrive(deployment, queue, lambda _: None) == expected
        assert receiver.wait_until(lambda: created(receiver) == expected, ARRIVES_WITHIN)
        assert eventually(lambda: len(attempts(api, name, status="delivered")) == len(receiver.receipts))
    assert depth(stack, queue) == 0
    assert len(ids(receiver)) == len(receiver.receipts)


def test_what_the_emitter_put_aside_is_redriven_by_its_id(api: Api, stack: Stack) -> None:
    """Both kinds of message: the emitter's own, and the record that Lambda sends when it gives up a batch."""
    shop, begins = unique("shop"), datetime.now(UTC)
    take_all(stack, "EmitterFailures")
    sqs, url = stack.client("sqs"), stack.queues["EmitterFailures"]
    deployment = Deployment(stack.stack_name, stack.endpoint_url, stack.region)
    with Receiver() as receiver:
        register(api, receiver, shop)
        with stopped(stack, "EmitterSource"):
            happen(api, shop, 2)
            assert eventually(lambda: len(api.get("/events", application_id=shop).json()["data"]) == 2)
            first, _ = (event["event_id"] for event in api.get("/events", application_id=shop).json()["data"])
            sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"event_id": first, "reason": "KeyError('type')"}))
            assert redrive(deployment, "EmitterFailures", lambda _: None) == 1
            assert receiver.wait_until(lambda: len(receiver.accepted()) == 1, ARRIVES_WITHIN)
            batch = {
                "approximateArrivalOfFirstRecord": text(begins),
                "approximateArrivalOfLastRecord": text(datetime.now(UTC)),
            }
            sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"DDBStreamBatchInfo": batch}))
            assert redrive(deployment, "EmitterFailures", lambda _: None) == 1
            assert receiver.wait_until(lambda: len(receiver.accepted()) == 2, ARRIVES_WITHIN)
    assert receiver.receipts[0].webhook_id == first
