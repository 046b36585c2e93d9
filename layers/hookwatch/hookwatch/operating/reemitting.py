"""Asks the reemitter, until it has looked at everything."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from hookwatch.operating.deployment import Deployment


def reemit(deployment: Deployment, request: dict[str, Any], progress: Callable[[str], None]) -> Counter[str]:
    """How many `events` were looked at, `deliveries` queued, and events `failed` to be told.

    Raises:
        RuntimeError: the function failed. What it queued until then is queued; asked again, copies are recognised.
    """
    counts: Counter[str] = Counter()
    function, cursor = deployment.physical_id("Reemitter"), None
    while True:
        payload = json.dumps({**request, "cursor": cursor})
        answer = deployment.client("lambda").invoke(FunctionName=function, Payload=payload)
        result = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise RuntimeError(f"the reemitter failed: {result.get('errorMessage', result)}")
        cursor = result.pop("cursor")
        counts.update(result)
        progress(f"{counts['events']} events, {counts['deliveries']} deliveries")
        if cursor is None:
            return counts
