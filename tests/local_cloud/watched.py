"""A platform in its worst hour, as the load profile has it: what it reports, and what it knows to be true of it."""

import json
import time
import uuid
from collections import Counter
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import requests

from tests.local_cloud.api import Api

PROFILE = json.loads((Path(__file__).parents[1] / "samples" / "load_profile.json").read_text())
ENDPOINTS = [f"e{number:02}" for number in range(12)]
FAILING = ENDPOINTS[:10]
ATTEMPTS = ((1, True), (2, True), (3, True), (4, True), (5, False))  # of a message: its number, and whether it retries
NEXT_AFTER = 10  # seconds: how soon retries begin to come beside first attempts


class Platform:
    """Reports what it attempted, and keeps its own count."""

    def __init__(self, api: Api, application_id: str) -> None:
        self._api, self._application_id = api, application_id
        self._name, self._numbers = uuid.uuid4().hex[:6], count()
        self.attempts: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.given_up: Counter[str] = Counter()
        self.told: Counter[str] = Counter()

    def play(self, seconds: int, rate: float, failing: list[str]) -> None:
        """Each second what happened in it; `rate` is a second's."""
        started, owed = time.monotonic(), 0.0
        for second in range(seconds):
            time.sleep(max(0.0, started + second - time.monotonic()))
            owed += rate
            if int(owed):
                answer = self.report(int(owed), failing, second)
                assert answer.status_code == 202, answer.text
                assert answer.json()["accepted"] == int(owed), answer.text
            owed -= int(owed)

    def report(self, number: int, failing: list[str], second: float) -> requests.Response:
        """So many attempts in one request, of the kinds that there are in that second of an outage."""
        kinds = ATTEMPTS[: 1 + int(second) // NEXT_AFTER]
        return self._api.post_signals(self._application_id, [self._attempt(failing, kinds) for _ in range(number)])

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
            "message_id": f"{self._name}-{number}",
            "attempt_number": attempt_number,
            "outcome": "failed" if fails else "succeeded",
            "response_status_code": 503 if fails else 200,
            "duration_ms": 900 if fails else 40,
            "attempted_at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "will_retry": will_retry,
        }
