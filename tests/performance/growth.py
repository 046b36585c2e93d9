"""Whether an event costs more, the more there is of operational endpoints, monitored endpoints and stored events."""

import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tests.local_cloud.cloud import Stack
from tests.local_cloud.receiver import Receiver
from tests.performance import prices
from tests.performance.event_cost import (
    MESSAGES_A_REQUEST,
    PER_MESSAGE,
    groups,
    known,
    register,
    summed,
    tell,
    ten_facts,
)
from tests.performance.functions import Functions, in_a_fresh_process, stand_still
from tests.performance.report import Section, Table

OPERATIONAL_ENDPOINTS, MONITORED_ENDPOINTS, STORED_EVENTS = (10, 100, 1_000), 100_000, 1_000_000
EVENTS = 1_000
FILLS_WITHIN = 120  # seconds; a million events take a local cloud ten minutes, and a gigabyte for each 200,000
_LOOKS_ONCE = "600"  # seconds that the emitter keeps what it read: longer than the events take
_WRITTEN_AT_ONCE = 25  # items (DynamoDB BatchWriteItem)

Item = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Found:
    """Of `EVENTS`: units and calls without `look`, the read units of looking up an application's operational endpoints
    and mutes; seconds of processor time; and what a million cost without any look."""

    write_units: float
    read_units: float
    calls: float
    look: float
    emitter_cpu: float
    observer_cpu: float
    usd: float


def measure(stack: Stack, monitored: int = MONITORED_ENDPOINTS, stored: int = STORED_EVENTS) -> Section:
    stand_still(stack)
    rows = {}
    with Receiver() as receiver:

        def found(operational: int) -> Found:
            return in_a_fresh_process(_count, stack, receiver.url, operational)

        for number in OPERATIONAL_ENDPOINTS:
            rows[f"{number:,} operational endpoints"] = found(number)
        written = _fill(stack, "MonitoredEndpoint", monitored, _record)
        rows[f"10, and {written:,} monitored endpoints"] = found(10)
        written = _fill(stack, "OperationalEvent", stored, _event)
        rows[f"10, and {written:,} stored events too"] = found(10)
    return section(rows, written, stored)


def _count(stack: Stack, url: str, operational: int) -> Found:
    """One of the operational endpoints is told, the others want another type."""
    functions, shop = Functions(stack, ENDPOINT_CACHE_SECONDS=_LOOKS_ONCE), str(uuid.uuid4())
    told = register(stack, functions, shop, url)
    client, table = stack.client("dynamodb"), stack.tables["OperationalEndpoint"]
    item = client.get_item(TableName=table, Key={"operational_endpoint_id": {"S": told}})["Item"]
    for _ in range(operational - 1):
        name = f"oep_{uuid.uuid4().hex[:24]}"
        own = {"operational_endpoint_id": {"S": name}, "listed_at": {"S": f"2026-11-30T00:00:00.000Z#{name}"}}
        client.put_item(TableName=table, Item={**item, **own, "filter_types": {"L": [{"S": "endpoint.deleted"}]}})
    for group in groups(known(functions, shop, EVENTS // PER_MESSAGE), MESSAGES_A_REQUEST):
        tell(functions, shop, [signal for endpoint_id in group for signal in ten_facts(endpoint_id)])
    billed = functions.billed()
    used, look = summed(billed.values()), billed["emitter"]["read units"]
    return Found(
        write_units=used["write units"],
        read_units=used["read units"] - look,
        calls=used["calls"],
        look=look,
        emitter_cpu=billed["emitter"]["CPU seconds"],
        observer_cpu=billed["observer"]["CPU seconds"],
        usd=prices.cost(prices.a_million({**used, "read units": used["read units"] - look}, EVENTS)),
    )


def _fill(stack: Stack, table: str, number: int, item: Callable[[int], Item]) -> int:
    """How many items there was time for."""
    client, ends_at = stack.client("dynamodb"), time.monotonic() + FILLS_WITHIN

    def write(first: int) -> int:
        if time.monotonic() > ends_at:
            return 0
        puts: Any = [{"PutRequest": {"Item": item(n)}} for n in range(first, min(first + _WRITTEN_AT_ONCE, number))]
        client.batch_write_item(RequestItems={stack.tables[table]: puts})
        return len(puts)

    with ThreadPoolExecutor(4) as threads:
        return sum(threads.map(write, range(0, number, _WRITTEN_AT_ONCE)))


def _record(number: int) -> Item:
    return {
        "application_id": {"S": f"shop-{number % 1000:03}"},
        "endpoint_id": {"S": f"{number:032}"},
        "version": {"N": "7"},
        "state": {"S": "healthy"},
        "record": {"B": b"r" * 600},
    }


def _event(number: int) -> Item:
    timestamp = f"2026-11-29T{number % 24:02}:00:00.000Z"
    return {
        "event_id": {"S": f"evt_{number:032}"},
        "application_id": {"S": f"shop-{number % 1000:03}"},
        "listed_at": {"S": f"{timestamp}#evt_{number:032}"},
        "type": {"S": "message.attempt.exhausted"},
        "timestamp": {"S": timestamp},
        "packed_data": {"B": b"d" * 400},
        "quiet": {"BOOL": False},
        "expires_at": {"N": "1900000000"},
    }


def section(rows: Mapping[str, Found], stored: int, wanted: int) -> Section:
    taken = ("calls", "write units", "read units", "observer, ms", "emitter, ms")
    columns = ("where there are", *taken, "read units a look", "USD a million", "… at 20 a second")
    few, many = (rows[f"{number:,} operational endpoints"] for number in (OPERATIONAL_ENDPOINTS[0], 1_000))
    fewer = "" if stored == wanted else f" {wanted:,} stored events were wanted; so many there was time for."
    return Section(
        "Growth",
        f"{EVENTS:,} events, of which one operational endpoint is told and the others want none; as in the section of "
        "one event. The times are of a processor of this machine. A look is what the emitter reads of an application's "
        "operational endpoints and mutes, once in EndpointCacheSeconds (5) while events come."
        f"{fewer}",
        [Table(columns, [_row(name, found) for name, found in rows.items()])],
        [
            "Writes, reads and calls are flat: each is of items by their keys, and what else lies in a table is not "
            "looked at.",
            f"A look is not, for it reads all operational endpoints of the application: {many.look:.0f} read units for "
            f"1,000, and {few.look:.1f} for 10. A lone event pays for one: at 1,000 that is "
            f"{prices.cost({'read units': many.look * 1e6}):.2f} USD a million on top. The bound of an application is "
            "100 operational endpoints unless EndpointsPerApplication says more.",
        ],
    )


def _row(name: str, found: Found) -> tuple[str, ...]:
    of_looks = prices.cost({"read units": found.look * 1e6 / 100})  # at 20 a second a hundred share one
    return (
        name,
        *(f"{amount / EVENTS:.2f}" for amount in (found.calls, found.write_units, found.read_units)),
        *(f"{seconds / EVENTS * 1000:.2f}" for seconds in (found.observer_cpu, found.emitter_cpu)),
        f"{found.look:.1f}",
        f"{found.usd:.2f}",
        f"{found.usd + of_looks:.2f}",
    )
