"""From a signal's 202 to its event at the receiver, at the normal rate of the load profile: how long, by which hops,
and what of it is the local cloud's own."""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from hookwatch import times
from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.local_cloud.receiver import Receiver
from tests.performance import bare_chain, hops, percentiles
from tests.performance.report import Section, Table
from tests.performance.traffic import RATE, Arrival, arrivals, created, pace, send

MINUTES, BLOCKS = 2, 4  # of Hookwatch's; as many of the bare chain's, each half as long, between them
SIZE = 1024  # bytes that a receiver gets
TARGET = 0.5  # seconds at p95
HOPS = ("accepted, put on SIGNALS, taken up", "observed", "emitted", "delivered")


@dataclass(slots=True)
class Found:
    """In seconds: `latencies` from the 202, of one list for each block; `hops` from what begins a hop to the next."""

    sent: int = 0
    arrived: int = 0
    duplicates: int = 0
    latencies: list[list[float]] = field(default_factory=list)
    hops: list[list[float]] = field(default_factory=lambda: [[] for _ in HOPS])

    def add(self, way: Sequence[Mapping[str, float]]) -> None:
        for hop, seconds in zip(self.hops, hops.between(way), strict=True):
            hop.extend(seconds)

    @property
    def all_latencies(self) -> list[float]:
        return [latency for block in self.latencies for latency in block]


def measure(stack: Stack) -> Section:
    ours, bare, number = Found(), Found(), MINUTES * 60 * RATE // BLOCKS
    api, shop = Api(stack), f"shop-{uuid.uuid4().hex[:12]}"
    with ExitStack() as opened:
        receiver, plain = opened.enter_context(Receiver()), opened.enter_context(Receiver())
        chain = opened.enter_context(bare_chain.standing(stack, plain.url))
        api.post("", {"application_id": shop, "url": receiver.url}).raise_for_status()
        groups = stack.physical("AWS::Logs::LogGroup")
        log_groups = [groups[f"{function}Logs"] for function in ("Observer", "Emitter", "Delivery")]
        padding = SIZE - _size_without(api, shop, receiver)
        _bare(stack, chain, plain, Found(), 10, 0)  # cold starts
        for seed in range(BLOCKS):
            _ours(stack, log_groups, lambda: send(api, shop, url=_url(padding)), receiver, ours, number, seed)
            _bare(stack, chain, plain, bare, number // 2, seed)
        ours.duplicates = sum(receipt.attempt > 1 for receipt in receiver.receipts)
    return section(ours, bare)


def _size_without(api: Api, shop: str, receiver: Receiver) -> int:
    """Bytes of an event without its padding; and the functions are warm."""
    accepted = dict(send(api, shop, url=_url(0)) for _ in range(10))
    return max(int(each.receipt.headers["content-length"]) for each in arrivals(receiver, accepted))


def _url(padding: int) -> str:
    return f"https://example.com/{'x' * padding}"


def _ours(
    stack: Stack,
    log_groups: Sequence[str],
    sends: Callable[[], tuple[str, float]],
    receiver: Receiver,
    found: Found,
    number: int,
    seed: int,
) -> None:
    since = time.time()
    arrived = arrivals(receiver, dict(sends() for _ in pace(RATE, number, seed)))
    found.sent, found.arrived = found.sent + number, found.arrived + len(arrived)
    found.latencies.append([each.latency for each in arrived])
    received = {
        each.receipt.webhook_id: times.from_text(each.receipt.data["detected_at"]).timestamp() for each in arrived
    }
    found.add([received, *(hops.began(stack, group, since) for group in log_groups), _arrived(arrived)])


def _bare(stack: Stack, chain: bare_chain.BareChain, receiver: Receiver, found: Found, number: int, seed: int) -> None:
    since, began, accepted = time.time(), {}, {}
    for _ in pace(RATE, number, seed):
        endpoint_id, moment = uuid.uuid4().hex, time.time()
        event_id = chain.send({"type": "bare", "data": created(endpoint_id, url=_url(SIZE * 4 // 5))})
        began[event_id], accepted[endpoint_id] = moment, time.time()
    arrived = arrivals(receiver, accepted)
    found.latencies.append([each.latency for each in arrived])
    found.add([began, *(hops.began(stack, group, since) for group in chain.log_groups), _arrived(arrived)])


def _arrived(arrived: Sequence[Arrival]) -> dict[str, float]:
    return {each.receipt.webhook_id: each.receipt.arrived_at for each in arrived}


def section(ours: Found, bare: Found) -> Section:
    shares = (0.5, 0.95, 0.99)
    rows = [
        (
            name,
            *percentiles.of(found.all_latencies, *shares),
            *percentiles.spread([_p95(each) for each in found.latencies]),
        )
        for name, found in (("Hookwatch", ours), ("functions that do nothing", bare))
    ]
    by_hop = [
        (name, *percentiles.of(ours.hops[n], *shares), *percentiles.of(bare.hops[n], *shares))
        for n, name in enumerate(HOPS)
    ]
    largest = max(range(len(HOPS)), key=lambda n: _p95(ours.hops[n]))
    p95 = _p95(ours.all_latencies)
    return Section(
        "End to end",
        f"From a signal's 202 to its event at one receiver: {RATE} signals a second, at random moments, for {MINUTES} "
        f"minutes, each of {SIZE} bytes when it arrives; in {BLOCKS} blocks, and between them as many of the same way "
        "through functions that do nothing. Milliseconds.",
        [
            Table(("from the 202", "p50", "p95", "p99", "p95 of a block", "lowest", "highest"), rows),
            Table(("by hop", "p50", "p95", "p99", "do nothing: p50", "p95", "p99"), by_hop),
        ],
        [
            f"Of {ours.sent} events {ours.sent - ours.arrived} were lost, and {ours.duplicates} came twice. The p95 is "
            f"{p95 * 1000:.0f} ms, against a target of {TARGET * 1000:.0f}: {p95 / _p95(bare.all_latencies):.1f} times "
            f"that of functions that do nothing. The largest hop is “{HOPS[largest]}”.",
            "A hop lasts from a function's invocation to the next one's: what it does, and what the local cloud takes "
            "to hand it on. The first begins when ingest, or the queue, has the signal, a little before the 202. The "
            "local cloud (ministack 1.5.33) hands on as soon as there is something, but rests for 50 ms after a "
            "wake-up that found nothing, as the end of an invocation mostly is: that is the floor, and no poll "
            "interval. On AWS it is another: Lambda polls a stream four times a second.",
        ],
    )


def _p95(seconds: Sequence[float]) -> float:
    return sorted(seconds)[min(len(seconds) - 1, int(0.95 * len(seconds)))]
