"""How fast a warm function answers, by the route; and how much of that is the function's own."""

import re
import time
from collections.abc import Mapping

from hookwatch.access.roles import NEEDS
from tests.local_cloud.cloud import Stack
from tests.local_cloud.world import REQUESTS, World
from tests.performance.report import Section, Table

TIMES = 20  # four routes take an operational endpoint each time, and an application has a hundred at most
_OWN = re.compile(r"^REPORT RequestId: .*?\tDuration: (?P<ms>[\d.]+) ms")

Found = Mapping[tuple[str, str], tuple[list[float], list[float]]]


def measure(stack: Stack) -> Found:
    """By route, in milliseconds and sorted: from the request to the answer, and what the function took of it."""
    world = World.of(stack)
    return {route: _measure(world, route) for route in NEEDS}


def _measure(world: World, route: tuple[str, str]) -> tuple[list[float], list[float]]:
    made = [REQUESTS[route](world) for _ in range(TIMES)]  # what is used up is made before
    group = _log_group(world.stack, "Ingest" if route == ("POST", "/signals") else "Api")
    before, took = len(_durations(world.stack, group)), []
    for path, body in made:
        started = time.perf_counter()
        answer = world.admin.request(route[0], path, **({} if body is None else {"json": body}))
        took.append((time.perf_counter() - started) * 1000)
        answer.raise_for_status()
    return sorted(took), sorted(_durations(world.stack, group)[before:])


def section(found: Found) -> Section:
    rows = [
        (f"{method} {path}", *(f"{_at(times, share):.0f}" for times in (took, own) for share in (0.5, 0.99)))
        for (method, path), (took, own) in found.items()
    ]
    return Section(
        "Answers",
        f"An answer of a warm function, {TIMES} requests a route, in milliseconds. The local cloud waits 50 ms for a "
        "line of log from a function that writes none (ministack 1.5.33): in all columns.",
        [Table(("route", "p50", "p99", "the function's own p50", "p99"), rows)],
    )


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _log_group(stack: Stack, function: str) -> str:
    answer = stack.client("cloudformation").describe_stack_resource(
        StackName=stack.stack_name, LogicalResourceId=f"{function}Logs"
    )
    return str(answer["StackResourceDetail"]["PhysicalResourceId"])


def _durations(stack: Stack, group: str) -> list[float]:
    """In the order of the invocations; the local cloud reports whole milliseconds."""
    pages = (
        stack.client("logs")
        .get_paginator("filter_log_events")
        .paginate(logGroupName=group, filterPattern='"REPORT RequestId"')
    )
    events = sorted((event for page in pages for event in page["events"]), key=lambda event: event["timestamp"])
    return [float(match["ms"]) for event in events if (match := _OWN.match(event["message"]))]
