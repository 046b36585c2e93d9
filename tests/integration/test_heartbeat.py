"""A heartbeat: the sweeper's minute → OperationalEvent → one delivery to who names it, attempted once."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from hookwatch import tables, times
from hookwatch.notifying import endpoints
from hookwatch.notifying.queue import Delivery
from hookwatch.observing.heartbeat import Heart
from tests.in_process.api import call
from tests.in_process.auditing import BY_A_TEST
from tests.in_process.aws import Aws
from tests.in_process.deliveries import attempts, deliver, record, register_receiver
from tests.in_process.signals import START, unique
from tests.integration.test_custom_events import stream_record
from tests.integration.test_metrics import Written, emitted
from tests.integration.test_sweeper import sweep
from tests.local_cloud.receiver import Receiver

MINUTE, EVERY = timedelta(minutes=1), {"application_id": "*", "filter_types": ("hookwatch.heartbeat",)}


@pytest.fixture(autouse=True)
def every_five_minutes(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.forget("OperationalEvent", "OperationalAttempt", "OperationalEndpoint")
    aws.renew("Deliveries", "Retries")
    restart(aws, monkeypatch)


def restart(aws: Aws, monkeypatch: pytest.MonkeyPatch, minutes: int = 5) -> None:
    """As in a function that is cold: it remembers nothing."""
    monkeypatch.setattr(aws.function("sweeper"), "heart", Heart(minutes, 30))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def beats(aws: Aws) -> list[str]:
    """When each heartbeat was told."""
    found = [item for item in aws.items("OperationalEvent") if item["type"]["S"] == "hookwatch.heartbeat"]
    return sorted(item["timestamp"]["S"] for item in found)


def beat(aws: Aws) -> Delivery:
    """A heartbeat of now, as the emitter owes it."""
    sweep(aws, times.now())
    [item] = [item for item in aws.items("OperationalEvent") if item["type"]["S"] == "hookwatch.heartbeat"]
    aws.invoke("emitter", {"Records": [stream_record(aws, item["event_id"]["S"])]})
    [message] = [message for queue in ("Deliveries", "Retries") for message in aws.take(queue)]
    return msgspec.json.decode(message["body"], type=Delivery)


# ── one in each period ──


def test_the_sweeper_tells_one_in_each_period(aws: Aws) -> None:
    for minute in range(12):
        sweep(aws, START + minute * MINUTE)
    assert beats(aws) == ["2026-11-23T10:00:00.000Z", "2026-11-23T10:05:00.000Z", "2026-11-23T10:10:00.000Z"]


def test_cold_functions_at_the_same_minute_tell_one(aws: Aws, monkeypatch: pytest.MonkeyPatch, capsys: Written) -> None:
    emitted(capsys)
    for minute in (0, 0, 1, 4):
        restart(aws, monkeypatch)
        sweep(aws, START + minute * MINUTE)
    assert len(beats(aws)) == 1
    found = emitted(capsys)
    assert found["Events"] == [1]
    assert found["EventsByType"] == [("hookwatch.heartbeat", 1)]


def test_minutes_that_are_left_out_are_made_up_for_and_whole_periods_are_not(aws: Aws) -> None:
    for minute in (0, 8, 23, 21, 25):  # 21 comes late, and is of a period that has its own
        sweep(aws, START + minute * MINUTE)
    told = [START + minute * MINUTE for minute in (0, 8, 23, 25)]
    assert beats(aws) == [times.to_text(moment) for moment in told]


@pytest.mark.usefixtures("aws")
def test_a_warm_function_asks_dynamodb_once_a_period() -> None:
    puts: list[Any] = []
    heart = Heart(5, 30)
    heart.beat(START)
    client = tables.connection_of(tables.OperationalEvent).client
    client.meta.events.register("before-call.dynamodb.PutItem", lambda **about: puts.append(about["params"]))
    for minute in range(1, 5):
        assert heart.beat(START + minute * MINUTE) == ()
    assert puts == []
    assert len(heart.beat(START + 5 * MINUTE)) == 1
    assert len(puts) == 1


def test_by_default_there_is_none(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws.function("sweeper"), "heart", None)
    sweep(aws, START)
    assert beats(aws) == []


# ── to whom ──


def test_it_goes_once_to_who_names_it_and_to_nobody_else(aws: Aws, receiver: Receiver) -> None:
    asked = register_receiver(aws, receiver, **EVERY)
    register_receiver(aws, receiver, application_id="*")
    register_receiver(aws, receiver, application_id="*", message_events="all")
    register_receiver(aws, receiver, application_id=unique("shop"))
    delivery = beat(aws)
    assert delivery.operational_endpoint_id == asked
    assert deliver(aws, record(delivery)) == []
    [receipt] = receiver.receipts
    assert receipt.is_verified
    assert receipt.type == "hookwatch.heartbeat"


def test_an_application_cannot_ask_for_it(aws: Aws) -> None:
    body = {
        "application_id": unique("shop"),
        "url": "https://ops.example.com/",
        "filter_types": ["hookwatch.heartbeat"],
    }
    status, problem = call(aws, "POST", "/", body, idempotency_key=unique("key"))
    assert status == 422
    assert "'*'" in problem["errors"][0]["msg"]
    assert call(aws, "POST", "/", body | {"application_id": "*"}, idempotency_key=unique("key"))[0] == 201


def test_it_is_found_by_its_id_and_is_in_no_list(aws: Aws) -> None:
    now = times.now()
    sweep(aws, now)
    [item] = aws.items("OperationalEvent")
    event_id = item["event_id"]["S"]
    assert call(aws, "GET", f"/events/{event_id}")[1]["data"]["period_minutes"] == 5
    assert call(aws, "GET", f"/events/{event_id}", applications="shop")[0] == 404
    for application_id in ("*", "shop"):
        assert call(aws, "GET", "/events", application_id=application_id)[1]["data"] == []


# ── attempted once, and in time ──


@pytest.mark.parametrize("status", [500, 503, 404])
def test_one_that_fails_is_not_tried_again_and_alarms_nobody(aws: Aws, capsys: Written, status: int) -> None:
    with Receiver(lambda _body, _attempt: status) as receiver:
        name = register_receiver(aws, receiver, **EVERY, retry_schedule=(MINUTE,))
        delivery = beat(aws)
        emitted(capsys)
        assert deliver(aws, record(delivery)) == []
    found = emitted(capsys)
    assert [attempt["status"] for attempt in attempts(aws, delivery)] == ["exhausted"]
    assert aws.waiting("Retries") == 0
    assert found["HeartbeatsFailed"] == [1]
    assert "DeliveriesExhausted" not in found
    endpoint = endpoints.get(name)
    assert endpoint.is_enabled
    assert endpoint.failing_since


def test_a_receiver_that_fails_for_days_is_disabled_by_its_heartbeats_too(aws: Aws) -> None:
    with Receiver(lambda _body, _attempt: 500) as receiver:
        since = times.to_text(times.now() - timedelta(days=6))
        name = register_receiver(aws, receiver, **EVERY, failing_since=since)
        deliver(aws, record(beat(aws), "Retries"))
    assert endpoints.get(name).disabled_reason == "failing"


@pytest.mark.parametrize("format_", ["standard", "cloudevents"])
def test_one_that_comes_to_its_turn_too_late_is_not_posted_and_not_held_against_its_receiver(
    aws: Aws, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, capsys: Written, format_: str
) -> None:
    name = register_receiver(aws, receiver, **EVERY, format=format_)
    delivery = beat(aws)
    later = times.now() + timedelta(minutes=5)
    with monkeypatch.context() as clock:
        clock.setattr(times, "now", lambda: later)
        emitted(capsys)
        assert deliver(aws, record(delivery, "Retries")) == []
    assert receiver.receipts == []
    [attempt] = attempts(aws, delivery)
    assert (attempt["status"], attempt["reason"]) == ("cancelled", "expired")
    assert emitted(capsys)["DeliveriesCancelled"] == [1]
    assert endpoints.get(name).failing_since is None
    assert deliver(aws, record(delivery)) == []  # a copy, and in time: it is settled
    assert receiver.receipts == []


def test_one_that_waits_for_a_disabled_receiver_is_cancelled_as_any_other(aws: Aws, receiver: Receiver) -> None:
    name = register_receiver(aws, receiver, **EVERY)
    delivery = beat(aws)
    endpoints.delete(endpoints.get(name), BY_A_TEST)
    deliver(aws, record(delivery))
    [attempt] = attempts(aws, delivery)
    assert (attempt["status"], attempt["reason"]) == ("cancelled", "cancelled")
