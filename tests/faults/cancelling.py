"""DynamoDB refuses a write, as it would: at botocore's boundary, so that PynamoDB sees the real error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from botocore.exceptions import ConnectionClosedError


@dataclass
class _Answer:
    status_code: int = 400


@contextmanager
def cancelled(client: Any, *reasons: str, times: int = 1_000) -> Iterator[list[int]]:
    """The client's next `times` transactions are cancelled, for the reasons of their parts, of which `None` is none.
    Yields the numbers of those that were."""
    error = {"Code": "TransactionCanceledException", "Message": f"Transaction cancelled {list(reasons)}"}
    said = {"Error": error, "CancellationReasons": [{"Code": code, "Message": code} for code in reasons]}
    with _answered(client, "TransactWriteItems", said, times) as numbers:
        yield numbers


@contextmanager
def refused(client: Any, operation: str, code: str, times: int = 1_000) -> Iterator[list[int]]:
    """The client's next `times` calls of `operation` ("PutItem") end with the error `code`."""
    with _answered(client, operation, {"Error": {"Code": code, "Message": code}}, times) as numbers:
        yield numbers


@contextmanager
def broken(client: Any, operation: str, of: str = "dynamodb") -> Iterator[None]:
    """The connection ends before the client's calls of `operation` are answered."""
    event = f"before-call.{of}.{operation}"

    def end(**_: Any) -> None:
        raise ConnectionClosedError(endpoint_url=f"https://{of}")

    client.meta.events.register(event, end)
    try:
        yield
    finally:
        client.meta.events.unregister(event, end)


@contextmanager
def interrupted(client: Any, change: Callable[[], object]) -> Iterator[None]:
    """`change` is made just before the client's next transaction: after the look, before the leap."""
    event, changes = "before-call.dynamodb.TransactWriteItems", iter([change])

    def interrupt(**_: Any) -> None:
        for each in changes:
            each()

    client.meta.events.register(event, interrupt)
    try:
        yield
    finally:
        client.meta.events.unregister(event, interrupt)


@contextmanager
def _answered(client: Any, operation: str, said: dict[str, Any], times: int) -> Iterator[list[int]]:
    calls, numbers = count(1), list[int]()

    def answer(**_: Any) -> tuple[_Answer, dict[str, Any]] | None:
        number = next(calls)
        if number > times:
            return None
        numbers.append(number)
        return _Answer(), said

    event = f"before-call.dynamodb.{operation}"
    client.meta.events.register(event, answer)
    try:
        yield numbers
    finally:
        client.meta.events.unregister(event, answer)
