"""What twenty receivers that hang cost a healthy one: seconds from a signal's 202 to the receiver, on a deployed stack.

The local queue has neither fair queues nor a limit of messages in flight: what it shows is what two queues do.

Blocks alone and beside the twenty take turns, at the rate and at the random moments of real traffic. Each is compared
with the others of its own run only: after a wake-up that found nothing, the local cloud's event sources rest for 50 ms
(ministack 1.5.33), so that the same event takes 20 ms or 120, by what else has just happened.
"""

import json
import socket
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.local_cloud.controls import under_way
from tests.local_cloud.receiver import Receiver
from tests.performance import percentiles
from tests.performance.report import Section, Table
from tests.performance.traffic import RATE, arrivals, created, pace, send

HANGING, ROUNDS, SECONDS = 20, 3, 5  # of a block
NEIGHBOURS_EVERY = 20  # events of the healthy receiver's: many more than RETRIES takes, of receivers that hang
KNOWN_WITHIN = 60  # seconds
DELIVERY_BATCHES = 5  # at the same time (ministack 1.5.33, where nothing says how many)
RETRY_BATCHES = 2  # at the same time, as RetryConcurrency: enough to hold all that hang at once


@dataclass(frozen=True, slots=True)
class Isolation:
    """A healthy receiver's 95th percentile in seconds, of each round: alone; while twenty that hang are met for the
    first time; beside them, when they are known; and while twenty that worked begin to hang at once."""

    alone: list[float] = field(default_factory=list)
    first_contact: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)
    turning: list[float] = field(default_factory=list)

    def times_alone(self, found: list[float]) -> float:
        """How many times as long as alone, by the medians of the rounds."""
        return statistics.median(found) / statistics.median(self.alone)


def section(found: Isolation) -> Section:
    rows = {
        "alone": found.alone,
        f"{HANGING} that hang, met for the first time": found.first_contact,
        f"{HANGING} that hang, and are known to fail": found.beside,
        f"{HANGING} that worked begin to hang at once": found.turning,
    }
    measured = [
        (name, *percentiles.spread(each), f"{found.times_alone(each):.2f}") for name, each in rows.items() if each
    ]
    return Section(
        "Isolation",
        f"A healthy receiver's p95, from a signal's 202, in milliseconds: {len(found.alone)} rounds of blocks in turn, "
        f"each of {SECONDS * RATE} events at random moments, {RATE} a second.",
        [Table(("beside", "median", "lowest", "highest", "times alone"), measured)],
    )


def measure(stack: Stack, *, turning: bool = False) -> Isolation:
    api, found, hanging = Api(stack), Isolation(), Hanging()
    shop, neighbour = (f"shop-{uuid.uuid4().hex[:12]}" for _ in range(2))
    with ExitStack() as opened, Receiver() as healthy:
        opened.enter_context(_few_retries(stack))
        urls = [opened.enter_context(hanging.receiver()) for _ in range(HANGING)]
        _register(api, shop, healthy.url)
        _warm(stack, api, shop, healthy)
        for seed in range(ROUNDS):
            p95 = partial(_p95, api, shop, healthy, seed)
            found.alone.append(p95(None))
            names = [_register(api, neighbour, url) for url in urls]
            found.first_contact.append(p95(neighbour))
            _wait_until(partial(_all, api, names, fail=True), hanging)
            found.beside.append(p95(neighbour))
            if turning:
                with hanging.working():
                    _wait_until(partial(_all, api, names, fail=False), hanging)
                    _wait_until(lambda: not under_way(stack, "Retries"), hanging)
                found.turning.append(p95(neighbour))
            for name in names:
                api.delete(f"/{name}")
            _wait_until(lambda: not under_way(stack, "Retries"), hanging)
    return found


class Hanging:
    """Receivers that take every connection and never answer, but while they are `working`."""

    def __init__(self) -> None:
        self._taken: list[socket.socket] = []
        self._works = False

    @contextmanager
    def receiver(self) -> Iterator[str]:
        """Yields its URL."""
        with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
            threading.Thread(target=self._take, args=(server,), daemon=True).start()
            yield f"http://127.0.0.1:{server.getsockname()[1]}/"
            server.shutdown(socket.SHUT_RDWR)
            self.let_go()

    @contextmanager
    def working(self) -> Iterator[None]:
        self._works = True
        yield
        self._works = False

    def let_go(self) -> None:
        """Closes what hangs: its attempts fail now, which would last ten seconds."""
        while self._taken:
            self._taken.pop().close()

    def _take(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection = server.accept()[0]
                if self._works:
                    with connection:
                        connection.recv(65536)
                        connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
                else:
                    self._taken.append(connection)


def _warm(stack: Stack, api: Api, shop: str, receiver: Receiver) -> None:
    """As many delivery functions as there will be, and what each minute starts: a cold start, of seconds on a laptop,
    is no cost of hanging."""
    client, functions = stack.client("lambda"), stack.physical("AWS::Lambda::Function")

    def invoke(function: str, event: dict[str, Any]) -> None:
        answer = client.invoke(FunctionName=functions[function], Payload=json.dumps(event))
        if "FunctionError" in answer:
            raise RuntimeError(f"{function}: {answer['Payload'].read()!r}")

    tick: dict[str, Any] = {"time": datetime.now(UTC).isoformat()}
    nothing: dict[str, Any] = {"Records": []}
    starts = [("Sweeper", tick), ("Eraser", tick), *[("Delivery", nothing)] * (DELIVERY_BATCHES + RETRY_BATCHES)]
    with ThreadPoolExecutor(len(starts)) as at_once:
        list(at_once.map(lambda start: invoke(*start), starts))
    api.post_signals(shop, [created(uuid.uuid4().hex) for _ in range(200)]).raise_for_status()
    receiver.wait_until(lambda: len(receiver.receipts) >= 200, KNOWN_WITHIN)


@contextmanager
def _few_retries(stack: Stack) -> Iterator[None]:
    """The local cloud takes the number from here only; what fifty attempts cost that end in the same moment, ten times
    what a laptop has processors for, is no cost of hanging."""
    client, mapping = stack.client("lambda"), stack.physical("AWS::Lambda::EventSourceMapping")["RetrySource"]
    client.update_event_source_mapping(UUID=mapping, ScalingConfig={"MaximumConcurrency": RETRY_BATCHES})
    try:
        yield
    finally:
        client.update_event_source_mapping(UUID=mapping, ScalingConfig={})


def _register(api: Api, shop: str, url: str) -> str:
    return str(api.post("", {"application_id": shop, "url": url}).json()["operational_endpoint_id"])


def _all(api: Api, names: list[str], *, fail: bool) -> bool:
    return all((api.get(f"/{name}").json()["failing_since"] is not None) == fail for name in names)


def _p95(api: Api, shop: str, receiver: Receiver, seed: int, neighbour: str | None) -> float:
    accepted: dict[str, float] = {}
    for number in pace(RATE, SECONDS * RATE, seed):
        if neighbour and number % NEIGHBOURS_EVERY == 0:
            send(api, neighbour)
        endpoint_id, moment = send(api, shop)
        accepted[endpoint_id] = moment
    arrived = arrivals(receiver, accepted)
    if len(arrived) < len(accepted):
        raise TimeoutError(f"{len(arrived)} of {len(accepted)} arrived")
    return statistics.quantiles([each.latency for each in arrived], n=20)[-1]


def _wait_until(is_so: Callable[[], bool], hanging: Hanging) -> None:
    """With what hangs let go meanwhile, again and again."""
    ends_at = time.monotonic() + KNOWN_WITHIN
    while not is_so():
        if time.monotonic() > ends_at:
            raise TimeoutError("what the receivers that hang were to become, they did not")
        hanging.let_go()
        time.sleep(0.2)
