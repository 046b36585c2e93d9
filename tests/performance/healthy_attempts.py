"""What a million healthy attempts of 50 endpoints cost, and how many a request should carry."""

import random
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hookwatch.observing.signals import Attempt, to_reports
from tests.local_cloud.cloud import Stack
from tests.performance import prices
from tests.performance.event_cost import Used, healthy, summed
from tests.performance.functions import ASSUMED, Functions, in_a_fresh_process, stand_still
from tests.performance.prices import EU, US
from tests.performance.report import Section, Table

ENDPOINTS, PER_REQUEST, REQUESTS = 50, 500, 130
RATE = 16  # attempts a second, so that 130 requests are 68 minutes and one hour turns
BUDGET = 0.30  # USD a million (design)
SIZES: Mapping[int, int] = {1: 100, 10: 50, 50: 20, 100: 10, 250: 10, 500: 10, 1000: 5}  # attempts a request: requests
_MONTH = timedelta(days=30).total_seconds()


@dataclass(frozen=True)
class Found:
    """For a million attempts: by how many a request carries and by hop; and of an hour, the units of observing it."""

    by_size: Mapping[int, Mapping[str, Used]]
    of_an_hour: Used


def measure(stack: Stack) -> Section:
    stand_still(stack)
    return section(in_a_fresh_process(_count, stack))


def _count(stack: Stack) -> Found:
    functions = Functions(stack)
    by_size = {size: _by_size(functions, size, requests) for size, requests in SIZES.items()}
    functions.ledger.clear()
    _observe_an_hour(functions)
    return Found(by_size, prices.a_million(functions.ledger.hops["an hour"], REQUESTS * PER_REQUEST))


def _by_size(functions: Functions, size: int, requests: int) -> dict[str, Used]:
    """By the functions' own handlers; after a first request, of which all endpoints and caches know."""
    shop, number = f"shop-{uuid.uuid4()}", 0
    functions.report(shop, [healthy(_name(n)) for n in range(ENDPOINTS)])
    functions.observe()
    functions.ledger.clear()
    for _ in range(requests):
        functions.report(shop, [healthy(_name(number + n)) for n in range(size)])
        functions.observe()
        number += size
        functions.say(f"{size} a request: {number} attempts ")
    return {hop: prices.a_million(used, number) for hop, used in functions.billed().items()}


def _observe_an_hour(functions: Functions) -> None:
    """As the observer does, but by the clock of the attempts: so a record fills up, and its hour turns."""
    from hookwatch.observing import minutes  # noqa: PLC0415  # its tables' names come from the environment
    from hookwatch.observing.counting import Message, Receiving  # noqa: PLC0415
    from hookwatch.observing.outbox import Outbox  # noqa: PLC0415
    from hookwatch.observing.policies import Policies  # noqa: PLC0415
    from hookwatch.policy import Policy  # noqa: PLC0415

    outbox = Outbox(Policies(Policy()), event_retention_days=30, stats_retention_days=396)
    receiving, shop, sequence = Receiving(timedelta(seconds=180), 10), f"shop-{uuid.uuid4()}", 0
    arn = "arn:aws:sqs:eu-central-1:123456789012:hookwatch-Signals-ABCDEFGHIJKL.fifo"
    for request, (received_at, attempts) in enumerate(_attempts(datetime.now(UTC) - timedelta(minutes=70)), start=1):
        with functions.ledger.at("an hour"):
            minutes.count(shop, len(attempts), received_at)
            for report in to_reports(
                attempts, application_id=shop, received_at=received_at, reported_by="key:admin", batch_id="batch_1"
            ):
                sequence += 1
                outbox.count([Message(report.id, report, arn, sequence, 1)], receiving)
        functions.say(f"an hour: {request} of {REQUESTS} requests ")


def _attempts(start: datetime) -> Iterator[tuple[datetime, list[Attempt]]]:
    draw = random.Random(7)  # noqa: S311  # the same load each time
    for request in range(REQUESTS):
        begins = start + timedelta(seconds=request * PER_REQUEST / RATE)
        yield (
            begins + timedelta(seconds=PER_REQUEST / RATE),
            [
                Attempt(
                    endpoint_id=_name(number),
                    message_id=f"msg_{draw.getrandbits(96):024x}",
                    attempt_number=1,
                    succeeded=True,
                    attempted_at=begins + timedelta(seconds=number / RATE),
                    response_status_code=200,
                    duration_ms=int(draw.lognormvariate(5, 0.6)),
                )
                for number in range(PER_REQUEST)
            ],
        )


def _name(number: int) -> str:
    return f"00000000-5c1b-4a7e-8000-{number % ENDPOINTS:012}"


def section(found: Found) -> Section:
    # Units as of an hour; what Lambda and its logs take as of the handlers themselves.
    units = {name: found.of_an_hour[name] for name in ("write units", "read units")}
    used = {**summed(found.by_size[PER_REQUEST].values()), **units}
    rows = [
        (name, f"{used[name]:,.0f}", f"{prices.cost({name: used[name]}):.3f}") for name in prices.PRICES if name in used
    ]
    sizes = Table(
        ("attempts a request", "USD a million", "of it for requests", f"requests a second, of {RATE}", "USD a month"),
        [_row(size, hops) for size, hops in found.by_size.items()],
    )
    return Section(
        "A million healthy attempts",
        f"{PER_REQUEST} a request, {ENDPOINTS} endpoints, at {RATE} a second: the units are of {REQUESTS} requests, "
        f"scaled by {1_000_000 / (REQUESTS * PER_REQUEST):.1f}, by the attempts' own clock, so that an hour turns. "
        f"{ASSUMED}",
        [
            Table(
                ("what", "units", "USD"),
                [
                    *rows,
                    (f"together, {US}", "", f"{prices.cost(used):.3f}"),
                    (f"together, {EU}", "", f"{prices.cost(used, EU):.3f}"),
                    ("bound", "", f"{BUDGET:.3f}"),
                ],
            ),
            sizes,
        ],
        [_advice(found.by_size)],
    )


def _row(size: int, hops: Mapping[str, Used]) -> tuple[str, ...]:
    a_million = _cost(hops)
    return (
        f"{size:,}",
        f"{a_million:.2f}",
        f"{_share_of_requests(hops):.0%}",
        f"{RATE / size:.2f}",
        f"{a_million * RATE * _MONTH / 1e6:,.2f}",
    )


def _advice(by_size: Mapping[int, Mapping[str, Used]]) -> str:
    within = min(size for size, hops in by_size.items() if _cost(hops) <= BUDGET)
    dominated = max(
        (size for size, hops in by_size.items() if prices.cost(hops["ingest"]) > _cost(hops) / 2), default=0
    )
    return (
        f"The bound holds from {within} attempts a request on. Up to {dominated} a request more than half is paid for "
        f"requests: who reports n attempts a second and sends more than n ÷ {within} requests a second should batch "
        f"more; at {RATE} a second that is one request each {within / RATE:.0f} s."
    )


def _billed(used: Used) -> list[str]:
    return [name for name in prices.PRICES if used.get(name)]


def _share_of_requests(hops: Mapping[str, Used]) -> float:
    return prices.cost(hops["ingest"]) / _cost(hops)


def _cost(hops: Mapping[str, Used]) -> float:
    return prices.cost(summed(hops.values()))
