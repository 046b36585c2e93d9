"""make logs, on the deployed stack."""

from datetime import UTC, datetime, timedelta
from queue import Queue
from threading import Thread

from hookwatch.operating.deployment import Deployment
from hookwatch.operating.logs import follow
from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.local_cloud.world import text, unique


def test_what_happens_to_a_signal_can_be_followed(stack: Stack, api: Api) -> None:
    shop, lines = unique("shop"), Queue[str]()
    deployment = Deployment(stack.stack_name, stack.endpoint_url, stack.region)

    def read() -> None:
        for line in follow(deployment, datetime.now(UTC) - timedelta(minutes=1)):
            lines.put(line)

    Thread(target=read, daemon=True).start()
    signal = {"type": "endpoint.created", "endpoint_id": "erp", "occurred_at": text(datetime.now(UTC))}
    batch_id = api.post_signals(shop, [signal]).json()["batch_id"]
    told: list[str] = []
    while sum(batch_id in line for line in told) < 2:
        told.append(lines.get(timeout=30))
    [queued, event] = [line for line in told if batch_id in line]
    assert "Ingest     INFO     signals queued" in queued
    assert "Observer   INFO     event" in event
