"""Kills a function at one of its AWS calls, as Lambda does when its time is up: no handler of ours gets a say."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal


class Killed(BaseException):
    """Not an Exception, so that no `except Exception` on the way survives it."""


@contextmanager
def killed(client: Any, when: Literal["before", "after"], operation: str) -> Iterator[list[str]]:
    """Whoever makes the call `operation` ("dynamodb.PutItem") with this botocore client is killed. Yields the kills."""
    kills: list[str] = []

    def kill(**_: Any) -> None:
        kills.append(operation)
        raise Killed(operation)

    event = f"{when}-call.{operation}"
    client.meta.events.register(event, kill)
    try:
        yield kills
    finally:
        client.meta.events.unregister(event, kill)
