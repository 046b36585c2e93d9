"""What AWS would bill, counted by hop: each call of a client of botocore, PynamoDB's too, with the units that it took.

The local cloud reports the capacity of writes as AWS bills it, indexes and transactions included, and of reads one unit
whatever they return; those are counted by the bytes that come back (DynamoDB developer guide, capacity unit
consumption).
"""

import base64
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, cast

import botocore
from botocore.session import Session

from tests.performance import prices

_READS = {"GetItem", "BatchGetItem", "Query", "Scan"}
_READ_UNIT = 4096  # bytes of a strongly consistent read
_QUEUES = {"SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessage", "DeleteMessageBatch"}
_BY_LAMBDA = {"ReceiveMessage", "DeleteMessage", "DeleteMessageBatch"}
_OTHERS = {"kms": "KMS requests", "secrets-manager": "Secrets Manager requests"}

Amounts = defaultdict[str, float]


class Ledger:
    """`hops` are amounts by the names of `prices.PRICES`, and `calls` by service and operation. Only clients made after
    it are counted."""

    def __init__(self) -> None:
        self.hops: defaultdict[str, Amounts] = defaultdict(lambda: defaultdict(float))
        self.calls: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._hop: str | None = None
        botocore.register_initializer(self._listen)

    def clear(self) -> None:
        self.hops.clear()
        self.calls.clear()

    @contextmanager
    def at(self, hop: str) -> Iterator[Amounts]:
        """What is called meanwhile, in any thread, is of this hop; else of none."""
        self._hop = hop
        try:
            yield self.hops[hop]
        finally:
            self._hop = None

    def own_calls(self, hop: str) -> Counter[str]:
        """Those that the function itself makes: it neither receives nor deletes."""
        return Counter({name: n for name, n in self.calls[hop].items() if name.partition(" ")[2] not in _BY_LAMBDA})

    def _listen(self, session: Session) -> None:
        for event, handler in (
            ("before-parameter-build.dynamodb", _ask),
            ("before-parameter-build", _remember),
            ("after-call", self._count),
        ):
            session.register(event, cast(Any, handler))

    def _count(self, parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        if self._hop is None or (model.name == "ReceiveMessage" and not parsed.get("Messages")):
            return  # Lambda's polling of empty queues is what a stack costs that idles
        used, service = self.hops[self._hop], str(model.service_model.service_id.hyphenize())
        asked = context.get("hookwatch", {})
        self.calls[self._hop][f"{service} {model.name}"] += 1
        used["calls"] += 1
        if service == "dynamodb":
            if model.name in _READS:
                used["read units"] += read_units(model.name, asked, parsed)
            else:
                used["write units"] += _reported(parsed)
        elif service == "sqs":
            used[kind_of(asked["QueueUrl"])] += prices.sqs_requests(_payload(model.name, asked, parsed))
        else:
            used[_OTHERS[service]] += 1


def kind_of(queue_url: str) -> str:
    """Whatever is on a standard queue of ours has a message group, but for failures."""
    return "SQS FIFO requests" if queue_url.endswith(".fifo") else "SQS fair requests"


def _ask(params: dict[str, Any], model: Any, **_: Any) -> None:
    if "ReturnConsumedCapacity" in model.input_shape.members:
        params["ReturnConsumedCapacity"] = "TOTAL"


def _remember(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    context["hookwatch"] = params


def _reported(parsed: dict[str, Any]) -> float:
    consumed = parsed.get("ConsumedCapacity") or []
    return sum(float(each["CapacityUnits"]) for each in (consumed if isinstance(consumed, list) else [consumed]))


def read_units(operation: str, asked: dict[str, Any], parsed: dict[str, Any]) -> float:
    """Each item of a Get is rounded up for itself, what a Query returns as a whole. What is not there costs a unit."""
    if operation == "BatchGetItem":
        return sum(
            _units(found, is_strong=tables.get("ConsistentRead", False))
            for name, tables in asked["RequestItems"].items()
            for found in _padded(parsed["Responses"].get(name, []), len(tables["Keys"]))
        )
    size = sum(map(item_size, parsed.get("Items", []))) or (item_size(parsed["Item"]) if "Item" in parsed else 0)
    return _units(size, is_strong=asked.get("ConsistentRead", False))


def _padded(found: list[dict[str, Any]], number: int) -> list[int]:
    return [*map(item_size, found), *([0] * (number - len(found)))]


def _units(size: int, *, is_strong: bool) -> float:
    units = max(1, math.ceil(size / _READ_UNIT))
    return units if is_strong else units / 2


def item_size(item: dict[str, dict[str, Any]]) -> int:
    """Bytes of an item as DynamoDB counts them (developer guide, item sizes and formats)."""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: dict[str, Any]) -> int:
    [(kind, held)] = value.items()
    match kind:
        case "S":
            return len(held.encode())
        case "N":
            return math.ceil(len(Decimal(held).as_tuple().digits) / 2) + 1
        case "B":
            return len(held if isinstance(held, bytes) else base64.b64decode(held))
        case "BOOL" | "NULL":
            return 1
        case "L":
            return 3 + sum(1 + _size(each) for each in held)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _size(each) for name, each in held.items())
    raise ValueError(f"an attribute of type {kind}")


def _payload(operation: str, asked: dict[str, Any], parsed: dict[str, Any]) -> int:
    if operation not in _QUEUES:
        return 0
    bodies = [
        *(entry.get("MessageBody", "") for entry in asked.get("Entries", [])),
        asked.get("MessageBody", ""),
        *(message["Body"] for message in parsed.get("Messages", [])),
    ]
    return sum(len(body.encode()) for body in bodies)
