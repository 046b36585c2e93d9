"""Whoever fills or seals a batch is killed at any of its calls: each event is in one batch, once, and every batch goes
out."""

from collections import Counter
from datetime import timedelta
from typing import Any, Literal

import pytest

from hookwatch import tables
from hookwatch.notifying import batches
from hookwatch.notifying.endpoints import Batching
from hookwatch.operational_events import OperationalEvent
from tests.faults.killing import Killed, killed_at
from tests.in_process.aws import Aws
from tests.in_process.batches import deliveries, emit, happen, ids_in, wake, woken_up
from tests.in_process.deliveries import register_receiver
from tests.in_process.signals import unique
from tests.local_cloud.receiver import Receiver

THREE = Batching(3, timedelta(minutes=5))
OPERATIONS = (
    *("dynamodb.GetItem", "dynamodb.PutItem", "dynamodb.UpdateItem", "dynamodb.BatchGetItem"),
    *("sqs.SendMessage", "sqs.SendMessageBatch"),
)
MODELS = (tables.OperationalBatch, tables.OperationalEvent, tables.OperationalEndpoint, tables.Application)
CALLS_AT_MOST = 60

When = Literal["before", "after"]
before_and_after = pytest.mark.parametrize("when", ["before", "after"])


@pytest.fixture
def shop(aws: Aws, receiver: Receiver) -> str:
    """Whose operational endpoint takes three events at once."""
    aws.renew("Batches", "Deliveries", "Retries")
    shop = unique("shop")
    register_receiver(aws, receiver, application_id=shop, batch=THREE)
    return shop


def clients(aws: Aws, function: str) -> list[Any]:
    return [
        *(tables.connection_of(model).client for model in MODELS),
        aws.function(function).emission.outbox._sqs,
    ]


def wake_all(aws: Aws) -> None:
    wake(aws, *dict.fromkeys(batch_id for batch_id, _ in woken_up(aws)))


def assert_each_is_told_once(aws: Aws, events: list[OperationalEvent]) -> None:
    """Of a batch that was queued twice the copies are the same delivery, which is posted once."""
    by_batch = {delivery.event_id: delivery for delivery in deliveries(aws)}
    told = Counter(event_id for delivery in by_batch.values() for event_id in ids_in(delivery))
    assert told == Counter(event.event_id for event in events)


@before_and_after
def test_an_emitter_that_is_killed_at_any_call_puts_each_event_into_one_batch(aws: Aws, shop: str, when: When) -> None:
    """The stream hands the events out again, with some more."""
    kills = 0
    for number in range(1, CALLS_AT_MOST):
        aws.renew("Batches", "Deliveries")
        events = happen(shop, 7)
        emit(aws, events[:1])  # a batch that is open already
        with killed_at(number, when, OPERATIONS, clients(aws, "emitter")) as killed:
            try:
                emit(aws, events[:5])
            except Killed:
                pass
            else:
                assert not killed
        emit(aws, events)
        wake_all(aws)
        assert_each_is_told_once(aws, events)
        kills += len(killed)
        if not killed:
            break
    assert kills > 10


@before_and_after
def test_a_batcher_that_is_killed_at_any_call_makes_each_batch_one_delivery(aws: Aws, shop: str, when: When) -> None:
    kills = 0
    for number in range(1, CALLS_AT_MOST):
        aws.renew("Batches", "Deliveries")
        events = happen(shop, 5)
        emit(aws, events)
        with killed_at(number, when, OPERATIONS, clients(aws, "batcher")) as killed:
            try:
                wake_all(aws)
            except Killed:
                pass
            else:
                assert not killed
        wake_all(aws)
        assert_each_is_told_once(aws, events)
        kills += len(killed)
        if not killed:
            break
    assert kills > 5


def test_an_event_that_was_put_down_for_a_batch_that_was_sealed_without_it_is_in_the_next(aws: Aws, shop: str) -> None:
    """Its emitter was killed in between, and the batch's time was over before the stream handed it out again."""
    events = happen(shop, 1)
    with killed_at(1, "before", ["dynamodb.UpdateItem"], clients(aws, "emitter")), pytest.raises(Killed):
        emit(aws, events)
    [(batch_id, _)] = woken_up(aws)
    wake(aws, batch_id)
    sealed = batches.find(batch_id)
    assert sealed
    assert sealed.event_ids == frozenset()
    emit(aws, events)
    wake_all(aws)
    assert_each_is_told_once(aws, events)
