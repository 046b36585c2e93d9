"""A line of things that wait: how many, and since when; and what is known of how long they waited."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Cohort:
    """Things that came in the same second.

    `signal` is when what caused them was reported, `due` when it was their turn, `attempts` how many each has had. Of
    messages of SIGNALS `telling` have something to tell; `loud` and `quiet` are the events in them, or of which the
    cohort is. Of deliveries `risky` are for receivers that hang and that nobody knows yet.
    """

    count: int
    signal: int
    due: int
    attempts: int = 0
    risky: int = 0
    telling: int = 0
    loud: int = 0
    quiet: int = 0

    def split(self, count: int) -> "Cohort":
        """Takes off so many, and their share of what is in them."""
        shares = {name: getattr(self, name) * count // self.count for name in ("risky", "telling", "loud", "quiet")}
        for name, share in shares.items():
            setattr(self, name, getattr(self, name) - share)
        self.count -= count
        return Cohort(count, self.signal, self.due, self.attempts, **shares)


class Line:
    """First in, first out."""

    def __init__(self) -> None:
        self._cohorts: deque[Cohort] = deque()
        self.waiting = 0

    def put(self, cohort: Cohort) -> None:
        if cohort.count:
            self._cohorts.append(cohort)
            self.waiting += cohort.count

    def __iter__(self) -> Iterator[Cohort]:
        return iter(self._cohorts)

    @property
    def first(self) -> Cohort | None:
        return self._cohorts[0] if self._cohorts else None

    def take(self, count: int) -> Cohort:
        """So many of the first cohort."""
        first = self._cohorts[0]
        taken = self._cohorts.popleft() if count >= first.count else first.split(count)
        self.waiting -= taken.count
        return taken


@dataclass(slots=True)
class Lags:
    """{minute: {seconds: how many}}, by the minute in which the waiting ended."""

    of_minutes: dict[int, Counter[int]] = field(default_factory=dict)

    def note(self, now: int, seconds: int, count: int) -> None:
        if count:
            self.of_minutes.setdefault(now // 60, Counter())[seconds] += count

    def between(self, since: int = 0, until: int | None = None) -> Counter[int]:
        """Seconds: how many, of the minutes from `since` to before `until`."""
        found: Counter[int] = Counter()
        for minute, counts in self.of_minutes.items():
            if since <= minute and (until is None or minute < until):
                found += counts
        return found


def percentile(lags: Counter[int], share: float) -> int | None:
    """None of nothing."""
    wanted, seen = share * lags.total(), 0
    for seconds in sorted(lags):
        seen += lags[seconds]
        if seen >= wanted and seen:
            return seconds
    return None
