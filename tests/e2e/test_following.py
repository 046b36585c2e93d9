"""What happens to signals, followed in the functions' logs by the ids in them; and what that log costs."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import IO, Any

from hookwatch.operating.deployment import Deployment
from hookwatch.operating.logs import FUNCTIONS
from tests.e2e.test_notifying import operating, register_proven
from tests.e2e.test_the_main_job import ARRIVES_WITHIN, eventually, text, types, unique
from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.local_cloud.receiver import Receiver

EVENTS, BYTES_OF_AN_EVENT = 10, 512  # from its signal's request to its delivered attempt


def created(number: int) -> list[dict[str, Any]]:
    now = text(datetime.now(UTC))
    return [{"type": "endpoint.created", "endpoint_id": unique("e"), "occurred_at": now} for _ in range(number)]


class Logs:
    """What the functions have logged in the last minutes, without metrics and what Lambda says."""

    def __init__(self, stack: Stack) -> None:
        self.deployment = Deployment(stack.stack_name, stack.endpoint_url, stack.region)
        self.since = datetime.now(UTC) - timedelta(minutes=1)

    def lines(self, function: str, *names: str) -> list[str]:
        """Those with one of the names in them."""
        pages = self.deployment.client("logs").get_paginator("filter_log_events")
        group, start = self.deployment.physical_id(f"{function}Logs"), int(self.since.timestamp() * 1000)
        written = (event for page in pages.paginate(logGroupName=group, startTime=start) for event in page["events"])
        lines = [str(event["message"]) for event in written]
        return [line for line in lines if '"_aws"' not in line and any(name in line for name in names)]

    def said(self, function: str, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines(function, name)]


def test_a_batch_is_followed_from_its_request_to_the_attempts_of_its_events(stack: Stack, api: Api) -> None:
    shop, logs = unique("shop"), Logs(stack)
    with Receiver() as receiver:
        endpoint = register_proven(api, receiver, shop)
        batch_id = api.post_signals(shop, created(EVENTS)).json()["batch_id"]
        assert receiver.wait_until(lambda: types(receiver).count("endpoint.created") == EVENTS, ARRIVES_WITHIN)
    arrived = {receipt.webhook_id for receipt in receiver.receipts if receipt.type == "endpoint.created"}
    assert eventually(lambda: len(logs.lines("Delivery", *arrived)) == EVENTS)  # once their invocations are over

    # The local cloud answers with another request id than the one that it gives the function (ministack 1.5.33).
    [queued] = logs.said("Ingest", batch_id)
    assert logs.said("Ingest", queued["request_id"]) == [queued]
    assert (queued["accepted"], queued["application_id"]) == (EVENTS, shop)

    told = logs.said("Observer", batch_id)
    events = {event_id: event_type for line in told for event_id, event_type in line["events"].items()}
    assert events == dict.fromkeys(arrived, "endpoint.created")

    for event_id in events:
        [emitted] = logs.said("Emitter", event_id)
        assert emitted["operational_endpoint_ids"] == [endpoint]
        [attempt] = logs.said("Delivery", event_id)
        assert attempt["operational_endpoint_id"] == endpoint
        assert (attempt["number"], attempt["status"]) == (1, "delivered")

    of_the_batch = [line for function in FUNCTIONS for line in logs.lines(function, batch_id, *events)]
    assert sum(len(line.encode()) for line in of_the_batch) <= EVENTS * BYTES_OF_AN_EVENT


@contextmanager
def make_logs(folder: Path, *arguments: str) -> Iterator[Queue[str]]:
    """The command that an operator runs, and what it shows meanwhile."""
    lines = Queue[str]()
    with operating(folder, "logs", *arguments) as process:
        assert process.stdout

        def read(shown: IO[str]) -> None:
            for line in shown:
                lines.put(line)

        reader = Thread(target=read, args=(process.stdout,))
        reader.start()
        try:
            yield lines
        finally:
            process.terminate()
            reader.join()


def test_what_happens_is_shown_as_it_happens(api: Api, tmp_path: Path) -> None:
    shown: list[str] = []
    with make_logs(tmp_path) as lines:
        batch_id = api.post_signals(unique("shop"), created(1)).json()["batch_id"]
        ends_at = time.monotonic() + ARRIVES_WITHIN
        while len(shown) < 2:
            line = lines.get(timeout=max(0, ends_at - time.monotonic()))
            shown += [line] if batch_id in line else []
    assert "Ingest     INFO     signals queued" in shown[0]
    assert "Observer   INFO     told" in shown[1]


def test_of_an_id_only_what_names_it_is_shown(api: Api, tmp_path: Path) -> None:
    shop = unique("shop")
    batch_id, *_ = [api.post_signals(shop, created(1)).json()["batch_id"] for _ in range(3)]
    with make_logs(tmp_path, "--id", batch_id) as lines:
        shown = [lines.get(timeout=ARRIVES_WITHIN) for _ in range(2)]
    assert all(batch_id in line for line in [*shown, *lines.queue])
