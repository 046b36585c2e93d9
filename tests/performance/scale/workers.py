"""Invocations at once, and what a run was like."""

from collections import defaultdict
from dataclasses import dataclass, field

from tests.performance.scale import limits
from tests.performance.scale.queues import Lags


@dataclass(slots=True)
class Trace:
    """What a run was like. Lists have a number for each second; `first` is the second in which a limit first made
    something wait for a second at least, `held` in how many seconds."""

    signals_waiting: list[int] = field(default_factory=list)
    events_waiting: list[int] = field(default_factory=list)
    deliveries_waiting: list[int] = field(default_factory=list)
    retries_waiting: list[int] = field(default_factory=list)
    in_flight: list[int] = field(default_factory=list)
    to_event: Lags = field(default_factory=Lags)
    to_attempt: Lags = field(default_factory=Lags)
    retry_late: Lags = field(default_factory=Lags)
    flow: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    first: dict[str, int] = field(default_factory=dict)
    held: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def limited_by(self, limit: str, now: int) -> None:
        """Once in a second of a stage."""
        self.first.setdefault(limit, now)
        self.held[limit] += 1


class Workers:
    """Invocations at once of one mapping: five, five more each second in which something waits, `most` at most. Those
    of a batch that hangs are held."""

    def __init__(self, most: int) -> None:
        self._most = most or limits.QUEUE_CONCURRENCY.value
        self._now = min(limits.QUEUE_FIRST.value, self._most)
        self.held = 0
        self._ends: defaultdict[int, int] = defaultdict(int)

    def free(self, now: int, *, waits: bool) -> int:
        self.held -= self._ends.pop(now, 0)
        step = limits.QUEUE_SCALING.value // 60
        self._now = min(self._most, self._now + step) if waits else max(limits.QUEUE_FIRST.value, self._now - 1)
        self._now = min(self._most, max(self._now, self.held))
        return max(0, self._now - self.held)

    def hold(self, count: int, until: int) -> None:
        self.held += count
        self._ends[until] += count

    @property
    def is_full_grown(self) -> bool:
        return self._now == self._most
