"""Asks the reemitter, until it has looked at everything."""

import json
from collections.abc import Callable
from typing import Any

from hookwatch.operating.deployment import Deployment


def reemit(deployment: Deployment, request: dict[str, Any], progress: Callable[[str], None]) -> tuple[int, int]:
    """How many events were looked at, and how many deliveries queued.

    Raises:
        RuntimeError: the function failed; what it queued until then is queued, and asking again queues no more of it.
    """
    events = deliveries = 0
    function, cursor = deployment.physical_id("Reemitter"), None
    while True:
        payload = json.dumps({**request, "cursor": cursor})
        answer = deployment.client("lambda").invoke(FunctionName=function, Payload=payload)
        result = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise RuntimeError(f"the reemitter failed: {result.get('errorMessage', result)}")
        events, deliveries, cursor = events + result["events"], deliveries + result["deliveries"], result["cursor"]
        progress(f"{events} events, {deliveries} deliveries")
        if cursor is None:
            return events, deliveries
