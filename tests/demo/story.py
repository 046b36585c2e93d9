"""What the platform reports, and which notifications must come of it."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.local_cloud.api import Api
from tests.local_cloud.receiver import Receiver

SAMPLE = Path(__file__).parents[1] / "samples" / "hook0_subscription_events.json"
SOURCE_SECRET = "a secret that the Hook0 instance signs with"  # of this demo only
SHOP = "shop"
ERP, CRM, MAIL = "erp-import", "crm-sync", "mail-relay"
ARRIVES_WITHIN = 30.0  # seconds
_UP_AGAIN = 150  # seconds after the outage began

Expected = Counter[tuple[str, str]]  # (type, endpoint id)


class Story:
    """Plays the platform. `expected` grows with what it reports; `requests` are (sent, answered), in epoch seconds."""

    def __init__(self, api: Api, receiver: Receiver) -> None:
        self.expected: Expected = Counter()
        self.requests: list[tuple[float, float]] = []
        self.reported = self.failed = 0
        self._api = api
        self._receiver = receiver

    def register(self) -> None:
        """On-call registers once, for every application."""
        answer = self._api.post("", {"application_id": "*", "url": self._receiver.url, "description": "on-call"})
        answer.raise_for_status()
        self._receiver.secret = answer.json()["secret"]

    def hook0(self) -> None:
        """A Hook0 instance tells of a subscription: created, changed and switched off, removed."""
        body = {"application_id": None, "kind": "hook0", "secret": SOURCE_SECRET}
        answer = self._api.post("/sources", body)
        answer.raise_for_status()
        source_id = answer.json()["source_id"]
        for number, event in enumerate(json.loads(SAMPLE.read_text())["events"]):
            moment = _text(datetime.now(UTC))
            subscription = {**event["body"], "updated_at": moment} | ({"created_at": moment} if number == 0 else {})
            sent = time.time()
            answer = self._api.post_as_hook0(
                source_id,
                event["headers"]["X-Event-Type"],
                event["headers"]["X-Event-Id"],
                json.dumps(subscription).encode(),
                secret=SOURCE_SECRET,
            )
            self._answered(answer, sent)
        endpoint_id = subscription["subscription_id"]
        for event_type in ("created", "updated", "disabled", "deleted"):
            self.expected[f"endpoint.{event_type}", endpoint_id] += 1

    def inventory(self) -> Iterator[int]:
        """Endpoints are created one by one, each when the one before was heard of: the latency of an idle system."""
        for number, endpoint_id in enumerate([ERP, CRM, MAIL, *(f"partner-{n:02d}" for n in range(17))], 1):
            self._report(
                {
                    "type": "endpoint.created",
                    "endpoint_id": endpoint_id,
                    "url": f"https://{endpoint_id}.example.com/hooks",
                    "occurred_at": _text(datetime.now(UTC)),
                    "labels": {"tier": "gold" if endpoint_id == ERP else "standard"},
                }
            )
            self.expected["endpoint.created", endpoint_id] += 1
            self.arrive()
            yield number

    def outage(self) -> Iterator[int]:
        """Four minutes of traffic to three endpoints: one of them goes down for two and a half, then comes back."""
        start = datetime.now(UTC) - timedelta(seconds=250)
        # A message to a healthy endpoint is given up: that is told. One to the failing endpoint counts in its incident.
        self.expected["message.attempt.exhausted", MAIL] += 1
        self.expected["endpoint.failing", ERP] += 1
        self.expected["endpoint.recovered", ERP] += 1
        for ten_seconds in range(0, 240, 10):
            signals = [
                _attempt(endpoint_id, start + timedelta(seconds=ten_seconds + n / 4), ten_seconds, n)
                for endpoint_id in (ERP, CRM, MAIL)
                for n in range(40 if ten_seconds >= _UP_AGAIN else 6)
            ]
            self._report(*signals)
            yield ten_seconds

    def arrive(self) -> bool:
        """Waits until all that is expected so far has been accepted."""
        return self._receiver.wait_until(lambda: not self.missing(), ARRIVES_WITHIN)

    def statistics(self) -> dict[str, Any]:
        """What Hookwatch has counted of it all, once it has counted as many attempts as were reported."""
        ends_at = time.monotonic() + ARRIVES_WITHIN
        while True:
            summary: dict[str, Any] = self._api.get("/stats", application_id=SHOP).json()["summary"]
            if summary["attempts"] == self.reported or time.monotonic() > ends_at:
                return summary
            time.sleep(0.2)

    def missing(self) -> Expected:
        return self.expected - self._arrived()

    def unexpected(self) -> Expected:
        return self._arrived() - self.expected

    def latency(self, arrived_at: float, detected_at: str) -> float:
        """Milliseconds from the 202 to the arrival. Requests are sent one after the other, so one of them fits."""
        moment = datetime.fromisoformat(detected_at).timestamp()
        answered = next((answered for sent, answered in self.requests if sent - 0.001 <= moment <= answered), moment)
        return (arrived_at - answered) * 1000

    def _arrived(self) -> Expected:
        return Counter((receipt.type, receipt.data.get("endpoint_id", "")) for receipt in self._receiver.accepted())

    def _report(self, *signals: dict[str, Any]) -> None:
        sent = time.time()
        self._answered(self._api.post_signals(SHOP, list(signals)), sent)
        attempts = [signal for signal in signals if signal["type"] == "message.attempt"]
        self.reported += len(attempts)
        self.failed += sum(signal["outcome"] == "failed" for signal in attempts)

    def _answered(self, answer: Any, sent: float) -> None:
        answer.raise_for_status()
        self.requests.append((sent, time.time()))


def _attempt(endpoint_id: str, at: datetime, ten_seconds: int, n: int) -> dict[str, Any]:
    is_down = endpoint_id == ERP and ten_seconds < _UP_AGAIN
    is_given_up = n == 0 and ten_seconds == 60 and endpoint_id in (ERP, MAIL)
    failed = is_down or is_given_up
    return {
        "type": "message.attempt",
        "endpoint_id": endpoint_id,
        "message_id": f"msg-{endpoint_id}-{ten_seconds}-{n}",
        "attempt_number": 5 if is_given_up else 1,
        "outcome": "failed" if failed else "succeeded",
        "response_status_code": None if failed and n == 1 else 503 if failed else 200,
        "error": "timeout" if failed and n == 1 else None,
        "duration_ms": 3000 if failed else 80,
        "attempted_at": _text(at),
        "will_retry": failed and not is_given_up,
    }


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
