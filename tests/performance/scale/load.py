"""What a platform reports, second by second: attempts, the messages of SIGNALS that carry them, what they come to."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tests.unit.simulation import Night, Worker, seconds_of, traffic

HOUR, DAY = 3600, 86_400
_BEFORE = 600  # seconds of health before the rules see an outage


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """`rate` is of attempts a second while all is well; what is tried again comes on top. Times in seconds.

    Of `applications` each has so many monitored and operational endpoints; `on_call` are registered for all. Of the
    operational endpoints `all_share` ask for every message event. A platform gathers an application's attempts for
    `gathered` seconds, and sends `request_attempts` at most. It tries again as Svix documents (`waits`). From `begins`
    on, for `lasts`, `failing` of the monitored endpoints fail and `dead` of the operational ones hang.
    """

    rate: int
    applications: int
    endpoints: int
    operational_endpoints: int = 2
    on_call: int = 1
    all_share: float = 0.05
    changes_a_day: float = 2  # events of an endpoint that have nothing to do with an outage
    gathered: int = 10
    request_attempts: int = 500
    waits: tuple[int, ...] = (5, 300, 1800, 7200)
    failing: float = 0
    dead: float = 0
    begins: int = HOUR // 2
    lasts: int = 2 * HOUR

    @property
    def ends(self) -> int:
        return self.begins + self.lasts

    @property
    def monitored(self) -> int:
        return self.applications * self.endpoints

    @property
    def receivers(self) -> int:
        return self.applications * self.operational_endpoints

    @property
    def told_loud(self) -> float:
        """Deliveries of an event that is not quiet."""
        return self.operational_endpoints + self.on_call

    @property
    def told_quiet(self) -> float:
        return self.operational_endpoints * self.all_share

    def requests(self) -> float:
        """A second."""
        return max(
            self.applications / self.gathered * min(1, self._of_application()), self.rate / self.request_attempts
        )

    def messages(self) -> float:
        """Of SIGNALS, a second: those endpoints of a request that have an attempt in it."""
        return self.messages_of(self.monitored, self.rate / self.monitored)

    def _of_application(self) -> float:
        return self.rate / self.applications * self.gathered

    def messages_of(self, endpoints: float, attempts: float) -> float:
        """… of so many endpoints, of which each has so many `attempts` a second, at random times."""
        gathered = min(self.gathered, self.request_attempts / (self.rate / self.applications))
        return endpoints * (1 - math.exp(-attempts * gathered)) / gathered


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Of one second: messages of SIGNALS, how many of them have something to tell, and the events in these."""

    messages: int
    telling: int
    loud: int
    quiet: int


class Whole:
    """Fractions add up until they are one: what is counted is whole, and nothing is lost."""

    def __init__(self) -> None:
        self._left = 0.0

    def of(self, number: float) -> int:
        whole = max(0, math.floor(self._left + number + 1e-9))
        self._left += number - whole
        return whole

    def add(self, number: float) -> None:
        self._left += number


def arrivals(load: Load, seconds: int) -> Iterator[Arrivals]:
    healthy, failing = load.monitored * (1 - load.failing), load.monitored * load.failing
    of_endpoint = load.rate / load.monitored
    incidents = _incidents(load, seconds)
    steady = load.messages_of(healthy, of_endpoint)
    messages, wholes = Whole(), (Whole(), Whole(), Whole())
    for second in range(seconds):
        attempts, message_events = _retried(load, second, of_endpoint * failing)
        of_failing = load.messages_of(failing, attempts / failing) if failing else 0.0
        told = load.monitored * load.changes_a_day / DAY + incidents.get(second, 0)
        numbers = (told + min(of_failing, message_events), told, message_events)
        if carrying := messages.of(steady + of_failing):
            yield Arrivals(carrying, *(whole.of(number) for whole, number in zip(wholes, numbers, strict=True)))
        else:  # they come with the next message
            for whole, number in zip(wholes, numbers, strict=True):
                whole.add(number)
            yield Arrivals(0, 0, 0, 0)


def _retried(load: Load, second: int, first: float) -> tuple[float, float]:
    """(attempts, message events) of the failing endpoints in this second; `first` attempts are made each second.

    A message's fourth attempt that fails is told, and so is its success after that.
    """
    attempts, events, offset, before = first, 0.0, 0, 0
    for number, wait in enumerate(load.waits, start=2):
        before, offset = offset, offset + wait
        sent = second - offset
        if load.begins <= sent and sent + before < load.ends:  # its attempt before this one failed
            attempts += first
            has_failed = second < load.ends
            events += first if (number == 4 and has_failed) or (number > 4 and not has_failed) else 0
    return attempts, events


def _incidents(load: Load, seconds: int) -> dict[int, float]:
    """Events of incidents, by the second: as the rules open, warn and close, spread over the time of gathering."""
    found: dict[int, float] = {}
    if load.failing:
        for moment in _told_of_an_outage(load.rate / load.monitored, load.lasts, load.gathered):
            for second in range(load.begins + moment, min(load.begins + moment + load.gathered, seconds)):
                found[second] = found.get(second, 0) + load.monitored * load.failing / load.gathered
    return found


@cache
def _told_of_an_outage(per_second: float, lasts: int, gathered: int) -> tuple[int, ...]:
    """Seconds from its beginning, of each event: by the rules themselves, for one endpoint."""
    ends = _BEFORE + lasts
    history = (
        traffic(0, _BEFORE, per_second=per_second)
        + traffic(_BEFORE, ends, per_second=per_second, failing=1)
        + traffic(ends, ends + 900, per_second=per_second)
    )
    night = Night(history, workers=(Worker(flushes_every=gathered),))
    return tuple(round(seconds_of(event)) - _BEFORE for event in night.told() if event.type.startswith("endpoint."))
