"""What a million healthy attempts cost: 500 a request, 50 endpoints, counted from the calls that are really made.

The observing half runs in this process on the tables of a local cloud, which reports capacity as AWS bills it.
Prices: us-east-1, on demand, November 2026; change them in `PRICES`.
"""

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.local_cloud.cloud import Stack
from tests.performance.report import Section, Table

ENDPOINTS, PER_REQUEST, REQUESTS, MILLION = 50, 500, 130, 1_000_000
RATE = 16  # attempts a second, so that 130 requests are 68 minutes and one hour turns
BATCH = 10  # messages of SIGNALS that the observer gets at once, and SendMessageBatch takes
BUDGET = 0.30  # USD a million (design)
PRICES = {
    "write units": 0.625e-6,
    "read units": 0.125e-6,
    "SQS FIFO requests": 0.5e-6,
    "API requests": 3.5e-6,
    "Lambda requests": 0.2e-6,
    "Lambda GB-seconds": 13.3334e-6,  # arm64
    "log GB": 0.5,
}
# Assumed, not counted here: how long AWS takes for an invocation, and what one logs.
INGEST_SECONDS, OBSERVER_SECONDS, MEMORY_GB, LOG_BYTES = 0.06, 0.1, 0.5, 700


def use(stack: Stack) -> None:
    os.environ |= {
        "AWS_ENDPOINT_URL": stack.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": stack.region,
        "AWS_DEFAULT_REGION": stack.region,
    }
    for name, table in stack.tables.items():
        words = "".join(f"_{letter}" if letter.isupper() else letter for letter in name).lstrip("_")
        os.environ[f"{words.upper()}_TABLE"] = table


def count_units(clients: list[Any]) -> Counter[str]:
    units: Counter[str] = Counter()

    def count(parsed: dict[str, Any], model: Any, **_: Any) -> None:
        consumed = parsed.get("ConsumedCapacity") or []
        kind = "write units" if model.name in WRITES else "read units"
        for each in consumed if isinstance(consumed, list) else [consumed]:
            units[kind] += each["CapacityUnits"]
        units["calls"] += 1

    for client in clients:
        client.meta.events.register("after-call.dynamodb", count)
    return units


WRITES = {"PutItem", "UpdateItem", "TransactWriteItems"}


def requests(start: datetime) -> Iterator[tuple[datetime, list[Any]]]:
    from hookwatch.observing.signals import Attempt  # noqa: PLC0415  # when the environment is there

    draw = random.Random(7)  # noqa: S311  # the same load each time
    for request in range(REQUESTS):
        begins = start + timedelta(seconds=request * PER_REQUEST / RATE)
        yield (
            begins + timedelta(seconds=PER_REQUEST / RATE),
            [
                Attempt(
                    endpoint_id=f"endpoint-{number % ENDPOINTS:02}-5c1b4a7e",
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


def measure(stack: Stack) -> Section:
    use(stack)
    from hookwatch import tables  # noqa: PLC0415
    from hookwatch.observing import minutes  # noqa: PLC0415
    from hookwatch.observing.counting import Message, Receiving  # noqa: PLC0415
    from hookwatch.observing.outbox import Outbox  # noqa: PLC0415
    from hookwatch.observing.policies import Policies  # noqa: PLC0415
    from hookwatch.observing.signals import to_reports  # noqa: PLC0415
    from hookwatch.policy import Policy  # noqa: PLC0415

    outbox = Outbox(Policies(Policy()), event_retention_days=30, stats_retention_days=396)
    receiving = Receiving(timedelta(seconds=180), 10)
    models = (tables.MonitoredEndpoint, tables.Application, tables.MessageStats, tables.OperationalEvent)
    units = count_units([*(model._get_connection().connection.client for model in models), outbox._connection.client])
    messages = sequence = 0
    started = time.monotonic()
    for request, (received_at, signals) in enumerate(requests(datetime.now(UTC) - timedelta(minutes=70)), start=1):
        minutes.count("shop", len(signals), received_at)
        for report in to_reports(
            signals, application_id="shop", received_at=received_at, reported_by="key:admin", batch_id="batch_1"
        ):
            messages, sequence = messages + 1, sequence + 1
            arn = "arn:aws:sqs:eu-central-1:123456789012:hookwatch-Signals-ABCDEFGHIJKL.fifo"
            outbox.count([Message(report.id, report, arn, sequence, 1)], receiving)
        if request % 10 == 0:
            print(f"\r{request} of {REQUESTS} requests", end="", file=sys.stderr, flush=True)
    print(f"\r{REQUESTS} requests in {time.monotonic() - started:.0f} s", file=sys.stderr)
    return section(units, messages)


def section(units: Counter[str], messages: int) -> Section:
    scale = MILLION / (REQUESTS * PER_REQUEST)
    batches = messages / BATCH
    used = {
        "write units": units["write units"] * scale,
        "read units": units["read units"] * scale,
        "SQS FIFO requests": 3 * batches * scale,  # sent, received, deleted
        "API requests": REQUESTS * scale,
        "Lambda requests": (REQUESTS + batches) * scale,
        "Lambda GB-seconds": (REQUESTS * INGEST_SECONDS + batches * OBSERVER_SECONDS) * MEMORY_GB * scale,
        "log GB": (REQUESTS + batches) * LOG_BYTES * scale / 1e9,
    }
    rows = [(name, f"{amount:,.0f}", f"{amount * PRICES[name]:.3f}") for name, amount in used.items()]
    total = sum(amount * PRICES[name] for name, amount in used.items())
    return Section(
        "A million healthy attempts",
        f"{PER_REQUEST} a request, {ENDPOINTS} endpoints, counted from the calls that are really made.",
        [Table(("what", "units", "USD"), [*rows, ("together", "", f"{total:.3f}"), ("budget", "", f"{BUDGET:.3f}")])],
        [
            f"A message of SIGNALS takes {units['write units'] / messages:.2f} write units and "
            f"{units['read units'] / messages:.2f} read units."
        ],
    )
