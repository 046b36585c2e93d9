"""Which platforms and which outages are run, on the stack as it is deployed and with its limits lifted."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.performance.scale import limits
from tests.performance.scale.limits import Stack
from tests.performance.scale.load import Load
from tests.performance.scale.model import run
from tests.performance.scale.queues import Lags, percentile
from tests.performance.scale.workers import Trace

A_TENTH = 0.1
LOADS = {
    16: Load(rate=16, applications=20, endpoints=5),
    3_500: Load(rate=3_500, applications=500, endpoints=10),
    100_000: Load(rate=100_000, applications=5_000, endpoints=20),
}
ONE_TENANT = Load(rate=3_500, applications=1, endpoints=50)
OUTAGES: Mapping[str, dict[str, Any]] = {
    "all is well": {},
    "a tenth of the endpoints fails": {"failing": A_TENTH},
    "… and a tenth of the receivers hangs": {"failing": A_TENTH, "dead": A_TENTH},
}
WORST = tuple(OUTAGES)[-1]
# What is changed against template.yaml, one step after the other.
LIFTS: Mapping[int, Mapping[str, dict[str, Any]]] = {
    16: {},
    3_500: {
        "`DeliveryConcurrency` 100, `RetryConcurrency` 60": {"delivery_concurrency": 100, "retry_concurrency": 60},
    },
    100_000: {
        "tables warmed to 40,000 write units, `ObserverConcurrency` 300": {
            "warm_units": limits.TABLE_QUOTA.value,
            "observer_concurrency": 300,
        },
        "… `DeliveryConcurrency` 150, `RetryConcurrency` 600 (an account with 2,000 invocations)": {
            "delivery_concurrency": 150,
            "retry_concurrency": 600,
        },
        "… 300,000 messages in flight": {"in_flight": 300_000},
    },
}
_PASSING = 15  # seconds: while Lambda's pollers grow, something always waits


@dataclass(frozen=True, slots=True)
class Run:
    load: Load
    stack: Stack
    trace: Trace

    def limits_hit(self) -> list[tuple[str, int, int]]:
        """(limit, second in which it was first hit, seconds for which it held something up), the first one first."""
        found = [(name, since, self.trace.held[name]) for name, since in self.trace.first.items()]
        lasting = [each for each in found if each[2] >= _PASSING and each[0] != limits.QUEUE_SCALING.what]
        return sorted(lasting, key=lambda each: each[1])

    def calm_after(self) -> int | None:
        """Seconds from the end of the outage until nothing waited for a minute but what has to; None where that did not
        come."""
        trace = self.trace
        lines = (trace.signals_waiting, trace.events_waiting, trace.deliveries_waiting, trace.retries_waiting)
        waiting = [sum(numbers) for numbers in zip(*lines, strict=True)]
        for second in range(self.load.ends, len(waiting) - 60):
            if not any(waiting[second : second + 60]):
                return second - self.load.ends
        return None


def as_deployed() -> dict[tuple[int, str], Run]:
    stack = Stack.of_template()
    loads = {(rate, name): replace(load, **outage) for rate, load in LOADS.items() for name, outage in OUTAGES.items()}
    return {key: Run(load, stack, run(load, stack)) for key, load in loads.items()}


def lifted() -> dict[int, dict[str, Run]]:
    """The worst outage again, with one limit after the other out of the way."""
    found: dict[int, dict[str, Run]] = {}
    for rate, steps in LIFTS.items():
        stack, load = Stack.of_template(), replace(LOADS[rate], **OUTAGES[WORST])
        found[rate] = {}
        for name, changes in steps.items():
            stack = stack.lifted(**changes)
            found[rate][name] = Run(load, stack, run(load, stack))
    return found


def lag(lags: Lags, share: float) -> int | None:
    return percentile(lags.between(), share)


def by_minute(lags: Lags, minutes: int) -> list[float | None]:
    """The 99th percentile of each; None where nothing came."""
    return [percentile(lags.of_minutes.get(minute, Counter()), 0.99) for minute in range(minutes)]
