"""Events that happen, the stream that hands them out, and the batches that they come to be in."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from hookwatch import event_items, times
from hookwatch.notifying.queue import Delivery
from hookwatch.operational_events import OperationalEvent
from tests.in_process.aws import Aws
from tests.in_process.deliveries import record
from tests.in_process.invoking import Context, inserted

BEGIN = datetime(2026, 11, 23, 10, tzinfo=UTC)


def happen(application_id: str, number: int = 1, *, size: int = 0, begin: datetime = BEGIN) -> list[OperationalEvent]:
    """Events, stored, the last of them first."""
    events = [
        OperationalEvent(
            event_id=f"evt_{uuid.uuid4().hex}",
            application_id=application_id,
            type="endpoint.created",
            timestamp=begin + timedelta(seconds=number - n),
            data={
                "endpoint_id": f"endpoint-{n}",
                "dedup_key": "x",
                "sequence": n,
                "detected_at": times.to_text(begin + timedelta(seconds=number - n)),
                "labels": {"padding": "x" * size},
                "reported_by": "key:admin",
            },
        )
        for n in range(number)
    ]
    for event in events:
        event_items.create(event, retention_days=30)
    return events


def stream_of(events: list[OperationalEvent]) -> dict[str, Any]:
    """As the stream hands them out."""
    return {"Records": [inserted(event_items.to_item(event, expires_at=2_000_000_000).serialize()) for event in events]}


def emit(aws: Aws, events: list[OperationalEvent]) -> None:
    aws.invoke("emitter", stream_of(events))


def wake(aws: Aws, *batch_ids: str) -> None:
    """As the messages do when their time has come."""
    messages = [record(json.dumps({"batch_id": batch_id}), "Batches") for batch_id in batch_ids]
    answer = aws.function("batcher").handler({"Records": messages}, Context())
    assert answer == {"batchItemFailures": []}


def woken_up(aws: Aws) -> list[tuple[str, int]]:
    """Which batches are to be woken up, and after how many seconds, in the order of sending."""
    return [(json.loads(body)["batch_id"], delay) for body, delay in aws.sent("Batches")]


def deliveries(aws: Aws) -> list[Delivery]:
    return [msgspec.json.decode(message["body"], type=Delivery) for message in aws.take("Deliveries")]


def ids_in(delivery: Delivery) -> list[str]:
    return [event["id"] for event in json.loads(delivery.body)["data"]]
