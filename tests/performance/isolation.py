"""What twenty receivers that hang cost a healthy one: seconds from a signal's 202 to the receiver, on a deployed stack.

The local queue has neither fair queues nor a limit of messages in flight: what it shows is what two queues do.
"""

import json
import socket
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from hookwatch.operating.deployment import Deployment
from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.local_cloud.receiver import Receiver
from tests.performance.report import Section, Table

HANGING, EVENTS, EVERY = 20, 200, 0.1  # seconds between two events
KNOWN_WITHIN = 60  # seconds
RETRY_BATCHES = 2  # at the same time, as RetryConcurrency: enough to hold all that hang at once


@dataclass(frozen=True)
class Isolation:
    """A healthy receiver's 95th percentile: alone; while twenty that hang are met for the first time; beside them, when
    they are known; and while twenty that worked begin to hang at once."""

    alone: float
    first_contact: float
    beside: float
    turning: float | None = None


def section(found: Isolation) -> Section:
    rows = {
        "alone": found.alone,
        f"{HANGING} that hang, met for the first time": found.first_contact,
        f"{HANGING} that hang, and are known to fail": found.beside,
        f"{HANGING} that worked begin to hang at once": found.turning,
    }
    measured = [(name, f"{seconds * 1000:,.0f}") for name, seconds in rows.items() if seconds is not None]
    return Section(
        "Isolation",
        f"A healthy receiver's p95, from a signal's 202, of {EVENTS} events, {1 / EVERY:.0f} a second.",
        [Table(("beside", "p95, ms"), measured)],
    )


def measure(stack: Stack, *, turning: bool = False) -> Isolation:
    api, hang = Api(stack), threading.Event()
    shop, neighbour = (f"shop-{uuid.uuid4().hex[:12]}" for _ in range(2))
    hang.set()
    with ExitStack() as opened, Receiver() as healthy:
        opened.enter_context(_few_retries(stack))
        urls = [opened.enter_context(_hanging(hang)) for _ in range(HANGING)]
        _register(api, shop, healthy.url)
        _warm(stack, api, shop, healthy)
        alone = _p95(_latencies(api, shop, healthy))
        names = [_register(api, neighbour, url) for url in urls]
        first_contact = _p95(_latencies(api, shop, healthy, neighbour))
        _wait_until(lambda: all(api.get(f"/{name}").json()["failing_since"] for name in names))
        beside = _p95(_latencies(api, shop, healthy, neighbour))
        for name in names:
            api.delete(f"/{name}")
        if not turning:
            return Isolation(alone, first_contact, beside)
        hang.clear()
        names = [_register(api, neighbour, url) for url in urls]
        _latencies(api, shop, healthy, neighbour, events=1)
        _wait_until(lambda: all(api.get(f"/{name}/attempts", status="delivered").json()["data"] for name in names))
        hang.set()
        turned = _p95(_latencies(api, shop, healthy, neighbour))
        for name in names:
            api.delete(f"/{name}")
        return Isolation(alone, first_contact, beside, turned)


def _warm(stack: Stack, api: Api, shop: str, receiver: Receiver) -> None:
    """As many delivery functions as there will be, and what each minute starts: a cold start, of seconds on a laptop,
    is no cost of hanging."""
    deployment = Deployment(stack.stack_name, stack.endpoint_url, stack.region)
    for function in ("Sweeper", "Eraser"):
        event = json.dumps({"time": datetime.now(UTC).isoformat()})
        deployment.client("lambda").invoke(FunctionName=deployment.physical_id(function), Payload=event)
    for _ in range(3):
        expected, now = len(receiver.receipts) + 200, datetime.now(UTC).isoformat()
        names = [uuid.uuid4().hex for _ in range(200)]
        api.post_signals(
            shop, [{"type": "endpoint.created", "endpoint_id": name, "occurred_at": now} for name in names]
        )
        receiver.wait_until(lambda expected=expected: len(receiver.receipts) >= expected, KNOWN_WITHIN)  # type: ignore[misc]


@contextmanager
def _few_retries(stack: Stack) -> Iterator[None]:
    """The local cloud takes the number from here only; what fifty attempts cost that end in the same moment, ten times
    what a laptop has processors for, is no cost of hanging."""
    client = stack.client("lambda")
    answer = stack.client("cloudformation").describe_stack_resource(
        StackName=stack.stack_name, LogicalResourceId="RetrySource"
    )
    mapping = answer["StackResourceDetail"]["PhysicalResourceId"]
    client.update_event_source_mapping(UUID=mapping, ScalingConfig={"MaximumConcurrency": RETRY_BATCHES})
    try:
        yield
    finally:
        client.update_event_source_mapping(UUID=mapping, ScalingConfig={})


@contextmanager
def _hanging(hang: threading.Event) -> Iterator[str]:
    """A receiver that takes every connection and, while `hang` is set, never answers. Yields its URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        taken: list[socket.socket] = []

        def take() -> None:
            with suppress(OSError):
                while True:
                    taken.append(server.accept()[0])
                    if not hang.is_set():
                        taken[-1].recv(65536)
                        taken[-1].sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
                        taken.pop().close()

        threading.Thread(target=take, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        server.shutdown(socket.SHUT_RDWR)
        for connection in taken:
            connection.close()


def _register(api: Api, shop: str, url: str) -> str:
    return str(api.post("", {"application_id": shop, "url": url}).json()["operational_endpoint_id"])


def _latencies(
    api: Api, shop: str, receiver: Receiver, neighbour: str | None = None, *, events: int = EVENTS
) -> list[float]:
    """While a tenth as many events happen to a neighbour: twice what its hanging receivers keep RETRIES busy with."""
    accepted: dict[str, float] = {}
    already = len(receiver.receipts)
    for number in range(events):
        started, endpoint_id = time.monotonic(), uuid.uuid4().hex
        now = datetime.now(UTC).isoformat()
        signals = [{"type": "endpoint.created", "endpoint_id": endpoint_id, "occurred_at": now}]
        if neighbour and number % 10 == 0:
            api.post_signals(neighbour, signals)
        api.post_signals(shop, signals)
        accepted[endpoint_id] = time.time()
        time.sleep(max(0.0, EVERY - (time.monotonic() - started)))
    if not receiver.wait_until(lambda: len(receiver.receipts) >= already + events, KNOWN_WITHIN):
        raise TimeoutError(f"{len(receiver.receipts) - already} of {events} arrived")
    arrived = {receipt.data["endpoint_id"]: receipt.arrived_at for receipt in receiver.receipts}
    return [arrived[endpoint_id] - moment for endpoint_id, moment in accepted.items()]


def _wait_until(is_so: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + KNOWN_WITHIN
    while not is_so():
        if time.monotonic() > ends_at:
            raise TimeoutError("the receivers that hang did not become known")
        time.sleep(0.2)


def _p95(found: list[float]) -> float:
    return statistics.quantiles(found, n=20)[-1]
