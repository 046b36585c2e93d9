"""The way of an event, hop by hop: when each function took it up, as the log of the local cloud has it."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from tests.local_cloud.cloud import Stack

_REPORT = re.compile(r"^REPORT RequestId: .*?\tDuration: (?P<ms>[\d.]+) ms")
_EVENT_ID = re.compile(r"evt_[0-9a-f]{32}")
_MILLISECOND = 0.001


def began(stack: Stack, log_group: str, since: float) -> dict[str, float]:
    """By the events that it names, when the first invocation that names them began, in epoch seconds, to the
    millisecond. The local cloud gives each invocation a log stream of its own, and its lines the moment of its end.

    Raises:
        OverflowError: more was logged since than the local cloud shows at once; ask sooner.
    """
    found = stack.client("logs").filter_log_events(logGroupName=log_group, startTime=int(since * 1000))["events"]
    if len(found) >= 10_000:
        raise OverflowError(f"{log_group} has {len(found)} lines since {since}")
    durations: dict[str, float] = {}
    named: dict[str, tuple[str, float]] = {}
    for line in found:
        if report := _REPORT.match(line["message"]):
            durations[line["logStreamName"]] = float(report["ms"]) * _MILLISECOND
        for event_id in _EVENT_ID.findall(line["message"]):
            named.setdefault(event_id, (line["logStreamName"], line["timestamp"] * _MILLISECOND))
    return {event_id: ended - durations[invocation] for event_id, (invocation, ended) in named.items()}


def busy(stack: Stack, log_group: str, since: float) -> list[float]:
    """How many seconds each invocation took."""
    found = stack.client("logs").filter_log_events(
        logGroupName=log_group, startTime=int(since * 1000), filterPattern='"REPORT RequestId"'
    )["events"]
    return [float(report["ms"]) * _MILLISECOND for line in found if (report := _REPORT.match(line["message"]))]


def between(moments: Sequence[Mapping[str, float]]) -> list[list[float]]:
    """Seconds from each of the moments to the next, of the events that have all of them."""
    complete = set.intersection(*(set(each) for each in moments))
    return [[after[event_id] - before[event_id] for event_id in complete] for before, after in pairwise(moments)]
