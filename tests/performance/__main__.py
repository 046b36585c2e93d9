"""Benchmarks: all of them, or those named; what needs a stack gets one on a local cloud of their own."""

import sys
from collections.abc import Callable, Mapping

from tests.local_cloud.cloud import ROOT, Stack, down, up
from tests.performance import (
    answers,
    burst,
    cold_starts,
    end_to_end,
    event_cost,
    growth,
    healthy_attempts,
    isolation,
    processor,
    replaying,
)
from tests.performance.report import Section, put
from tests.performance.scale import page

# By the name that `make bench ONLY=…` takes, in the order of the page.
ON_A_STACK: Mapping[str, Callable[[Stack], Section]] = {
    "isolation": lambda stack: isolation.section(isolation.measure(stack, turning=True)),
    "end_to_end": end_to_end.measure,
    "burst": burst.measure,
    "answers": lambda stack: answers.section(answers.measure(stack)),
    "replaying": replaying.measure,
    # These stop the stack's event sources for good, so they come last.
    "event_cost": event_cost.measure,
    "healthy_attempts": healthy_attempts.measure,
    "growth": growth.measure,
}
IN_PROCESS: Mapping[str, Callable[[], Section]] = {
    "cold_starts": lambda: cold_starts.section(cold_starts.measure()),
    "processor": lambda: processor.section(processor.measure()),
    "scale": page.write,
}


def main(names: list[str]) -> int:
    if unknown := set(names) - {*IN_PROCESS, *ON_A_STACK}:
        print(f"There is no benchmark {', '.join(sorted(unknown))}; there are {', '.join([*IN_PROCESS, *ON_A_STACK])}")
        return 2
    for name, measure in IN_PROCESS.items():
        if not names or name in names:
            put(name, measure())
    on_a_stack = {name: measure for name, measure in ON_A_STACK.items() if not names or name in names}
    if not on_a_stack:
        return 0
    state = ROOT / ".local" / "bench"
    down(state)
    try:
        stack = up(state, print, port=4866)
        for name, measure_on in on_a_stack.items():
            put(name, measure_on(stack))
    finally:
        down(state)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
