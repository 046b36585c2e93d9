"""Exactly once: random histories of the queue and the observer, against a model that counts one report after another.

The function, the rules and the outbox are the real ones, and so are PynamoDB and botocore up to where a request would
be sent. The queue, DynamoDB and the clock are in memory. `EXACTLY_ONCE_HISTORIES` asks for more histories.
"""

import importlib.util
import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hookwatch import event_items, tables, times
from hookwatch.observing import incidents, records, stats
from hookwatch.observing.counting import Receiving
from hookwatch.observing.health import Health
from hookwatch.observing.incidents import Tick
from hookwatch.observing.records import Record
from hookwatch.observing.signals import Announcement, Attempt, EndpointChange, Report, Signal, to_reports
from hookwatch.observing.stats import Hour
from hookwatch.operational_events import OperationalEvent, event_id
from tests.faults.dynamodb import DynamoDB, Fault, Kind, Run
from tests.faults.fifo import Fifo, to_records
from tests.faults.killing import Killed
from tests.in_process.aws import ROOT, Aws
from tests.in_process.invoking import Context

HISTORIES = int(os.environ.get("EXACTLY_ONCE_HISTORIES", "1500"))
APPLICATION = "shop"
ENDPOINTS = ("erp", "crm")
START = datetime.fromisoformat("2026-11-23T10:50:00Z")
VISIBILITY = 60
DRAINED_WITHIN = 2_000  # hand-outs
BY_HAND = ("attempts", "failed_attempts", "duration_ms")
POLICY = {"opens_after_failures": 3, "opens_after_seconds": 0, "reopens_within_minutes": 5, "opens_from_attempts": 5}

# ── what happens ──


@dataclass(frozen=True)
class Reported:
    """Signals of one endpoint: what each says, of which message, and by how many seconds it comes late."""

    endpoint: str
    signals: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Crowd:
    """As many events as a message may yield, over as many hours as it may span."""

    endpoint: str


@dataclass(frozen=True)
class RepeatedRequest:
    """The last request once more."""


@dataclass(frozen=True)
class Received:
    """A batch, and what befalls the function. `takes` seconds pass between reading and writing it."""

    at_most: int
    fault: Fault | None = None
    meanwhile: "tuple[Received | Swept, ...]" = ()
    is_late: bool = False  # the visibility ends before the write
    is_acknowledged: bool = True
    takes: int = 0


@dataclass(frozen=True)
class Swept:
    pass


@dataclass(frozen=True)
class Waited:
    seconds: int


@dataclass(frozen=True)
class Redriven:
    pass


@dataclass(frozen=True)
class Replaced:
    """A new queue. The old one is read as long as it holds something, or its messages are moved."""

    is_moved: bool


Step = Reported | Crowd | RepeatedRequest | Received | Swept | Waited | Redriven | Replaced

KINDS: list[Kind] = ["killed before", "killed after", "unanswered", "sent again", "refused", "throttled"]
SAID = ["ok", "ok", "failed", "failed", "failed", "4th failed", "given up", "5th ok", "by hand", "created", "updated",
        "disabled", "enabled", "announced"]  # fmt: skip
_endpoints = st.sampled_from(ENDPOINTS)
_reported = st.builds(
    Reported,
    _endpoints,
    st.lists(
        st.tuples(st.sampled_from(SAID), st.integers(0, 2), st.sampled_from([0, 0, 0, 1, 20, 400, 4000, 20_000])),
        min_size=1,
        max_size=5,
    ).map(tuple),
)
_faults = st.builds(Fault, st.sampled_from(KINDS), st.integers(1, 3))
_takes = st.sampled_from([0, 1, 50])
_plain = st.builds(
    Received, st.integers(1, 10), st.one_of(st.none(), _faults), is_acknowledged=st.booleans(), takes=_takes
)
_raced = st.builds(
    Received,
    st.integers(1, 10),
    st.builds(Fault, st.just("interrupted"), st.integers(0, 2)),
    st.lists(st.one_of(_plain, _plain, st.builds(Swept)), min_size=1, max_size=3).map(tuple),
    is_late=st.booleans(),
    is_acknowledged=st.booleans(),
    takes=_takes,
)
_others: st.SearchStrategy[Step] = st.one_of(
    st.builds(Crowd, _endpoints),
    st.builds(RepeatedRequest),
    st.builds(Swept),
    st.builds(Redriven),
    st.builds(Redriven),
    st.builds(Waited, st.sampled_from([1, VISIBILITY, 3 * VISIBILITY, 4000])),
    st.builds(Replaced, st.booleans()),
)
HISTORY: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(_reported, _reported, _plain, _plain, _raced, _others), min_size=5, max_size=30
)


# ── the world in which it happens ──


class World:
    def __init__(self, observer: ModuleType, dynamodb: DynamoDB, receives: int) -> None:
        self.observer = observer
        self.dynamodb = dynamodb
        self.receives = receives
        self.now = 0.0
        self.queues: list[Fifo] = []
        self.sent: dict[str, Report] = {}
        self.requests: list[list[Report]] = []
        self.signals = 0
        self.replace(is_moved=False)

    @property
    def moment(self) -> datetime:
        return START + timedelta(seconds=self.now)

    def replace(self, *, is_moved: bool) -> None:
        count = len(self.queues)
        first_number = 10**20 if count % 2 == 0 else 0  # smaller numbers than before, and larger ones
        self.queues.append(
            Fifo(f"arn:aws:sqs:eu-central-1:1:Signals{count}.fifo", VISIBILITY, self.receives, first_number)
        )
        if is_moved:
            for old in self.queues[:-1]:
                old.empties_into(self.queues[-1], self.now)

    def take(self, step: Step) -> None:
        match step:
            case Reported(endpoint, said):
                self.send([self.signal(endpoint, *each) for each in said])
            case Crowd(endpoint):
                self.send([self.signal(endpoint, "given up", n + 100 * self.signals, 1000 * n) for n in range(40)])
            case RepeatedRequest() if self.requests:
                self.put(self.requests[-1])
            case Received():
                self.receive(step, is_patient=True)
            case Swept():
                self.sweep()
            case Waited(seconds):
                self.now += seconds
            case Redriven():
                self.redrive()
            case Replaced(is_moved):
                self.replace(is_moved=is_moved)

    def signal(self, endpoint: str, said: str, number: int, late: int) -> Signal:
        at, message_id = self.moment - timedelta(seconds=late), f"m{number}"
        self.signals += 1
        match said:
            case "created" | "updated" | "disabled" | "enabled":
                fact = f"{said} {endpoint} {number}"  # which may be reported again
                return EndpointChange(
                    type=f"endpoint.{said}",  # type: ignore[arg-type]
                    endpoint_id=endpoint,
                    signal_id=fact,
                    occurred_at=at,
                )
            case "announced":
                return Announcement(
                    type="message.attempt.exhausted", endpoint_id=endpoint, message_id=message_id, occurred_at=at
                )
        numbers = {"4th failed": 4, "given up": 6, "5th ok": 5, "by hand": 7}
        return Attempt(
            endpoint_id=endpoint,
            message_id=message_id if said in numbers else f"first of {self.signals}",
            attempt_number=numbers.get(said, 1),
            succeeded="ok" in said or said == "by hand",
            attempted_at=at,
            will_retry=said in ("failed", "4th failed"),
            response_status_code=200 if "ok" in said else 500 + number % 4,
            duration_ms=self.signals,
            trigger="manual" if said == "by hand" else "scheduled",
        )

    def send(self, signals: list[Signal]) -> None:
        request = list(
            to_reports(
                signals,
                application_id=APPLICATION,
                received_at=self.moment,
                reported_by="key:k",
                batch_id="b",
                idempotency_key=str(len(self.requests)),
            )
        )
        self.requests.append(request)
        self.put(request)

    def put(self, request: list[Report]) -> None:
        for report in request:
            if report.id not in self.sent or any(report.id in queue.sent_at for queue in self.queues[-1:]):
                is_new = self.queues[-1].send(report, self.sent_at(report))
                assert is_new == (report.id not in self.sent)
                self.sent[report.id] = report

    def sent_at(self, report: Report) -> float:
        """A repeated request comes within the five minutes of FIFO's deduplication, or it is another request."""
        known = self.queues[-1].sent_at.get(report.id)
        return self.now if known is None else min(self.now, known + 299)

    def receive(self, step: Received, *, is_patient: bool = False) -> None:
        """By one observer, of the first queue that has something."""
        if is_patient:
            waits = [at for queue in self.queues if (at := queue.visible_at(self.now)) is not None]
            self.now = min(waits, default=self.now)
        for queue in self.queues:
            if received := queue.receive(self.now, step.at_most):
                break
        else:
            return

        def interrupt() -> None:
            if step.is_late:
                self.now = max(self.now, *(held.hidden_until for held in received))
            for each in step.meanwhile:
                match each:
                    case Received():
                        self.receive(each)
                    case Swept():
                        self.sweep()
            if self.now > handed_out_at + 2 * VISIBILITY:
                raise Killed  # no function lives so long

        handed_out_at, batch = self.now, to_records(received, queue.arn)
        self.now += step.takes
        with self.dynamodb.running(Run(step.fault, interrupt, name="observer")):
            try:
                if step.fault == Fault("interrupted", 0):
                    interrupt()  # before it reads: Lambda may hold a batch back
                answer = self.observer.handler({"Records": batch}, Context())
            except Killed:
                return
        if step.is_acknowledged:
            failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
            for record in batch:
                if record["messageId"] not in failed:
                    queue.delete(record["receiptHandle"], self.now)

    def sweep(self) -> None:
        for item in self.dynamodb.items("MonitoredEndpoint"):
            if "open_shard" in item:
                with self.dynamodb.running(Run(name=self.moment)):
                    self.observer.outbox.tick(APPLICATION, item["endpoint_id"]["S"], self.moment)

    def redrive(self) -> None:
        for queue in self.queues:
            queue.moves_to(self.queues[-1])

    def drain(self) -> None:
        for _ in range(DRAINED_WITHIN):
            if not any(queue.dead or queue.visible_at(self.now) is not None for queue in self.queues):
                return
            self.redrive()
            self.receive(Received(10), is_patient=True)
        raise AssertionError("a message is never counted")


# ── the model ──


@dataclass
class Naive:
    """Counts each report when it is told to. Nothing ever goes wrong."""

    policy: Any
    health: dict[str, Health] = field(default_factory=dict)
    hours: dict[str, Hour] = field(default_factory=lambda: defaultdict(Hour))
    rows: dict[tuple[str, int], stats.Counts] = field(default_factory=lambda: defaultdict(dict))
    of_application: dict[int, stats.Counts] = field(default_factory=lambda: defaultdict(dict))
    events: dict[str, OperationalEvent] = field(default_factory=dict)

    def count(self, endpoint: str, report: Report | Tick) -> None:
        known = self.health.get(endpoint) or Health(application_id=APPLICATION, endpoint_id=endpoint)
        announced = {event.event_id: event.quiet for event in self.events.values()}
        self.health[endpoint], events = incidents.fold(known, [report], announced, self.policy)
        self.events |= {event.event_id: event for event in events}
        if isinstance(report, Report):
            self.hours[endpoint], rows = stats.count(self.hours[endpoint], [report])
            for hour, counts in rows.of_endpoint.items():
                self.rows[endpoint, hour] = stats.summed((self.rows[endpoint, hour], counts))
            for hour, counts in rows.of_application.items():
                self.of_application[hour] = stats.summed((self.of_application[hour], counts))


def told_in_order(world: World) -> Iterator[tuple[str, Report | Tick]]:
    """What the writes of the records say was counted, in the order of the writes."""
    reports = {report_id[:10]: report for report_id, report in world.sent.items()}
    assert len(reports) == len(world.sent)
    seen: set[str] = set()
    for name, item in world.dynamodb.written:
        if isinstance(name, datetime):
            yield item["endpoint_id"]["S"], Tick(name)
        else:
            for short in _record(item).counted.last:
                if short not in seen:
                    seen.add(short)
                    yield item["endpoint_id"]["S"], reports[short]


def compare(world: World) -> None:
    told = list(told_in_order(world))
    assert sorted(report.id for _, report in told if isinstance(report, Report)) == sorted(world.sent)  # none lost
    naive = Naive(world.observer.settings.policy)
    for endpoint, report in told:
        naive.count(endpoint, report)
    compare_counters(world, naive)
    compare_events(world, naive)


def compare_counters(world: World, naive: Naive) -> None:
    found = {item["endpoint_id"]["S"]: _record(item) for item in world.dynamodb.items("MonitoredEndpoint")}
    hours = {key: record.hour for key, record in found.items()}
    assert {key: record.health for key, record in found.items()} == naive.health
    assert hours == dict(naive.hours)

    rows: dict[tuple[str, int], stats.Counts] = {}
    of_application: dict[int, stats.Counts] = {}
    of_days: dict[int, stats.Counts] = {}
    for item in world.dynamodb.items("MessageStats"):
        row = tables.MessageStats.from_raw_data(item)
        kind, _, whose = msgspec.json.decode(row.scope)
        if kind == "endpoint":
            rows[whose, int(row.hour)] = row.counts
        elif kind == "application_days":
            of_days[int(row.hour)] = stats.summed((of_days.get(int(row.hour), {}), row.counts))
        else:
            of_application[int(row.hour)] = stats.summed((of_application.get(int(row.hour), {}), row.counts))
    assert rows == dict(naive.rows)
    assert of_application == dict(naive.of_application)
    without_endpoints = [
        (hour, {name: number for name, number in counts.items() if name != "endpoints"})
        for hour, counts in of_application.items()
    ]
    days = {hour // 24 * 24 for hour, counts in without_endpoints if counts}
    assert of_days == {
        day: stats.summed(counts for hour, counts in without_endpoints if hour // 24 * 24 == day) for day in days
    }

    # Without the rules: the rows and the open hour are what was sent, and an application is the sum of its endpoints.
    sent: Counter[tuple[str, int, str]] = Counter()
    for report in world.sent.values():
        for signal in report.signals:
            if isinstance(signal, Attempt):
                hour = times.hour_of(signal.at)
                sent[report.endpoint_id, hour, "attempts"] += 1
                sent[report.endpoint_id, hour, "failed_attempts"] += not signal.succeeded
                sent[report.endpoint_id, hour, "duration_ms"] += signal.duration_ms or 0
    counted: Counter[tuple[str, int, str]] = Counter()
    summed: Counter[tuple[int, str]] = Counter()
    for (endpoint, start), counts in rows.items():
        counted.update({(endpoint, start, name): number for name, number in counts.items()})
        summed.update({(start, name): number for name, number in counts.items()})
    for endpoint, open_hour in hours.items():
        counted.update({(endpoint, open_hour.start, name): number for name, number in open_hour.counts.items()})
    assert Counter({key: counted[key] for key in counted if key[2] in BY_HAND}) == sent
    assert summed == Counter(
        {
            (start, name): number
            for start, counts in of_application.items()
            for name, number in counts.items()
            if name != "endpoints"
        }
    )


def compare_events(world: World, naive: Naive) -> None:
    items = world.dynamodb.items("OperationalEvent")
    found = {event.event_id: event for event in (event_items.from_item(_event(item)) for item in items)}
    assert {key: (event.type, event.timestamp, event.quiet, event.data) for key, event in found.items()} == {
        key: (event.type, event.timestamp, event.quiet, msgspec.json.decode(msgspec.json.encode(event.data)))
        for key, event in naive.events.items()
    }
    for endpoint, health in naive.health.items():
        numbers = sorted(event.data["sequence"] for event in found.values() if event.data["endpoint_id"] == endpoint)
        assert numbers == list(range(1, health.sequence + 1))

    # Without the rules: each message that was given up is told, once.
    given_up = {
        _id("message.attempt.exhausted", report.endpoint_id, signal.message_id)
        for report in world.sent.values()
        for signal in report.signals
        if isinstance(signal, Announcement)
        or (isinstance(signal, Attempt) and not (signal.succeeded or signal.will_retry))
    }
    assert {key for key, event in found.items() if event.type == "message.attempt.exhausted"} == given_up


def _id(event_type: str, *derived_from: str) -> str:
    return event_id(APPLICATION, event_type, *derived_from)


def _record(item: dict[str, Any]) -> Record:
    return records.from_item(tables.MonitoredEndpoint.from_raw_data(item))


def _event(item: dict[str, Any]) -> tables.OperationalEvent:
    event = tables.OperationalEvent()
    event.deserialize(item)
    return event


# ── the test ──


@pytest.fixture(scope="module")
def observer(aws: Aws) -> Iterator[ModuleType]:
    """`functions/observer/app.py` of a deployment of its own: a short visibility, few receives, incidents that open
    soon, no log."""
    aws.function("observer")  # makes the tables' clients, which other tests share
    environment = {
        "SIGNALS_VISIBILITY_SECONDS": str(VISIBILITY),
        "POLICY": msgspec.json.encode(POLICY).decode(),
        "POWERTOOLS_SERVICE_NAME": "exactly once",
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        "POWERTOOLS_METRICS_DISABLED": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        spec = importlib.util.spec_from_file_location("observer_of_histories", Path(ROOT, "functions/observer/app.py"))
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


# Killed with the message on its last receive, while an observer that got it before, and was held back, counts it.
OVERTAKEN: list[Step] = [
    Reported("erp", (("ok", 0, 0),)),
    Reported("erp", (("ok", 1, 0),)),
    Received(1, Fault("interrupted", 0), (Received(1, Fault("killed before", 1), takes=1),), is_late=True),
    Received(1),
    Redriven(),
]
# Others count the message, and the one behind it, before an observer that has read comes to write.
LEFT_BEHIND: list[Step] = [
    Reported("erp", (("ok", 0, 0),)),
    Reported("erp", (("ok", 1, 0),)),
    Received(1, Fault("interrupted", 1), (Received(1), Received(1)), is_late=True),
]
# A message on its last receive is counted together with one on its first, and neither is acknowledged.
TOGETHER: list[Step] = [
    Reported("erp", (("ok", 0, 0),)),
    *[Received(1, Fault("killed before", 1))] * 3,
    Reported("erp", (("ok", 1, 0),)),
    Received(2, is_acknowledged=False),
    Reported("erp", (("ok", 2, 0),)),
    Received(2),
    Redriven(),
]


@settings(max_examples=HISTORIES, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=HISTORY, receives=st.integers(1, 4))
@example(history=OVERTAKEN, receives=2)
@example(history=LEFT_BEHIND, receives=9)
@example(history=TOGETHER, receives=4)
def test_whatever_happens_everything_is_counted_and_told_exactly_once(
    observer: ModuleType, history: list[Step], receives: int
) -> None:
    """`receives` is how often SIGNALS hands a message out before it is dead-lettered."""
    dynamodb = DynamoDB()
    world = World(observer, dynamodb, receives)
    models = (tables.MonitoredEndpoint, tables.OperationalEvent, tables.Application)
    clients = [model._get_connection().connection.client for model in models]

    def sleep(seconds: float) -> None:
        world.now += math.ceil(seconds * 1000) / 1000  # events are told in milliseconds

    with (
        pytest.MonkeyPatch.context() as patch,
        dynamodb.behind(*clients, observer.outbox._connection.client),
        redirect_stdout(None),
    ):
        told = {"fromisoformat": datetime.fromisoformat, "fromtimestamp": datetime.fromtimestamp}
        patch.setattr(times, "datetime", SimpleNamespace(now=lambda _: world.moment, **told))
        patch.setattr("time.sleep", sleep)
        patch.setattr(observer, "receiving", Receiving(timedelta(seconds=VISIBILITY), receives))
        for step in history:
            world.take(step)
        world.drain()
    compare(world)
