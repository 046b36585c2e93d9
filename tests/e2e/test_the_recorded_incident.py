"""The load that a production platform saw in its worst hour, at a twentieth of its rate and for as long as it takes to
notice: through the API, nothing lost, no counter off by one, and the alerts are out in time."""

import json
import time
from collections import Counter
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from tests.e2e.test_the_main_job import eventually, register, text, unique
from tests.local_cloud.api import Api
from tests.local_cloud.receiver import Receiver

PROFILE = json.loads((Path(__file__).parents[1] / "samples" / "load_profile.json").read_text())
SCALE = 20
NORMAL, PEAK = PROFILE["normal_p99_per_s"] / SCALE, PROFILE["incident_peak_per_s"] / SCALE
ENDPOINTS = [f"e{number:02}" for number in range(12)]
FAILING = ENDPOINTS[:10]
BEFORE, DURING, AFTER = 10, 100, 10  # seconds
DRAINED_WITHIN = 60  # seconds
ATTEMPTS = ((1, True), (2, True), (3, True), (4, True), (5, False))  # of a message: its number, and whether it retries
NEXT_AFTER = 10  # seconds: how soon retries begin to come beside first attempts


class Platform:
    """Reports each second what it attempted, and keeps its own count."""

    def __init__(self, api: Api, application_id: str) -> None:
        self._api, self._application_id = api, application_id
        self._numbers = count()
        self.attempts: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.given_up: Counter[str] = Counter()
        self.told: Counter[str] = Counter()

    def play(self, seconds: int, rate: float, failing: list[str]) -> None:
        started, owed = time.monotonic(), 0.0
        for second in range(seconds):
            time.sleep(max(0.0, started + second - time.monotonic()))
            owed += rate
            kinds = ATTEMPTS[: 1 + second // NEXT_AFTER]
            signals = [self._attempt(failing, kinds) for _ in range(int(owed))]
            owed -= len(signals)
            if signals:
                answer = self._api.post_signals(self._application_id, signals)
                assert (answer.status_code, answer.json()["accepted"]) == (202, len(signals)), answer.text

    def _attempt(self, failing: list[str], kinds: tuple[tuple[int, bool], ...]) -> dict[str, Any]:
        number = next(self._numbers)
        endpoint_id = ENDPOINTS[number % len(ENDPOINTS)]
        fails = endpoint_id in failing
        attempt_number, will_retry = kinds[number // len(ENDPOINTS) % len(kinds)] if fails else (1, False)
        self.attempts[endpoint_id] += 1
        self.failed[endpoint_id] += fails
        self.given_up[endpoint_id] += fails and not will_retry
        if fails:
            self.told["message.attempt.exhausted"] += not will_retry
            self.told["message.attempt.failing"] += will_retry and attempt_number >= 4
        return {
            "type": "message.attempt",
            "endpoint_id": endpoint_id,
            "message_id": f"m{number}",
            "attempt_number": attempt_number,
            "outcome": "failed" if fails else "succeeded",
            "response_status_code": 503 if fails else 200,
            "duration_ms": 900 if fails else 40,
            "attempted_at": text(datetime.now(UTC)),
            "will_retry": will_retry,
        }


def every_event(api: Api, application_id: str) -> Counter[str]:
    found: Counter[str] = Counter()
    cursor: str | None = ""
    while cursor is not None:
        query = {"application_id": application_id, "limit": 100} | ({"cursor": cursor} if cursor else {})
        page = api.get("/events", **query).json()
        found.update(event["type"] for event in page["data"])
        cursor = page["next_cursor"]
    return found


def test_the_recorded_incident_is_noticed_counted_and_quiet(api: Api) -> None:
    shop = unique("shop")
    platform = Platform(api, shop)
    with Receiver() as receiver:
        register(api, receiver, shop)
        platform.play(BEFORE, NORMAL, [])
        began = time.time()
        platform.play(DURING, PEAK, FAILING)
        platform.play(AFTER, NORMAL, [])
        ends_at, total = time.monotonic() + DRAINED_WITHIN, sum(platform.attempts.values())
        while (
            time.monotonic() < ends_at
            and (counted := api.get("/stats", application_id=shop).json())
            and (counted["summary"]["attempts"] != total)
        ):
            time.sleep(0.5)
        assert counted["summary"]["attempts"] == total
        assert counted["summary"]["failed_attempts"] == sum(platform.failed.values())
        assert counted["summary"]["failed_messages"] == sum(platform.given_up.values())
        assert counted["complete"]
        for endpoint_id in ENDPOINTS:
            own = api.get("/stats", application_id=shop, endpoint_id=endpoint_id).json()["summary"]
            assert own["attempts"] == platform.attempts[endpoint_id]
            assert own["failed_attempts"] == platform.failed[endpoint_id]
            assert own["failed_messages"] == platform.given_up[endpoint_id]
        assert {row["endpoint_id"] for row in counted["worst_endpoints"]} == set(FAILING)

        assert eventually(lambda: any(receipt.type == "application.degraded" for receipt in receiver.accepted()))
        first = {receipt.type: receipt.arrived_at - began for receipt in reversed(receiver.accepted())}
        assert first["endpoint.failing"] < 120
        assert first["application.degraded"] < 120
        told = Counter(receipt.type for receipt in receiver.accepted())
        assert told["endpoint.failing"] == len(FAILING)
        assert set(told) <= {"endpoint.failing", "endpoint.recovered", "application.degraded", "application.recovered"}
    stored = every_event(api, shop)
    for event_type in ("message.attempt.failing", "message.attempt.exhausted"):
        assert stored[event_type] == platform.told[event_type]
