"""The deployed system as a discrete-event model: what waits where, second by second, within the limits of AWS.

An event of the model is a second of a stage: the stage takes from its line as many as it has workers, write units or
room in flight for, and what is due later is put into the second in which it is due. What came in the same second and
waits for the same is one cohort with a count, so that 100,000 attempts a second cost as little as 16. That suffices,
for whatever fills up here fills up over seconds to hours; what happens within a second (tens of milliseconds from hop
to hop) is no lag. Nothing is drawn: jitter is spread evenly, and shares add up until they are one.
"""

import math
from collections.abc import Callable

from tests.performance.scale import limits
from tests.performance.scale.costs import COSTS, Costs
from tests.performance.scale.delivering import Deliveries, Receivers, Retries
from tests.performance.scale.limits import Stack
from tests.performance.scale.load import HOUR, Arrivals, Load, Whole, arrivals
from tests.performance.scale.queues import Cohort, Line
from tests.performance.scale.workers import Trace, Workers


class OnDemandTable:
    """Write units of a second, and how they grow.

    AWS says that a table grows to twice its peak within 30 minutes. Here it does so at their end, the latest.
    """

    def __init__(self, name: str, units: int) -> None:
        self.name, self.units = name, units
        self._peak = self._used = 0

    def use(self, units: int) -> None:
        self._used += units

    @property
    def left(self) -> int:
        return self.units - self._used

    def turn(self, now: int) -> None:
        """A second is over."""
        self._peak, self._used = max(self._peak, self._used), 0
        if (now + 1) % (limits.TABLE_DOUBLES.value * 60) == 0:
            grown = min(2 * self._peak, max(limits.TABLE_QUOTA.value, self.units))
            self.units, self._peak = max(self.units, grown), 0


class Observing:
    """SIGNALS → MonitoredEndpoint, MessageStats, Application, OperationalEvent."""

    def __init__(self, load: Load, stack: Stack, costs: Costs, trace: Trace) -> None:
        self._load, self._costs, self._trace = load, costs, trace
        self._workers = Workers(stack.observer_concurrency)
        self._endpoints, self._stats, self._applications, self.events = self._tables = tuple(
            OnDemandTable(name, stack.warm_units)
            for name in ("MonitoredEndpoint", "MessageStats", "Application", "OperationalEvent")
        )
        self._line = Line()
        self._hour = 0
        self._unturned = 0  # endpoints without a message in this hour
        self._pairs = load.applications * (stack.observer_concurrency or limits.QUEUE_CONCURRENCY.value)
        self._unnoted = 0.0  # of an application and a warm observer that has not noted it in this hour

    @property
    def waiting(self) -> int:
        return self._line.waiting

    @property
    def events_waiting(self) -> int:
        """In the messages that wait."""
        return sum(messages.loud + messages.quiet for messages in self._line)

    def second(self, now: int, come: Arrivals) -> list[Cohort]:
        """The events that are stored in it."""
        self._line.put(Cohort(come.messages, now, now, telling=come.telling, loud=come.loud, quiet=come.quiet))
        self._trace.flow["messages in"] += come.messages
        self._trace.flow["events due"] += come.loud + come.quiet
        self._applications.use(round(self._load.requests()))  # ingest counts the minute
        seconds = float(self._workers.free(now, waits=self._line.waiting > 0))
        stored: list[Cohort] = []
        while first := self._line.first:
            self._begin(first.signal // HOUR)
            each = self._each(first)
            can, limit = self._can(each, seconds)
            is_last = can < first.count
            if is_last:
                self._trace.limited_by(limit, now)
            if can == 0:
                break
            counted = self._line.take(can)
            seconds -= counted.count * each["seconds"]
            self._count(now, counted, each)
            if events := counted.loud + counted.quiet:
                stored.append(Cohort(events, counted.signal, now, loud=counted.loud, quiet=counted.quiet))
            if is_last:
                break
        for table in self._tables:
            table.turn(now)
        return stored

    def _begin(self, hour: int) -> None:
        """The first message of an hour is counted, perhaps long after that hour."""
        if hour > self._hour:
            self._hour, self._unturned, self._unnoted = hour, self._load.monitored, float(self._pairs)

    def _each(self, messages: Cohort) -> dict[str, float]:
        """What one of the messages takes, on average."""
        costs, telling = self._costs, messages.telling / messages.count
        turning, noting = min(1.0, self._unturned / messages.count), self._unnoted / self._pairs
        return {
            "turning": turning,
            "noting": noting,
            "seconds": costs.observe + costs.observe_more * min(1.0, telling + turning + noting),
            "MonitoredEndpoint": costs.endpoint_units + costs.endpoint_units_more * min(1.0, telling + turning),
            "MessageStats": costs.hour_units * turning,
            "Application": costs.note_units * noting,
            "OperationalEvent": costs.event_units * (messages.loud + messages.quiet) / messages.count,
        }

    def _can(self, each: dict[str, float], seconds: float) -> tuple[int, str]:
        """How many messages, and by which limit no more."""
        grown = "ObserverConcurrency" if self._workers.is_full_grown else limits.QUEUE_SCALING.what
        most = [(int(seconds / each["seconds"] + 1e-9), grown)]
        most += [(int(table.left / each[table.name] + 1e-9), table.name) for table in self._tables if each[table.name]]
        can, limit = min(most)
        return max(0, can), limit

    def _count(self, now: int, counted: Cohort, each: dict[str, float]) -> None:
        for table in self._tables:
            table.use(round(counted.count * each[table.name]))
        self._unturned -= round(counted.count * each["turning"])
        self._unnoted = max(0.0, self._unnoted - counted.count * each["noting"])
        self._trace.flow["messages counted"] += counted.count
        self._trace.to_event.note(now, now - counted.signal, counted.count)


class Emitting:
    """The stream → DELIVERIES, RETRIES. It has a shard for each partition of its table."""

    def __init__(
        self, load: Load, stack: Stack, costs: Costs, trace: Trace, events: OnDemandTable, hang: Callable[[int], bool]
    ) -> None:
        self._load, self._stack, self._costs, self._trace, self._events = load, stack, costs, trace, events
        self._line = Line()
        self._hang = hang
        self._told, self._risky = Whole(), Whole()

    @property
    def waiting(self) -> int:
        return self._line.waiting

    def second(self, now: int, stored: list[Cohort]) -> list[Cohort]:
        """The deliveries that are owed for the events of which it is the turn."""
        for cohort in stored:
            self._line.put(cohort)
        shards = math.ceil(self._events.units / limits.PARTITION.value)
        seconds = float(shards * self._stack.shard_batches)
        owed: list[Cohort] = []
        while first := self._line.first:
            deliveries = (first.loud * self._load.told_loud + first.quiet * self._load.told_quiet) / first.count
            costs = self._costs
            each = costs.emit_batch / self._stack.emitter_batch + costs.emit_event + costs.emit_delivery * deliveries
            can = int(seconds / each + 1e-9)
            is_last = can < first.count
            if is_last:
                self._trace.limited_by("ParallelizationFactor", now)
            if can == 0:
                break
            told = self._line.take(can)
            seconds -= told.count * each
            self._trace.flow["events emitted"] += told.count
            to_applications = told.loud * self._load.operational_endpoints + told.quiet * self._load.told_quiet
            count = self._told.of(to_applications + told.loud * self._load.on_call)
            risky = min(count, self._risky.of(to_applications * self._load.dead)) if self._hang(now) else 0
            self._trace.flow["deliveries owed"] += count
            owed.append(Cohort(count, told.signal, now, risky=risky))
            if is_last:
                break
        return owed


def run(load: Load, stack: Stack, costs: Costs = COSTS, *, seconds: int = 6 * HOUR) -> Trace:
    trace = Trace()
    receivers = Receivers(load, costs)
    retries = Retries(stack, costs, trace, receivers.hang)
    deliveries = Deliveries(stack, costs, trace, receivers, retries)
    observing = Observing(load, stack, costs, trace)
    emitting = Emitting(load, stack, costs, trace, observing.events, receivers.hang)
    for now, come in enumerate(arrivals(load, seconds)):
        deliveries.second(now, emitting.second(now, observing.second(now, come)))
        retries.second(now)
        trace.signals_waiting.append(observing.waiting)
        trace.events_waiting.append(emitting.waiting)
        trace.deliveries_waiting.append(deliveries.waiting)
        trace.retries_waiting.append(retries.waiting)
        trace.in_flight.append(retries.in_flight)
    trace.flow["messages left"] = observing.waiting
    trace.flow["events left"] = observing.events_waiting + emitting.waiting
    trace.flow["deliveries left"] = deliveries.all + retries.all
    return trace


def run_retries(per_second: int, stack: Stack, costs: Costs = COSTS, *, seconds: int = 3 * HOUR) -> Trace:
    """RETRIES alone, with so many deliveries a second to receivers that fail and are known to."""
    trace = Trace()
    retries = Retries(stack, costs, trace, lambda _: True)
    for now in range(seconds):
        retries.put(per_second, now)
        retries.second(now)
        trace.retries_waiting.append(retries.waiting)
        trace.in_flight.append(retries.in_flight)
    trace.flow["deliveries owed"], trace.flow["deliveries left"] = per_second * seconds, retries.all
    return trace
