"""The deletion of an application, asked for and carried out, and what is left of it then."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import Any

from hookwatch import times
from tests.in_process.api import call
from tests.in_process.aws import Aws
from tests.in_process.everything import Everything
from tests.in_process.invoking import Context
from tests.integration.test_template import of_type

SETTLED = timedelta(seconds=901)
# What stays, by docs/operations.md, "Deleting an application".
STAYS = {"Idempotency", "Audit"}
TABLES = set(of_type("AWS::DynamoDB::Table"))


def erase(aws: Aws, after: timedelta = timedelta(), context: Context | None = None) -> None:
    event = aws.sample("eraser") | {"time": times.to_text(times.now() + after)}
    aws.function("eraser").handler(event, context or Context())


def delete(aws: Aws, shop: str, **arguments: Any) -> dict[str, Any]:
    status, answer = call(aws, "DELETE", f"/applications/{shop}", **arguments)
    assert status == 202
    return answer


def deletion(aws: Aws, shop: str) -> dict[str, Any]:
    status, answer = call(aws, "GET", f"/applications/{shop}/deletion")
    assert status == 200
    return answer


def delete_and_erase(aws: Aws, shop: str) -> dict[str, Any]:
    delete(aws, shop)
    erase(aws)
    erase(aws, SETTLED)
    return deletion(aws, shop)


def left(aws: Aws, found: Everything) -> dict[str, list[Any]]:
    """What there still is of it, by table; of what may stay, nothing."""
    items = {table: found.items(aws, table) for table in TABLES - STAYS}
    items["Application"] = [item for item in items["Application"] if item["item"]["S"] != "deletion"]
    return {table: of_table for table, of_table in items.items() if of_table}


@contextmanager
def before_call(model: Any, operation: str, act: Callable[[], object]) -> Iterator[None]:
    """Something happens right before the first call of the model's client."""
    emitter, event = model._get_connection().connection.client.meta.events, f"before-call.dynamodb.{operation}"
    numbers = count()

    def once(**_: Any) -> None:
        if next(numbers) == 0:
            act()

    emitter.register(event, once)
    try:
        yield
    finally:
        emitter.unregister(event, once)
    assert next(numbers)
