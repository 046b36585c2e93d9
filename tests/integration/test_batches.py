"""OperationalEvent stream, BATCHES → OperationalBatch, DELIVERIES: several events in one POST, each in one batch."""

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from hookwatch import audit, tables, times
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.erasing import deletions
from hookwatch.notifying import attempts, batches, endpoints
from hookwatch.notifying.batches import Batch, Batches, Member
from hookwatch.notifying.endpoints import Batching
from hookwatch.operational_events import OperationalEvent
from tests.in_process.auditing import BY_A_TEST
from tests.in_process.aws import Aws
from tests.in_process.batches import BEGIN, deliveries, emit, happen, ids_in, wake, woken_up
from tests.in_process.deliveries import deliver, record, register_receiver
from tests.in_process.signals import unique
from tests.local_cloud.receiver import Receiver

TEN = Batching(10, timedelta(minutes=5))


pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture(autouse=True)
def empty_queues(aws: Aws) -> None:
    aws.renew("Batches", "Deliveries", "Retries")


@pytest.fixture
def every_application(aws: Aws, receiver: Receiver) -> Iterator[str]:
    name = register_receiver(aws, receiver, application_id=EVERY_APPLICATION, batch=TEN)
    yield name
    endpoints.delete(endpoints.get(name), BY_A_TEST)


def test_events_wait_for_each_other_and_go_out_as_one_verified_post_ordered_by_time(
    aws: Aws, receiver: Receiver
) -> None:
    shop = unique("shop")
    register_receiver(aws, receiver, application_id=shop, batch=TEN)
    events = happen(shop, 3)
    emit(aws, events)
    assert deliveries(aws) == []
    [(batch_id, delay)] = woken_up(aws)
    assert delay == 300
    wake(aws, batch_id)
    [message] = aws.take("Deliveries")
    assert deliver(aws, message) == []
    [receipt] = receiver.receipts
    assert receipt.is_verified
    assert receipt.webhook_id == batch_id
    body: dict[str, Any] = receipt.body
    assert set(body) == {"type", "timestamp", "data"}
    assert body["type"] == "batch"
    assert [event["id"] for event in body["data"]] == [event.event_id for event in reversed(events)]
    assert [set(event) for event in body["data"]] == [{"id", "type", "timestamp", "data"}] * 3
    assert body["data"][0]["data"]["summary"]


def test_an_event_in_a_batch_is_what_it_would_be_alone(aws: Aws, receiver: Receiver) -> None:
    shop = unique("shop")
    register_receiver(aws, receiver, application_id=shop)
    register_receiver(aws, receiver, application_id=shop, batch=TEN)
    [event] = happen(shop)
    emit(aws, [event])
    [alone] = deliveries(aws)
    [(batch_id, _)] = woken_up(aws)
    wake(aws, batch_id)
    [together] = deliveries(aws)
    assert json.loads(together.body)["data"] == [{"id": event.event_id, **json.loads(alone.body)}]


def test_a_full_batch_does_not_wait(aws: Aws, receiver: Receiver) -> None:
    shop = unique("shop")
    register_receiver(aws, receiver, application_id=shop, batch=TEN)
    emit(aws, happen(shop, 9))
    assert [delay for _, delay in woken_up(aws)] == [300]
    emit(aws, happen(shop, 16))
    delays = Counter(woken_up(aws))
    assert sorted(delay for _, delay in delays.elements()) == [0, 0, 300, 300, 300]
    wake(aws, *dict.fromkeys(batch_id for batch_id, delay in delays if delay == 0))
    assert [len(ids_in(delivery)) for delivery in deliveries(aws)] == [10, 10]
    wake(aws, *dict.fromkeys(batch_id for batch_id, _ in delays))
    assert [len(ids_in(delivery)) for delivery in deliveries(aws)] == [5]


def test_a_batch_stays_below_256_kb_and_a_larger_event_goes_alone(aws: Aws, receiver: Receiver) -> None:
    shop = unique("shop")
    register_receiver(aws, receiver, application_id=shop, batch=Batching(500, timedelta(seconds=1)))
    large = happen(shop, 3, size=100_000)
    larger = happen(shop, 1, size=270_000)
    emit(aws, large + larger)
    wake(aws, *dict.fromkeys(batch_id for batch_id, _ in woken_up(aws)))
    found = deliveries(aws)
    assert sorted(len(ids_in(delivery)) for delivery in found) == [1, 1, 2]
    [alone] = [delivery for delivery in found if len(delivery.body) > 256 * 1024]
    assert ids_in(alone) == [larger[0].event_id]


def test_what_comes_after_the_seal_is_in_the_next_batch(aws: Aws, receiver: Receiver) -> None:
    shop = unique("shop")
    register_receiver(aws, receiver, application_id=shop, batch=TEN)
    first, second = happen(shop), happen(shop)
    emit(aws, first)
    [(batch_id, _)] = woken_up(aws)
    wake(aws, batch_id)
    emit(aws, second)
    [_, (next_id, delay)] = woken_up(aws)
    assert next_id != batch_id
    assert delay == 300
    wake(aws, next_id)
    assert [ids_in(delivery) for delivery in deliveries(aws)] == [[first[0].event_id], [second[0].event_id]]


def test_an_event_that_the_stream_hands_out_again_stays_in_its_batch(aws: Aws, receiver: Receiver) -> None:
    shop = unique("shop")
    register_receiver(aws, receiver, application_id=shop, batch=TEN)
    events = happen(shop, 4)
    emit(aws, events[:2])
    [(batch_id, _)] = woken_up(aws)
    emit(aws, events)  # while it is open
    wake(aws, batch_id)
    emit(aws, events)  # when it is sealed
    assert len(woken_up(aws)) <= 2
    wake(aws, *dict.fromkeys(batch_id for batch_id, _ in woken_up(aws)))
    told = [event_id for delivery in deliveries(aws) for event_id in ids_in(delivery)]
    assert sorted(told) == sorted(event.event_id for event in events)


def test_a_batch_that_is_woken_up_again_is_not_queued_again(aws: Aws, receiver: Receiver) -> None:
    shop = unique("shop")
    register_receiver(aws, receiver, application_id=shop, batch=TEN)
    emit(aws, happen(shop, 2))
    [(batch_id, _)] = woken_up(aws)
    wake(aws, batch_id, batch_id)
    wake(aws, batch_id)
    assert len(deliveries(aws)) == 1


@pytest.mark.usefixtures("every_application")
def test_a_batch_is_of_one_application(aws: Aws) -> None:
    one, other = unique("shop"), unique("shop")
    of_one, of_other = happen(one, 2), happen(other, 2)
    emit(aws, of_one + of_other)
    wake(aws, *(batch_id for batch_id, _ in woken_up(aws)))
    found = {delivery.tells_of()[0]: ids_in(delivery) for delivery in deliveries(aws)}
    assert found == {
        one: [event.event_id for event in reversed(of_one)],
        other: [event.event_id for event in reversed(of_other)],
    }


def test_a_test_and_a_heartbeat_wait_for_nobody(aws: Aws, every_application: str) -> None:
    base = happen(EVERY_APPLICATION)[0]
    test = OperationalEvent(
        event_id=f"evt_{uuid.uuid4().hex}",
        application_id=EVERY_APPLICATION,
        type="webhook.test",
        timestamp=BEGIN,
        data={**base.data, "operational_endpoint_id": every_application},
    )
    emit(aws, [test])
    assert woken_up(aws) == []
    assert [delivery.event_id for delivery in deliveries(aws)] == [test.event_id]


def test_a_failed_batch_is_tried_again_with_the_same_events(aws: Aws) -> None:
    shop = unique("shop")
    with Receiver(lambda _, attempt: 503 if attempt == 1 else 204) as receiver:
        name = register_receiver(aws, receiver, application_id=shop, batch=TEN)
        emit(aws, happen(shop, 3))
        [(batch_id, _)] = woken_up(aws)
        wake(aws, batch_id)
        [message] = aws.take("Deliveries")
        deliver(aws, message)
        emit(aws, happen(shop, 2))  # is of the next
        first = tables.OperationalAttempt(batch_id, f"{name}##001")
        first.update(actions=[tables.OperationalAttempt.next_attempt_at.set("2026-11-23T10:00:00.000Z")])
        deliver(aws, record(message["body"], "Retries"))
        at_first, again = receiver.receipts
    assert again.body == at_first.body
    assert again.webhook_id == at_first.webhook_id == batch_id
    assert (at_first.status, again.status) == (503, 204)


def test_a_batch_to_an_endpoint_that_is_gone_is_queued_no_more(aws: Aws, receiver: Receiver) -> None:
    shop = unique("shop")
    name = register_receiver(aws, receiver, application_id=shop, batch=TEN)
    emit(aws, happen(shop, 2))
    endpoints.delete(endpoints.get(name), BY_A_TEST)
    [(batch_id, _)] = woken_up(aws)
    wake(aws, batch_id)
    assert deliveries(aws) == []


@pytest.mark.usefixtures("every_application")
def test_what_is_of_a_deleted_application_leaves_its_batch(aws: Aws) -> None:
    shop = unique("shop")
    before = happen(shop, 2)
    emit(aws, before)
    entry = audit.Entry(
        action="application.deletion_requested", application_ids=(shop,), target=shop, actor="key:admin"
    )
    deletions.ask(shop, times.now(), entry)
    [(batch_id, _)] = woken_up(aws)
    wake(aws, batch_id)
    assert deliveries(aws) == []


def test_emitters_that_fill_a_batch_in_turn_neither_lose_nor_repeat_an_event() -> None:
    woken: list[str] = []

    def note(batch_id: str, _: timedelta) -> None:
        woken.append(batch_id)

    name, shop = unique("oep"), unique("shop")
    one, other = Batches(note, 30), Batches(note, 30)
    members = [Member(f"evt_{uuid.uuid4().hex}", 100) for _ in range(40)]
    for begin in range(0, 40, 8):
        some = members[begin : begin + 8]
        one.put(name, shop, TEN, some[:5])
        other.put(name, shop, TEN, some[3:])  # two of them again
    sealed = [batch for name in dict.fromkeys(woken) if (batch := batches.seal(name, times.now()))]
    assert max(len(batch.event_ids) for batch in sealed) <= 10
    found = Counter(event_id for batch in sealed for event_id in batch.event_ids)
    assert found == Counter(member.event_id for member in members)


def test_where_a_batch_is_gone_nothing_is_put_into_it(aws: Aws, receiver: Receiver) -> None:
    """Its time is over, or its application was deleted; what names it as the one to be filled is there still."""
    shop = unique("shop")
    register_receiver(aws, receiver, application_id=shop, batch=TEN)
    emit(aws, happen(shop))
    [(gone, _)] = woken_up(aws)
    tables.OperationalBatch(gone, "events").delete()
    events = happen(shop)
    emit(aws, events)
    [_, (batch_id, _)] = woken_up(aws)
    wake(aws, gone, batch_id)
    assert [ids_in(delivery) for delivery in deliveries(aws)] == [[events[0].event_id]]


@pytest.mark.parametrize(
    ("sizes", "room"),
    [((10, 10, 10), 3), ((10, 10, 10, 10), 3), ((249_000, 2_000), 1), ((300_000, 1), 1), ((), 0)],
)
def test_a_batch_takes_what_it_has_room_for(sizes: tuple[int, ...], room: int) -> None:
    members = [Member(f"evt_{n:032x}", size) for n, size in enumerate(sizes)]
    assert len(Batch("bat_1", "oep_1", "shop").takes(members, 3)) == room


def test_an_event_has_failed_when_its_batch_has_and_not_while_it_waits(aws: Aws) -> None:
    shop = unique("shop")
    with Receiver(lambda _body, _attempt: 410) as receiver:
        name = register_receiver(aws, receiver, application_id=shop, batch=TEN)
        [event] = happen(shop)
        emit(aws, [event])
        assert not attempts.has_failed(event.event_id, name, apart_from="")
        [(batch_id, _)] = woken_up(aws)
        wake(aws, batch_id)
        [message] = aws.take("Deliveries")
        deliver(aws, message)
    assert attempts.has_failed(event.event_id, name, apart_from="")
