"""A monitored endpoint's platform and Hookwatch beside it, without AWS: what hours of traffic come to, by the minute.

Times are in seconds after START. A platform reports by workers, each of which sends from time to time what it has
gathered; reports are cut as ingest cuts them, folded one by one as the observer does, and stored in between; each
minute the sweeper lets time pass where `escalation.due_at` has said that it is time.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from random import Random

import msgspec
from msgspec.structs import replace

from hookwatch.observing import escalation, incidents
from hookwatch.observing.health import Health
from hookwatch.observing.incidents import Tick
from hookwatch.observing.signals import Attempt, Report, Signal, to_reports
from hookwatch.operational_events import OperationalEvent
from hookwatch.policy import Policy
from tests.unit.factories import APPLICATION_ID, ENDPOINT_ID, START, at, failure, schema_errors, success

MINUTE, HOUR, DAY = 60, 3600, 86_400


@cache
def traffic(since: float, until: float, *, per_second: float = 16, failing: float = 0) -> tuple[Attempt, ...]:
    """Attempts from `since` to before `until`, of which a share is `failing`: drawn, but the same each time."""
    random = Random(f"{since} {until} {failing}")  # noqa: S311  # not for secrecy
    moments = [since + number / per_second for number in range(round((until - since) * per_second))]
    return tuple(failure(moment) if random.random() < failing else success(moment) for moment in moments)


@dataclass(frozen=True, slots=True)
class Worker:
    """One of a platform's own. It flushes at its `phase` and every `flushes_every` seconds after, and what it sends is
    `delayed` on its way; its clock is `fast` by so much."""

    flushes_every: float = 1
    phase: float = 0
    delayed: float = 0
    fast: float = 0

    def flush_of(self, moment: float) -> float:
        return self.phase + ((moment - self.phase) // self.flushes_every + 1) * self.flushes_every + self.delayed


ONE_WORKER = (Worker(),)


class Night:
    """What comes of a `history` in the order of its time, and of signals `received` at a moment that is not theirs.

    `events` are what was stored, `states` the endpoint's state at the end of each minute.
    """

    def __init__(
        self,
        history: Iterable[Signal],
        *,
        received: Iterable[tuple[float, Signal]] = (),
        workers: tuple[Worker, ...] = ONE_WORKER,
        request_size: int = 1000,
        policy: Policy | None = None,
        reported_by: str = "key:k1",
    ) -> None:
        self.health = Health(application_id=APPLICATION_ID, endpoint_id=ENDPOINT_ID)
        self.events: dict[str, OperationalEvent] = {}
        self.states: list[str] = []
        self.ticks = 0
        self._policy = policy or Policy()
        self._reported_by = reported_by
        self._due_at: datetime | None = None
        flushes = _flushed(history, workers) + [(moment, [signal]) for moment, signal in received]
        for moment, signals in sorted(flushes, key=lambda flush: flush[0]):
            for start in range(0, len(signals), request_size):
                self._receive(signals[start : start + request_size], moment)

    def goes_on(self, until: float) -> "Night":
        """Without traffic."""
        while (minute := (len(self.states) + 1) * MINUTE) <= until:
            if self._due_at is not None and self._due_at <= at(minute):
                self.ticks += 1
                self._fold(Tick(at(minute)))
                self._due_at = escalation.due_at(self.health, self._policy)
            self.states.append(self.health.state)
        return self

    def ends(self) -> "Night":
        """Goes on until nothing is open, and checks that this comes to pass, and what holds of every history."""
        last = self.health.last_attempt.at if self.health.last_attempt else START
        self.goes_on((last - START + self._policy.silent_after).total_seconds() + 2 * MINUTE)
        assert self.health.incident is None
        spells: dict[tuple[str, int], list[str]] = defaultdict(list)
        for event in self.events.values():
            if event.type in ("endpoint.failing", "endpoint.recovered"):
                spells[event.data["dedup_key"], event.data["reopened"]].append(event.type)
        assert all(told == ["endpoint.failing", "endpoint.recovered"] for told in spells.values())
        assert [event.data["sequence"] for event in self.events.values()] == list(range(1, len(self.events) + 1))
        return self

    def minutes(self, since: float, until: float) -> set[str]:
        """The states that the endpoint had at the end of the minutes from `since` to `until`, in minutes."""
        states = self.states[int(since) - 1 : int(until)]
        assert states
        return set(states)

    def told(self, *types: str) -> list[OperationalEvent]:
        """The events of these types, or of all."""
        return [event for event in self.events.values() if not types or event.type in types]

    def types(self) -> list[str]:
        return [event.type for event in self.events.values()]

    def _receive(self, signals: list[Signal], received: float) -> None:
        self.goes_on(received)
        for report in to_reports(
            signals,
            application_id=APPLICATION_ID,
            received_at=at(received),
            reported_by=self._reported_by,
            batch_id=f"batch_{received}",
        ):
            self._fold(report)
            due_at = escalation.due_at(self.health, self._policy)
            known = self._due_at
            self._due_at = due_at if known is None or due_at is None else min(known, due_at)  # as the outbox does

    def _fold(self, report: Report | Tick) -> None:
        asked = incidents.message_events(APPLICATION_ID, report) if isinstance(report, Report) else set()
        announced = {identity: self.events[identity].quiet for identity in asked if identity in self.events}
        health, events = incidents.fold(self.health, [report], announced, self._policy)
        self.health = msgspec.json.decode(msgspec.json.encode(health), type=Health)
        for event in events:
            assert event.quiet or schema_errors(event) == []  # quiet ones are like the others, and many
            assert event.event_id not in self.events
            self.events[event.event_id] = event


def seconds_of(event: OperationalEvent) -> float:
    return (event.timestamp - START).total_seconds()


def _flushed(history: Iterable[Signal], workers: tuple[Worker, ...]) -> list[tuple[float, list[Signal]]]:
    flushes: dict[tuple[float, int], list[Signal]] = defaultdict(list)
    for number, signal in enumerate(history):
        which = number % len(workers)
        flush = workers[which].flush_of((signal.at - START).total_seconds())
        flushes[flush, which].append(_stamped(signal, workers[which].fast))
    return [(received, flushes[received, which]) for received, which in sorted(flushes)]


def _stamped(signal: Signal, fast: float) -> Signal:
    if not fast or not isinstance(signal, Attempt):
        return signal
    return replace(signal, attempted_at=signal.at + timedelta(seconds=fast))
