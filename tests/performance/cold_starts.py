"""What a cold start costs: a function imported and initialised, against boto3 and one client of it."""

import statistics
from collections.abc import Mapping, Sequence

from tests.local_cloud import artifacts, cloud
from tests.local_cloud.artifacts import FUNCTIONS
from tests.performance.report import Section, Table

ROUNDS = 9
FLOOR = "boto3 and one client"
AT_MOST = {"ingest": 2.0, "api": 2.0}  # times the floor
OF_A_HOP = 1.3
_TIMED = """
from time import perf_counter, process_time
processor, clock = process_time(), perf_counter()
{}
print(process_time() - processor, perf_counter() - clock)
"""
_STEPS = {FLOOR: "import boto3; boto3.client('sqs')"} | dict.fromkeys(FUNCTIONS, "import app")

# By what was started: seconds of the processor, and of the clock.
Found = Mapping[str, Sequence[tuple[float, float]]]


def measure() -> Found:
    """All in turn, `ROUNDS` times, after one that warms the disk's cache."""
    cloud.build(print)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in _STEPS}
    for _ in range(1 + ROUNDS):
        for name in _STEPS:
            found[name].append(_start(name))
    return {name: each[1:] for name, each in found.items()}


def _start(name: str) -> tuple[float, float]:
    where = "authorizer" if name == FLOOR else name
    processor, clock = artifacts.run(where, _TIMED.format(_STEPS[name])).split()
    return float(processor), float(clock)


def section(found: Found) -> Section:
    rows = []
    for name, starts in found.items():
        ratios = sorted(start[0] / floor[0] for start, floor in zip(starts, found[FLOOR], strict=True))
        took = (f"{1000 * statistics.median(each):.0f}" for each in zip(*starts, strict=True))
        at_most = "" if name == FLOOR else f"{AT_MOST.get(name, OF_A_HOP):.1f}"
        ratio = (f"{statistics.median(ratios):.2f}", f"{ratios[0]:.2f} to {ratios[-1]:.2f}")
        rows.append((name, *took, *ratio, at_most))
    return Section(
        "Cold starts",
        f"Each function imported and initialised from what `sam build` made, with its layer alone on the path, in "
        f"{ROUNDS} fresh interpreters in turn; milliseconds, medians. The ratio is of processor time to that of "
        "`import boto3` and one client in the same round: median and range.",
        [Table(("what", "processor", "clock", "ratio", "range", "at most"), rows)],
    )
