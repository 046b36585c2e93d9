"""The pictures of docs/scale.md: which runs, and what of them."""

from collections.abc import Mapping

from tests.performance.scale import limits
from tests.performance.scale.costs import Costs
from tests.performance.scale.limits import Stack
from tests.performance.scale.load import HOUR
from tests.performance.scale.model import run_retries
from tests.performance.scale.plots import chart
from tests.performance.scale.runs import LOADS, WORST, Run, by_minute


def charts(deployed: Mapping[tuple[int, str], Run], lifted: Mapping[int, Mapping[str, Run]]) -> dict[str, str]:
    worst = {f"{rate:,}/s": deployed[rate, WORST] for rate in LOADS}
    most, steps = max(LOADS), dict(zip("abc", lifted[max(LOADS)].values(), strict=True))
    minutes = len(next(iter(worst.values())).trace.in_flight) // 60
    shaded = (LOADS[most].begins / HOUR, LOADS[most].ends / HOUR)
    observed = {
        "3,500/s as deployed": deployed[3_500, WORST],
        f"{most:,}/s as deployed": deployed[most, WORST],
        f"{most:,}/s, tables and observers lifted": steps["a"],
    }
    at_hand = {
        f"{most:,}/s, tables and observers lifted": steps["a"],
        "… delivery and retries lifted": steps["b"],
        "… in flight lifted": steps["c"],
        "3,500/s as deployed": deployed[3_500, WORST],
    }
    stack = Stack.of_template()
    wide = stack.lifted(retry_concurrency=limits.QUEUE_CONCURRENCY.value)
    sustained = {
        "55/s, failing at once, without jitter": run_retries(55, wide, Costs(hang=0, jitter=0)),
        "55/s, failing at once": run_retries(55, wide, Costs(hang=0)),
        f"4/s, hanging, RetryConcurrency {stack.retry_concurrency}": run_retries(4, stack),
        f"5/s, hanging, RetryConcurrency {stack.retry_concurrency}": run_retries(5, stack),
    }
    first = {**worst, f"{most:,}/s, tables and observers lifted": steps["a"], f"{most:,}/s, all lifted": steps["c"]}
    return {
        "events": chart(
            "Signal to event, p99 of each minute",
            "seconds",
            {name: by_minute(run.trace.to_event, minutes) for name, run in observed.items()},
            shaded=shaded,
        ),
        "first_attempts": chart(
            "Signal to first attempt, of receivers that work: p99 of each minute",
            "seconds",
            {name: by_minute(run.trace.to_attempt, minutes) for name, run in first.items()},
            shaded=shaded,
        ),
        "retries": chart(
            "How late retries are, p99 of each minute",
            "seconds",
            {name: by_minute(run.trace.retry_late, minutes) for name, run in at_hand.items()},
            shaded=shaded,
        ),
        "sustained": chart(
            "How late retries are, with so many failing deliveries a second",
            "seconds",
            {name: by_minute(trace.retry_late, len(trace.in_flight) // 60) for name, trace in sustained.items()},
        ),
    }
