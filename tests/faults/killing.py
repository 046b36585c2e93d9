"""Kills a function at one of its AWS calls, as Lambda does when its time is up: no handler of ours gets a say."""

import itertools
from collections.abc import Iterable, Iterator
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


@contextmanager
def killed_at(
    number: int, when: Literal["before", "after"], operations: Iterable[str], clients: Iterable[Any]
) -> Iterator[list[str]]:
    """Whoever makes the `number`th call, counted from 1, of any of `operations` with any of `clients` is killed."""
    calls = itertools.count(1)
    kills: list[str] = []

    def kill(model: Any, **_: Any) -> None:
        if next(calls) == number:
            kills.append(model.name)
            raise Killed(model.name)

    events = [(client.meta.events, f"{when}-call.{operation}") for client in clients for operation in operations]
    for emitter, event in events:
        emitter.register(event, kill)
    try:
        yield kills
    finally:
        for emitter, event in events:
            emitter.unregister(event, kill)
