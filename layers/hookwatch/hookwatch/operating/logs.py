"""Follows what the functions log, all of them at once, a line for each decision."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from hookwatch.operating.deployment import Deployment

FUNCTIONS = (
    *("Authorizer", "Ingest", "Observer", "Sweeper", "Alarms", "Emitter", "Batcher", "Reemitter", "Replayer"),
    *("Delivery", "Api", "Eraser"),
)
_LATE = timedelta(seconds=10)  # CloudWatch shows a line some seconds after it was written
_EVERY_SECONDS = 1
# What a person need not be told: a traceback's own line says it.
_SAID_BEFORE = {"level", "message", "location", "exception_name"}


def follow(deployment: Deployment, since: datetime, named: str = "") -> Iterator[str]:
    """Lines from `since` on, without an end, in the order in which they are found; of an id, those that name it."""
    groups = {name: deployment.physical_id(f"{name}Logs") for name in FUNCTIONS}
    seen: dict[tuple[str, int, str], datetime] = {}
    while True:
        found = [(event, name) for name, group in groups.items() for event in _events(deployment, group, since, named)]
        for event, name in sorted(found, key=lambda each: each[0]["timestamp"]):
            if (name, event["timestamp"], event["message"]) not in seen and (line := told(event["message"])):
                yield f"{_moment(event):%H:%M:%S} {name:<10} {line}"
            seen[name, event["timestamp"], event["message"]] = _moment(event)
        since = max(since, datetime.now(UTC) - _LATE)
        seen = {each: moment for each, moment in seen.items() if moment >= since - _LATE}
        time.sleep(_EVERY_SECONDS)


def told(message: str) -> str | None:
    """A line of a function's for a person; None for what Lambda itself says of an invocation, and for metrics."""
    try:
        fields = json.loads(message)
    except ValueError:
        line = message.strip()
        return None if line.startswith(("START ", "END ", "REPORT ", "INIT_START ")) else line or None
    if not isinstance(fields, dict) or "_aws" in fields or "message" not in fields:
        return None
    about = " ".join(
        f"{name}={value}" for name, value in fields.items() if name not in _SAID_BEFORE and value is not None
    )
    return f"{fields.get('level', ''):<8} {fields['message']} {about}".rstrip()


def _events(deployment: Deployment, group: str, since: datetime, named: str) -> Iterator[dict[str, Any]]:
    pages = deployment.client("logs").get_paginator("filter_log_events")
    asked = {"logGroupName": group, "startTime": int(since.timestamp() * 1000)}
    for page in pages.paginate(**asked, **({"filterPattern": json.dumps(named)} if named else {})):
        yield from page["events"]


def _moment(event: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
