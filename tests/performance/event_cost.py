"""What an operational event costs from its signal to its receiver, by hop, counted from the calls really made."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.local_cloud.receiver import Receiver
from tests.performance import prices
from tests.performance.functions import ASSUMED, Functions, in_a_fresh_process, stand_still
from tests.performance.ledger import Amounts, item_size
from tests.performance.prices import EU, US
from tests.performance.report import Section, Table

EVENTS, ALONE = 10_000, 100
PER_MESSAGE, MESSAGES_A_REQUEST = 10, 10
BOUNDS = {"write units": 6.0, "read units": 1.0, "SQS requests": 0.5, "USD": 4.50}
HOPS = ("ingest", "observer", "emitter", "delivery")
_SQS = ("SQS requests", "SQS fair requests", "SQS FIFO requests")
# Of an item in a table and each of its indexes (DynamoDB developer guide, storage); of a POST besides its body.
_ITEM_OVERHEAD, _POST_OVERHEAD = 100, 800

Used = Mapping[str, float]
Signals = list[dict[str, Any]]


@dataclass(frozen=True)
class Found:
    """By hop, for a million events: that come together, and that come alone."""

    together: Mapping[str, Used]
    alone: Mapping[str, Used]


def measure(stack: Stack, events: int = EVENTS, alone: int = ALONE) -> Section:
    stand_still(stack)
    shop = str(uuid.uuid4())
    with Receiver() as receiver:
        found = in_a_fresh_process(_count, stack, shop, receiver.url, events, alone)
        if len(receiver.receipts) != 1 + events + alone:
            raise RuntimeError(f"{len(receiver.receipts)} of {1 + events + alone} events arrived")
        post = sum(int(receipt.headers["content-length"]) for receipt in receiver.receipts) // len(receiver.receipts)
    return section(found, events, _sizes(stack, shop), post)


def register(stack: Stack, functions: Functions, shop: str, url: str) -> str:
    """An operational endpoint that is known to work, for a test of it was delivered."""
    api = Api(stack)
    made = api.post("", {"application_id": shop, "url": url, "message_events": "all"}).json()
    api.post(f"/{made['operational_endpoint_id']}/test", {})
    functions.emit()
    functions.deliver()
    return str(made["operational_endpoint_id"])


def _count(stack: Stack, shop: str, url: str, events: int, alone: int) -> Found:
    functions = Functions(stack, ENDPOINT_CACHE_SECONDS="5")
    register(stack, functions, shop, url)
    endpoints = known(functions, shop, events // PER_MESSAGE)
    for n, group in enumerate(groups(endpoints, MESSAGES_A_REQUEST), start=1):
        tell(functions, shop, [signal for endpoint_id in group for signal in ten_facts(endpoint_id)])
        functions.say(f"{n * MESSAGES_A_REQUEST * PER_MESSAGE} of {events} events")
    together = functions.billed()
    functions.ledger.clear()
    for endpoint_id in endpoints[:alone]:
        tell(functions, shop, [given_up(endpoint_id)])
    return Found(_a_million(together, events), _a_million(functions.billed(), alone))


def _a_million(hops: Mapping[str, Used], events: int) -> dict[str, Used]:
    return {hop: prices.a_million(hops[hop], events) for hop in HOPS}


def known(functions: Functions, shop: str, number: int) -> list[str]:
    """Monitored endpoints that have had attempts in this hour; from here on it is counted."""
    endpoints = [str(uuid.uuid4()) for _ in range(number)]
    for group in groups(endpoints, 100):
        functions.report(shop, [healthy(endpoint_id) for endpoint_id in group])
        functions.observe()
    functions.ledger.clear()
    return endpoints


def tell(functions: Functions, shop: str, signals: Signals) -> None:
    functions.report(shop, signals)
    functions.observe()
    functions.emit()
    functions.deliver()


def ten_facts(endpoint_id: str) -> Signals:
    """Of one endpoint, an event each: five changes, and five messages that are given up."""
    return [each for n in range(PER_MESSAGE // 2) for each in (moved(endpoint_id, n), given_up(endpoint_id))]


def healthy(endpoint_id: str) -> dict[str, Any]:
    return _attempt(endpoint_id, 1) | {"outcome": "succeeded", "response_status_code": 200}


def given_up(endpoint_id: str) -> dict[str, Any]:
    return _attempt(endpoint_id, 5) | {"outcome": "failed", "response_status_code": 503, "will_retry": False}


def moved(endpoint_id: str, times: int) -> dict[str, Any]:
    now, url = datetime.now(UTC).isoformat(), f"https://{endpoint_id[:8]}.customer.example.com/webhooks/incoming/v"
    return {
        "type": "endpoint.updated",
        "endpoint_id": endpoint_id,
        "occurred_at": now,
        "actor": "user:42",
        "url": f"{url}{times + 1}",
        "changes": {"url": {"from": f"{url}{times}", "to": f"{url}{times + 1}"}},
        "labels": {"tier": "gold", "region": "eu"},
    }


def _attempt(endpoint_id: str, number: int) -> dict[str, Any]:
    return {
        "type": "message.attempt",
        "endpoint_id": endpoint_id,
        "message_id": str(uuid.uuid4()),
        "attempt_number": number,
        "duration_ms": 812,
        "attempted_at": datetime.now(UTC).isoformat(),
    }


def groups(names: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (names[first : first + size] for first in range(0, len(names), size))


def _sizes(stack: Stack, shop: str) -> dict[str, float]:
    """Bytes of an item, by table, on average."""
    client, sizes = stack.client("dynamodb"), {}
    for table in ("OperationalEvent", "OperationalAttempt"):
        items = client.scan(
            TableName=stack.tables[table],
            FilterExpression="application_id = :shop",
            ExpressionAttributeValues={":shop": {"S": shop}},
        )["Items"]
        sizes[table] = sum(map(item_size, items)) / len(items)
    return sizes


def section(found: Found, events: int, sizes: Mapping[str, float], post: int) -> Section:
    total, alone = summed(found.together.values()), summed(found.alone.values())
    return Section(
        "An operational event",
        f"{events:,} events to one operational endpoint each, delivered at the first try; {PER_MESSAGE} to a signals "
        f"message, {MESSAGES_A_REQUEST} messages to a request and a batch. The functions' own handlers, on a local "
        f"cloud's tables and queues, and every call of AWS counted with the units that it is billed for. {ASSUMED}",
        [_hops(found.together, total), _money(total, alone), _apart(sizes, post)],
        [
            "Beside them, alone: an event that has its request, its messages and its batches to itself. To read a "
            "stream is free for Lambda. The authorizer is asked once a minute for each key, and an empty queue costs "
            "what docs/operations.md lists for a stack that idles.",
            f"EventBridge's API destinations sign nothing, and keep neither attempts nor incidents. "
            f"An event is {sizes['OperationalEvent']:,.0f} bytes as it is stored, its attempt "
            f"{sizes['OperationalAttempt']:,.0f}, its body {post:,}.",
        ],
    )


def summed(each: Iterable[Used]) -> Used:
    total: Amounts = defaultdict(float)
    for used in each:
        for name, amount in used.items():
            total[name] += amount
    return total


def _hops(together: Mapping[str, Used], total: Used) -> Table:
    units = ("calls", "write units", "read units", "SQS requests", "GB-seconds", "log, KB")
    bounds = ("", *(f"{BOUNDS[name]:.2f}" for name in units[1:4]), "", "", f"{BOUNDS['USD']:.2f}")
    rows = [*(_row(hop, used) for hop, used in together.items()), _row("together", total), ("bound", *bounds)]
    return Table(("an event takes", *units, "USD a million"), rows)


def _row(name: str, used: Used) -> tuple[str, ...]:
    def of_one(*names: str) -> float:
        return sum(used.get(name, 0.0) for name in names) / 1e6

    return (
        name,
        *(f"{of_one(name):.2f}" for name in ("calls", "write units", "read units")),
        f"{of_one(*_SQS):.2f}",
        f"{of_one('Lambda GB-seconds'):.4f}",
        f"{of_one('log GB') * 1e6:.2f}",
        f"{prices.cost(used):.2f}",
    )


def _money(total: Used, alone: Used) -> Table:
    rows = []
    for name in prices.PRICES:
        of = {name: total.get(name, 0.0)}, {name: alone.get(name, 0.0)}
        if any(each[name] for each in of):
            rows.append((name, f"{of[0][name]:,.0f}", f"{prices.cost(of[0]):.3f}", f"{prices.cost(of[1]):.3f}"))
    return Table(
        ("a million events", "units", "USD", "USD, alone"),
        [
            *rows,
            (f"together, {US}", "", f"{prices.cost(total):.2f}", f"{prices.cost(alone):.2f}"),
            (f"together, {EU}", "", f"{prices.cost(total, EU):.2f}", f"{prices.cost(alone, EU):.2f}"),
            ("EventBridge, API destinations", "", f"{prices.EVENTBRIDGE:.2f}", ""),
            ("Svix, hosted", "", f"{prices.SVIX:.2f}", ""),
        ],
    )


def _apart(sizes: Mapping[str, float], post: int) -> Table:
    """Each table has one index that holds all of its items; a backup is of the tables."""
    stored = sum(size + _ITEM_OVERHEAD for size in sizes.values()) / 1e3  # GB a million
    used = {"storage GB-months": 2 * stored, "backup GB-months": stored, "egress GB": (post + _POST_OVERHEAD) / 1e3}
    rows = [(name, f"{gb:.2f}", f"{gb * prices.APART[name][US]:.2f}") for name, gb in used.items()]
    return Table(("apart, a million events kept for a month", "GB", "USD"), rows)
