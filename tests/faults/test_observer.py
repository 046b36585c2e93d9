"""The observer killed around its write: every message is counted once, every event is there once."""

from typing import Any

import pytest

from hookwatch import tables
from hookwatch.observing.signals import Signal
from tests.faults.killing import Killed, killed
from tests.in_process.aws import Aws
from tests.in_process.signals import attempt, messages, unique
from tests.integration.test_observer import attempts_counted, events, health, observe


def record_client() -> Any:
    return tables.MonitoredEndpoint._get_connection().connection.client


def transaction_client(aws: Aws) -> Any:
    return aws.function("observer").outbox._connection.client


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_a_write_without_events(aws: Aws, when: Any) -> None:
    shop = unique("shop")
    observe(aws, *messages(shop, attempt("erp", 0, succeeded=True)))  # the first of an hour writes its row too
    batch = messages(shop, *(attempt("erp", second, succeeded=True) for second in range(1, 5)))
    with killed(record_client(), when, "dynamodb.PutItem") as kills, pytest.raises(Killed):
        observe(aws, *batch)
    assert kills
    assert observe(aws, *batch) == []
    assert attempts_counted(health(aws, shop, "erp")) == 5


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_a_transaction_of_record_and_events(aws: Aws, when: Any) -> None:
    shop = unique("shop")
    signals: list[Signal] = [attempt("erp", second) for second in range(0, 60, 5)]
    signals.append(attempt("erp", 61, will_retry=False))
    batch = messages(shop, *signals)
    with killed(transaction_client(aws), when, "dynamodb.TransactWriteItems") as kills, pytest.raises(Killed):
        observe(aws, *batch)
    assert kills
    assert observe(aws, *batch) == []
    assert attempts_counted(health(aws, shop, "erp")) == 13
    assert [event["type"] for event in events(aws, shop)] == ["endpoint.failing", "message.attempt.exhausted"]


def test_killed_between_two_endpoints_of_a_batch(aws: Aws) -> None:
    shop = unique("shop")
    observe(aws, *messages(shop, attempt("crm", 0, succeeded=True)))
    batch = messages(shop, attempt("crm", 1, succeeded=True), attempt("erp", 1, will_retry=False))
    with killed(transaction_client(aws), "before", "dynamodb.TransactWriteItems"), pytest.raises(Killed):
        observe(aws, *batch)
    assert attempts_counted(health(aws, shop, "crm")) == 2
    assert observe(aws, *batch) == []
    assert [attempts_counted(health(aws, shop, endpoint)) for endpoint in ("crm", "erp")] == [2, 1]
    assert len(events(aws, shop)) == 1


def test_a_batch_that_comes_again_together_with_what_follows(aws: Aws) -> None:
    shop = unique("shop")
    first, second = (messages(shop, attempt("erp", number, will_retry=False))[0] for number in (1, 2))
    with killed(transaction_client(aws), "after", "dynamodb.TransactWriteItems"), pytest.raises(Killed):
        observe(aws, first)
    assert observe(aws, first, second) == []
    assert attempts_counted(health(aws, shop, "erp")) == 2
    assert len(events(aws, shop)) == 2
