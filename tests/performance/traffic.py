"""Signals as a platform sends them: one at a time, at moments of their own, and when what became of each arrived."""

import random
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.local_cloud.api import Api
from tests.local_cloud.receiver import Receipt, Receiver
from tests.local_cloud.watched import PROFILE

RATE = PROFILE["normal_p99_per_s"]
ARRIVES_WITHIN = 60  # seconds


@dataclass(frozen=True, slots=True)
class Arrival:
    """Of one signal, in epoch seconds: when its 202 was there, and the first POST of its event."""

    accepted_at: float
    receipt: Receipt

    @property
    def latency(self) -> float:
        return self.receipt.arrived_at - self.accepted_at


def pace(rate: float, number: int, seed: int = 7) -> Iterator[int]:
    """Counts to `number`, `rate` a second on average, at moments that know nothing of each other (Poisson), the same
    for the same seed: an even beat would fall beside the pauses of the local cloud, or into each of them."""
    draw, due = random.Random(seed), time.monotonic()  # noqa: S311  # the same load each time
    for count in range(number):
        due += draw.expovariate(rate)
        time.sleep(max(0.0, due - time.monotonic()))
        yield count


def created(endpoint_id: str, **fields: Any) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {"type": "endpoint.created", "endpoint_id": endpoint_id, "occurred_at": now, **fields}


def send(api: Api, application_id: str, **fields: Any) -> tuple[str, float]:
    """One signal that is one event: the endpoint that it names, and when it was accepted."""
    endpoint_id = uuid.uuid4().hex
    api.post_signals(application_id, [created(endpoint_id, **fields)]).raise_for_status()
    return endpoint_id, time.time()


def arrivals(receiver: Receiver, accepted: dict[str, float]) -> list[Arrival]:
    """In the order in which they were accepted, without those that are lost."""
    sought = set(accepted)
    receiver.wait_until(
        lambda: sought <= {receipt.data["endpoint_id"] for receipt in receiver.receipts}, ARRIVES_WITHIN
    )
    first = {receipt.data["endpoint_id"]: receipt for receipt in reversed(receiver.accepted())}
    return [Arrival(moment, first[name]) for name, moment in accepted.items() if name in first]
