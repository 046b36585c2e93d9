"""Three ways to be told otherwise: only what a filter lets through, in batches, and once more."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from tests.demo.story import ARRIVES_WITHIN
from tests.local_cloud.api import Api
from tests.local_cloud.receiver import Receipt, Receiver

FILTER = "data.labels.tier == 'gold'"
BATCH = {"max_events": 500, "max_wait_seconds": 5}
RATE = 10  # a second


class Choosing:
    """`on_call` has got everything, and says what the others must get. Each line says what was seen; each problem what
    was not."""

    def __init__(self, api: Api, on_call: Receiver) -> None:
        self.lines: list[str] = []
        self.problems: list[str] = []
        self._api, self._on_call = api, on_call
        self._gold, self._archive, self._opened = Receiver(), Receiver(), ExitStack()

    def __enter__(self) -> Self:
        for receiver in (self._gold, self._archive):
            self._opened.enter_context(receiver)
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def register(self) -> None:
        self._gold_id = self._register(self._gold, filter=FILTER)
        self._register(self._archive, message_events="all", batch=BATCH)

    def _register(self, receiver: Receiver, **fields: Any) -> str:
        answer = self._api.post("", {"application_id": "*", "url": receiver.url, **fields})
        answer.raise_for_status()
        receiver.secret = answer.json()["secret"]
        return str(answer.json()["operational_endpoint_id"])

    def filtered(self) -> None:
        """What a filter lets through is what it says of what everybody gets."""
        got = self._on_call.accepted()
        golden = {receipt.webhook_id for receipt in got if receipt.data["labels"].get("tier") == "gold"}
        arrived = self._gold.wait_until(lambda: _ids(self._gold.accepted()) == golden, ARRIVES_WITHIN)
        self._see(arrived, f"filter, {FILTER}: {len(golden)} of {len(got)} notifications")

    def batched(self) -> None:
        """All there is, the quiet events among it, each in one batch."""
        there = Counter(event["event_id"] for event in self._events())
        arrived = self._archive.wait_until(lambda: self._in_batches() == there, ARRIVES_WITHIN)
        self._see(arrived, f"batch, {_told(BATCH)}: {there.total()} events in {len(self._archive.accepted())} POSTs")

    def replayed(self) -> None:
        """The same ids, bodies and signer, marked as replayed, to who has them already."""
        first = {receipt.webhook_id: receipt.raw for receipt in self._gold.accepted()}
        an_hour_ago = datetime.now(UTC) - timedelta(hours=1)  # the outage was played four minutes back
        asked = {"since": an_hour_ago.isoformat().replace("+00:00", "Z"), "rate_per_second": RATE}
        answer, started = self._api.post(f"/{self._gold_id}/replay", asked), time.monotonic()
        answer.raise_for_status()
        self._gold.wait_until(lambda: len(self._gold.accepted()) >= 2 * len(first), ARRIVES_WITHIN)
        again = [receipt for receipt in self._gold.accepted() if "hookwatch-replayed" in receipt.headers]
        is_so = {receipt.webhook_id: receipt.raw for receipt in again} == first and len(again) == len(first)
        took = f"in {time.monotonic() - started:.1f} s"
        self._see(is_so, f"replay, {RATE} a second: {len(again)} events once more, the same ids and bytes, {took}")

    def _see(self, is_so: bool, line: str) -> None:
        (self.lines if is_so else self.problems).append(line)
        for receiver in (self._gold, self._archive):
            if not all(receipt.is_verified for receipt in receiver.receipts):
                self.problems.append(f"not verified; {line}")

    def _in_batches(self) -> Counter[str]:
        return Counter(event["id"] for receipt in self._archive.accepted() for event in receipt.body["data"])

    def _events(self) -> Iterator[dict[str, Any]]:
        query: dict[str, Any] = {"application_id": "*", "limit": 100}
        while True:
            page = self._api.get("/events", **query).json()
            yield from page["data"]
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]


def _told(fields: dict[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in fields.items())


def _ids(receipts: list[Receipt]) -> set[str]:
    return {receipt.webhook_id for receipt in receipts}
