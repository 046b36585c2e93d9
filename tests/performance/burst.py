"""The incident of the load profile, as fast as the local cloud goes: what it takes a second, what it loses, and what
limits it."""

import time
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.local_cloud.receiver import Receiver
from tests.local_cloud.watched import ENDPOINTS, FAILING, PROFILE, Platform
from tests.performance import hops
from tests.performance.report import Section, Table
from tests.performance.traffic import arrivals, send

PEAK, NORMAL = PROFILE["incident_peak_per_s"], PROFILE["normal_p99_per_s"]
BEFORE, DURING = 10, 60  # seconds
SENDERS, PER_REQUEST = 2, 500  # as many as a laptop has processors; of 1,000 that a request may have
DRAINED_WITHIN = 600  # seconds
FUNCTIONS = ("Authorizer", "Ingest", "Observer", "Emitter", "Delivery")
_STAT = Path("/proc/stat")


@dataclass(frozen=True, slots=True)
class Found:
    """Seconds are of the incident's beginning; `busy` are the invocations of each function, in seconds."""

    sent: int
    counted: int
    accepted_after: float
    counted_after: float
    noticed: Sequence[float]
    events: Counter[str]
    events_due: Counter[str]
    duplicates: int
    busy: dict[str, list[float]]
    processors_busy: float

    @property
    def lost(self) -> int:
        """Attempts that are not counted, and events that are not on record or, told by an incident, did not arrive."""
        unrecorded = self.events_due - self.events
        return self.sent - self.counted + sum(unrecorded.values()) + len(FAILING) - len(self.noticed)


def measure(stack: Stack) -> Section:
    api, shop = Api(stack), f"shop-{uuid.uuid4().hex[:12]}"
    before, groups = Platform(api, shop), stack.physical("AWS::Logs::LogGroup")
    with Receiver() as receiver:
        api.post("", {"application_id": shop, "url": receiver.url}).raise_for_status()
        arrivals(receiver, dict([send(api, shop)]))  # cold starts, which on a machine that is busy take seconds
        before.play(BEFORE, NORMAL, [])
        began, idle = time.time(), _idle()
        with ThreadPoolExecutor(SENDERS) as threads:
            played = list(threads.map(lambda _: _as_fast_as_it_goes(stack, shop), range(SENDERS)))
        platforms, accepted_after = [before, *played], time.time() - began
        sent = sum(platform.attempts.total() for platform in platforms)
        counted = _counted(api, shop, sent)
        counted_after, processors_busy = time.time() - began, 1 - (_idle() - idle) / (time.time() - began)
        receiver.wait_until(lambda: len(_noticed(receiver)) == len(FAILING), DRAINED_WITHIN)
        found = Found(
            sent,
            counted,
            accepted_after,
            counted_after,
            sorted(moment - began for moment in _noticed(receiver).values()),
            _recorded(stack, shop),
            sum((platform.told for platform in platforms), Counter()),
            sum(receipt.attempt > 1 for receipt in receiver.receipts),
            {function: hops.busy(stack, groups[f"{function}Logs"], began) for function in FUNCTIONS},
            processors_busy,
        )
    return section(found)


def _as_fast_as_it_goes(stack: Stack, shop: str) -> Platform:
    """A request after the other; one that is refused ends the benchmark."""
    platform, started = Platform(Api(stack), shop), time.monotonic()
    while (second := time.monotonic() - started) < DURING:
        platform.report(PER_REQUEST, FAILING, second).raise_for_status()
    return platform


def _counted(api: Api, shop: str, sent: int) -> int:
    """How many attempts the statistics have, once they have all, or in the end."""
    ends_at, counted = time.monotonic() + DRAINED_WITHIN, 0
    while counted < sent and time.monotonic() < ends_at:
        time.sleep(0.5)
        counted = api.get("/stats", application_id=shop).json()["summary"]["attempts"]
    return counted


def _recorded(stack: Stack, shop: str) -> Counter[str]:
    """How many events of each type are in the table: the API lists a hundred a page, which takes minutes here."""
    pages = (
        stack.client("dynamodb")
        .get_paginator("scan")
        .paginate(
            TableName=stack.tables["OperationalEvent"],
            ProjectionExpression="application_id, #type",
            ExpressionAttributeNames={"#type": "type"},
        )
    )
    items = (item for page in pages for item in page["Items"])
    return Counter(item["type"]["S"] for item in items if item["application_id"]["S"] == shop)


def _noticed(receiver: Receiver) -> dict[str, float]:
    """By the endpoint, when its incident was told."""
    told = [receipt for receipt in receiver.accepted() if receipt.type == "endpoint.failing"]
    return {receipt.data["endpoint_id"]: receipt.arrived_at for receipt in reversed(told)}


def _idle() -> float:
    """Seconds that the machine's processors were idle, each of them on average; 0 where nobody says so."""
    if not _STAT.exists():
        return 0.0
    lines = _STAT.read_text().splitlines()
    processors = sum(line.startswith("cpu") for line in lines) - 1
    _, _, _, _, idle, *_ = lines[0].split()
    return int(idle) / 100 / processors


def section(found: Found) -> Section:
    rates = [
        (name, f"{number:,}", f"{seconds:,.0f}", f"{number / seconds:,.0f}")
        for name, number, seconds in (
            ("taken from the platform", found.sent, found.accepted_after),
            ("counted", found.counted, found.counted_after),
        )
    ]
    work = [
        (
            function,
            f"{len(busy):,}",
            f"{1000 * sum(busy) / len(busy):,.0f}" if busy else "",
            f"{sum(busy) / found.counted_after:.2f}",
        )
        for function, busy in found.busy.items()
    ]
    return Section(
        "Burst",
        f"The incident of the load profile: from {NORMAL} attempts a second to as many as {SENDERS} senders get "
        f"answered, {PER_REQUEST} a request, for {DURING} seconds; {len(FAILING)} endpoints of {len(ENDPOINTS)} fail. "
        f"The platform of the profile had {PEAK:,} a second.",
        [
            Table(("attempts", "number", "after s", "a second"), rates),
            Table(("function", "invocations", "each, ms", "at work, on average"), work),
        ],
        [
            f"{found.lost} were lost; {found.duplicates} POSTs came twice. The first incident was told after "
            f"{found.noticed[0]:.1f} s, the last of {len(found.noticed)} after {found.noticed[-1]:.1f} s; "
            f"{found.events.total():,} events are on record, nearly all of them quiet.",
            f"The machine's processors were busy for {found.processors_busy:.0%} of the time. The local cloud is one "
            "Python process, and gives out one batch of a FIFO queue at a time (ministack 1.5.33): Observer is never "
            "at work more than once, where AWS has as many batches at work as ObserverConcurrency allows.",
        ],
    )
