"""The eraser killed at every single write, and DynamoDB that takes only a part, or nothing: the next minute goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import msgspec
import pytest
from pynamodb.models import Model

from hookwatch import tables
from tests.faults.killing import Killed, killed_at
from tests.in_process import everything
from tests.in_process.aws import Aws
from tests.in_process.erasing import SETTLED, TABLES, before_call, delete, deletion, erase, left
from tests.in_process.everything import Everything, Item
from tests.in_process.signals import unique
from tests.local_cloud.receiver import Receiver

pytestmark = pytest.mark.usefixtures("nothing_else_is_under_way")

WRITES = ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")
THROTTLED = "ProvisionedThroughputExceededException"


def clients() -> list[Any]:
    """Of each table, as the eraser has them."""
    models = [model for model in vars(tables).values() if isinstance(model, type) and issubclass(model, Model)]
    return [model._get_connection().connection.client for model in models if hasattr(model, "Meta")]


def put_back(aws: Aws, items: dict[str, list[Item]]) -> None:
    for table, of_table in items.items():
        for start in range(0, len(of_table), 25):
            requests = [{"PutRequest": {"Item": item}} for item in of_table[start : start + 25]]
            aws.client("dynamodb").batch_write_item(RequestItems={table: requests})


def passes(aws: Aws) -> None:
    erase(aws)
    erase(aws, SETTLED)


def test_killed_before_any_write_the_next_minute_goes_on_and_nothing_is_left(aws: Aws, receiver: Receiver) -> None:
    """Killed after a write is killed before the next one: the eraser keeps nothing in mind."""
    shop = unique("shop")
    found = everything.fill(aws, shop, receiver.url, shared_with=unique("other"))
    filled = {table: found.items(aws, table) for table in TABLES}
    number_of_items = sum(map(len, left(aws, found).values())) - 1  # a key is the other's too
    killed: list[str] = []
    for number in count(1):
        put_back(aws, filled)
        tables.Application(shop, "deletion").delete()
        delete(aws, shop)
        with killed_at(number, "before", [f"dynamodb.{operation}" for operation in WRITES], clients()) as kills:
            try:
                passes(aws)
            except Killed:
                killed += kills
        if not kills:
            break
        passes(aws)
        assert left(aws, found) == {}, f"killed before write {number}"
        told = deletion(aws, shop)
        assert told["state"] == "deleted"
        assert number_of_items - 25 <= told["deleted_items"] <= number_of_items
    assert set(killed) == set(WRITES)
    assert len(killed) > 20


@contextmanager
def refusing(model: Any, answers: Iterator[Item]) -> Iterator[list[int]]:
    """DynamoDB answers BatchWriteItem of the model so, until `answers` are used up: of `UnprocessedItems` it takes
    nothing. Yields how many items it was sent each time."""
    emitter, sent = model._get_connection().connection.client.meta.events, []

    class Answer:
        status_code = 400

    def refuse(params: dict[str, Any], **_: Any) -> Any:
        [(table, requests)] = msgspec.json.decode(params["body"])["RequestItems"].items()
        sent.append(len(requests))
        answer = next(answers, None)
        if answer is None:
            return None
        response = Answer()
        if "Error" not in answer:
            response.status_code = 200
            answer = {"UnprocessedItems": {table: requests}}
        return response, answer

    emitter.register("before-call.dynamodb.BatchWriteItem", refuse)
    try:
        yield sent
    finally:
        emitter.unregister("before-call.dynamodb.BatchWriteItem", refuse)


def minutes_of(shop: str, number: int) -> Everything:
    """An application with so many items in one table."""
    for minute in range(number):
        tables.Application(shop, f"minute#{minute}", attempts=1).save()
    return Everything(shop, {shop}, "")


NOT_NOW: Item = {"Error": {"Code": THROTTLED, "Message": "slow down"}}


@pytest.mark.parametrize("answer", [{}, NOT_NOW], ids=["unprocessed items", "a throttle"])
def test_what_dynamodb_does_not_take_is_sent_again_after_a_pause(aws: Aws, answer: Item) -> None:
    shop = unique("shop")
    found = minutes_of(shop, 60)
    delete(aws, shop)
    with refusing(tables.Application, iter([answer] * 4)) as sent:
        erase(aws)
    assert sent == [25] * 6 + [10]
    assert (left(aws, found), deletion(aws, shop)["deleted_items"]) == ({}, 60)


def test_while_dynamodb_takes_nothing_others_are_erased_and_the_next_minute_goes_on(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, other = "0" + unique("shop"), unique("other")
    found = minutes_of(shop, 30)
    minutes_of(other, 3)
    for application_id in (shop, other):
        delete(aws, application_id)
    monkeypatch.setattr("hookwatch.erasing.passes._PAUSES", (0.001, 0.001))
    with refusing(tables.Application, iter([NOT_NOW] * 3)), aws.log_of("eraser") as log:
        erase(aws)
    assert "an erasure was cut off" in log.getvalue()
    assert [deletion(aws, name)["deleted_items"] for name in (shop, other)] == [0, 3]
    passes(aws)
    assert (left(aws, found), deletion(aws, shop)["deleted_items"]) == ({}, 30)


def test_another_error_than_a_throttle_ends_the_run_at_once(aws: Aws) -> None:
    shop = unique("shop")
    minutes_of(shop, 3)
    delete(aws, shop)
    refused: Item = {"Error": {"Code": "AccessDeniedException", "Message": "you may not"}}
    with refusing(tables.Application, iter([refused])) as sent, aws.log_of("eraser") as log:
        erase(aws)
    assert sent == [3]
    assert "AccessDenied" in log.getvalue()
    passes(aws)


def test_of_two_erasers_at_one_application_the_slower_one_gives_way_and_nothing_is_left(aws: Aws) -> None:
    shop = unique("shop")
    found = minutes_of(shop, 60)
    delete(aws, shop)
    with (
        before_call(tables.Application, "BatchWriteItem", lambda: erase(aws)),
        aws.log_of("eraser") as log,
    ):
        erase(aws)
    assert "Outrun" in log.getvalue()
    assert deletion(aws, shop)["deleted_items"] == 60
    erase(aws, SETTLED)
    assert (left(aws, found), deletion(aws, shop)["state"]) == ({}, "deleted")
