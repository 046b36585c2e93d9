"""DELIVERIES and RETRIES, as the delivery function works on them: a batch is as slow as its slowest receiver."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from tests.performance.scale.costs import Costs
from tests.performance.scale.limits import Stack
from tests.performance.scale.load import Load, Whole
from tests.performance.scale.queues import Cohort, Line
from tests.performance.scale.workers import Trace, Workers

_GOLDEN = 0.6180339887  # multiples of it fill an interval evenly, however many there are


class Retries:
    """Attempts of deliveries to receivers that hang while `hangs` says so, and work afterwards.

    Hidden and posted messages are in flight; with too many of them RETRIES hands out nothing. What comes from
    DELIVERIES is delayed, which is not in flight.
    """

    def __init__(self, stack: Stack, costs: Costs, trace: Trace, hangs: Callable[[int], bool]) -> None:
        self._stack, self._costs, self._trace, self._hangs = stack, costs, trace, hangs
        self._workers = Workers(stack.retry_concurrency)
        self._line = Line()
        self._hidden: defaultdict[int, Counter[int]] = defaultdict(Counter)  # {due: {attempts: how many}}
        self._delayed: defaultdict[int, Counter[int]] = defaultdict(Counter)
        self._posted: defaultdict[int, Counter[int]] = defaultdict(Counter)  # by the second in which they fail
        self._phase = 0.0
        self.in_flight = 0

    @property
    def waiting(self) -> int:
        return self._line.waiting

    @property
    def all(self) -> int:
        """Whatever is on RETRIES, seen or not."""
        return self.waiting + self.in_flight + sum(map(Counter.total, self._delayed.values()))

    def put(self, count: int, now: int) -> None:
        """First attempts, which are made here."""
        self._line.put(Cohort(count, now, now))

    def put_failed(self, count: int, now: int) -> None:
        """What has failed once, on DELIVERIES."""
        for due in self._spread(count, now, self._stack.retry_waits[0]):
            self._delayed[due][1] += 1

    def second(self, now: int) -> None:
        for attempts, count in self._hidden.pop(now, Counter()).items():
            self.in_flight -= count
            self._line.put(Cohort(count, now, now, attempts))
        for attempts, count in self._delayed.pop(now, Counter()).items():
            self._line.put(Cohort(count, now, now, attempts))
        for attempts, count in sorted(self._posted.pop(now, Counter()).items()):
            self._fail(attempts, count, now)
        free = self._workers.free(now, waits=self.waiting > 0)
        is_long = self._hangs(now) and self._costs.hang >= 1
        can = int(free / (1 if is_long else self._costs.deliver)) * self._stack.delivery_batch
        room = max(0, self._stack.in_flight - self.in_flight)
        taken = 0
        while self._line.first and taken < min(can, room):
            posted = self._line.take(min(can, room) - taken)
            taken += posted.count
            self._trace.retry_late.note(now, now - posted.due, posted.count)
            if not self._hangs(now):
                self._trace.flow["delivered"] += posted.count
            elif is_long:
                self.in_flight += posted.count
                self._posted[now + self._costs.hang][posted.attempts] += posted.count
            else:
                self.in_flight += posted.count
                self._fail(posted.attempts, posted.count, now)
        if is_long:
            self._workers.hold(-(-taken // self._stack.delivery_batch), now + self._costs.hang)
        if self._line.first:
            self._trace.limited_by("messages in flight" if room < can else "RetryConcurrency", now)

    def _fail(self, attempts: int, count: int, now: int) -> None:
        """After `attempts` and one more."""
        if attempts == len(self._stack.retry_waits):
            self.in_flight -= count
            self._trace.flow["exhausted"] += count
        else:
            for due in self._spread(count, now, self._stack.retry_waits[attempts]):
                self._hidden[due][attempts + 1] += 1

    def _spread(self, count: int, now: int, wait: int) -> Iterator[int]:
        """When each is due: its wait, and its part of the jitter."""
        for _ in range(count):
            self._phase = (self._phase + _GOLDEN) % 1
            yield now + max(1, round(wait * (1 + self._costs.jitter * self._phase)))


class Receivers:
    """Those that hang, and how many of them nobody knows yet: expected numbers."""

    def __init__(self, load: Load, costs: Costs) -> None:
        self._load, self._costs = load, costs
        self._dead = self._unmet = self._unknown = load.receivers * load.dead
        self._found: defaultdict[int, float] = defaultdict(float)

    def hang(self, now: int) -> bool:
        return self._load.dead > 0 and self._load.begins <= now < self._load.ends

    def unknown(self, now: int) -> float:
        """Their share of those that hang."""
        self._unknown = max(0.0, self._unknown - self._found.pop(now, 0.0))
        return self._unknown / self._dead if self._dead else 0.0

    def meet(self, posts: int, now: int) -> None:
        """So many deliveries go out to any of the unknown: when they have failed, their receivers are known."""
        if posts and self._unmet > 1e-6:
            to_unmet = posts * self._unmet / max(self._unknown, self._unmet)
            met = self._unmet * (1 - max(0.0, 1 - 1 / max(1.0, self._unmet)) ** to_unmet)
            self._unmet -= met
            self._found[now + self._costs.hang + self._costs.cache] += met


class Deliveries:
    """First attempts, but for those that go to RETRIES at once. A batch that meets one that hangs takes as long."""

    def __init__(self, stack: Stack, costs: Costs, trace: Trace, receivers: Receivers, retries: Retries) -> None:
        self._stack, self._costs, self._trace = stack, costs, trace
        self._receivers, self._retries = receivers, retries
        self._workers = Workers(stack.delivery_concurrency)
        self._line = Line()
        self._known, self._long = Whole(), Whole()
        self._posted: Counter[int] = Counter()

    @property
    def waiting(self) -> int:
        return self._line.waiting

    @property
    def all(self) -> int:
        return self.waiting + self._posted.total()

    def second(self, now: int, owed: list[Cohort]) -> None:
        self._retries.put_failed(self._posted.pop(now, 0), now)
        unknown = self._receivers.unknown(now)
        for cohort in owed:
            known = min(cohort.risky, self._known.of(cohort.risky * (1 - unknown)))
            cohort.risky -= known
            cohort.count -= known
            self._retries.put(known, now)
            self._line.put(cohort)
        seconds = float(self._workers.free(now, waits=self.waiting > 0))
        size = self._stack.delivery_batch
        while first := self._line.first:
            is_long = self._receivers.hang(now) and first.risky > 0
            long = 1 - (1 - first.risky / first.count) ** size if is_long else 0.0
            each = long + (1 - long) * self._costs.deliver
            can = int(seconds / each + 1e-9) * size
            is_last = can < first.count
            if is_last:
                self._trace.limited_by("DeliveryConcurrency", now)
            if can == 0:
                break
            posted = self._line.take(can)
            seconds -= each * posted.count / size
            self._post(now, posted, long)
            if is_last:
                break

    def _post(self, now: int, posted: Cohort, long: float) -> None:
        risky = posted.risky if self._receivers.hang(now) else 0
        self._trace.to_attempt.note(now, now - posted.signal, posted.count - risky)
        self._trace.flow["delivered"] += posted.count - risky
        if risky:
            self._receivers.meet(risky, now)
            self._posted[now + self._costs.hang] += risky
            held = self._long.of(posted.count / self._stack.delivery_batch * long)
            self._workers.hold(held, now + self._costs.hang)
