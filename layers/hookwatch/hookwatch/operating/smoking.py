"""The main job, once, on a deployed stack: a signal in, an event on record, a signed delivery out, and nothing left.

Nobody else is told: the signal yields a quiet event, and what is delivered is a `webhook.test`, which has one target.
Its receiver is a source of the same stack, of Svix's kind, with the operational endpoint's secret: so Ingest verifies
what Delivery has signed, wherever the stack is.
"""

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import requests

from hookwatch import times
from hookwatch.operating.asking import Asking, Failed

# Of its own, whatever the stack's parameters are: one failed attempt opens no incident and degrades nothing, and its
# message is told to nobody.
_POLICY = {
    "opens_after_failures": 10,
    "opens_from_attempts": 20,
    "degraded_from_attempts": 100,
    "messages_told_at_most": 0,
}
_ENDPOINT = "smoke"
_EVERY_SECONDS = 0.2

Found = TypeVar("Found")


class Smoke:
    """`tell` is called with each step as it ends; `patience` is how long a step may wait, in seconds."""

    def __init__(self, api_url: str, key: str, tell: Callable[[str], None], patience: float) -> None:
        self._url, self._tell, self._patience = api_url, tell, patience
        self._ask = Asking(api_url, key).ask
        self._application_id = f"smoke-{secrets.token_hex(6)}"
        self._made: list[str] = []  # paths to delete again

    def run(self) -> None:
        """
        Raises:
            Failed: what was made until then is deleted again.
        """
        try:
            self._step("health", self._answer_health)
            self._step("key", self._use_the_key)
            self._step("receiver", self._make_receiver)
            self._step("signal", self._report)
            self._step("event", self._await_event)
            self._step("statistics", self._read_what_was_counted)
            self._step("delivery", self._deliver)
        finally:
            is_clean = self._clean_up()
        if not is_clean:
            raise Failed("Every step passed, but not everything could be deleted again; see above.")

    def _step(self, name: str, act: Callable[[], str]) -> None:
        begun = time.monotonic()
        try:
            seen = act()
        except (Failed, requests.RequestException) as error:
            raise Failed(f"FAILED  {name}, after {time.monotonic() - begun:.1f} s: {error}") from None
        self._tell(f"{time.monotonic() - begun:5.2f} s  {name}: {seen}")

    def _answer_health(self) -> str:
        return f"version {self._ask('GET', '/health')['version']} at {self._url}"

    def _use_the_key(self) -> str:
        self._ask("GET", "/keys?limit=1")
        return "good, and an admin's"

    def _make_receiver(self) -> str:
        """The secret is known once the operational endpoint is there, and the source's URL once the source is."""
        self._made.append(f"/applications/{self._application_id}")  # with what else there will be, by the eraser
        body = {"application_id": self._application_id, "url": f"{self._url}/sources/none", "is_enabled": False}
        endpoint = self._ask("POST", "", body)
        self._path = f"/{endpoint['operational_endpoint_id']}"
        self._made.append(self._path)
        source = {"application_id": self._application_id, "kind": "svix", "secret": endpoint["secret"]}
        source_id = self._ask("POST", "/sources", source)["source_id"]
        self._made.append(f"/sources/{source_id}")
        self._ask("PATCH", self._path, {"url": f"{self._url}/sources/{source_id}", "is_enabled": True})
        self._ask("PUT", f"/policies/{self._application_id}", _POLICY)
        return f"a source of the stack itself, in the application {self._application_id}"

    def _report(self) -> str:
        signal = {
            "type": "message.attempt",
            "endpoint_id": _ENDPOINT,
            "message_id": "smoke",
            "attempt_number": 1,
            "outcome": "failed",
            "error": "other",
            "attempted_at": times.to_text(datetime.now(UTC)),
            "will_retry": False,
        }
        answer = self._ask("POST", "/signals", {"application_id": self._application_id, "signals": [signal]})
        if answer["accepted"] != 1:
            raise Failed(f"it was not accepted: {answer}. Is the clock of this machine right?")
        return "accepted"

    def _await_event(self) -> str:
        event = self._until(
            lambda: next(iter(self._ask("GET", f"/events?application_id={self._application_id}")["data"]), None),
            lambda: (
                "no event came of the signal. Look at Observer (make logs); docs/operations.md, When events are late"
            ),
        )
        if (event["type"], event["quiet"]) != ("message.attempt.exhausted", True):
            raise Failed(f"the signal became a {event['type']}, quiet: {event['quiet']}")
        return f"{event['event_id']} is a message.attempt.exhausted; it is quiet, so nobody is told"

    def _read_what_was_counted(self) -> str:
        about = f"application_id={self._application_id}"
        failures = self._ask("GET", f"/monitored_endpoints/{_ENDPOINT}?{about}")["consecutive_failures"]
        counted = self._ask("GET", f"/stats?{about}&endpoint_id={_ENDPOINT}")["summary"]["attempts"]
        if (failures, counted) != (1, 1):
            raise Failed(f"of one failed attempt {failures} failures and {counted} attempts were counted")
        return "one attempt, one failure"

    def _deliver(self) -> str:
        event_id, seen = self._ask("POST", f"{self._path}/test")["event_id"], "no attempt was made"

        def delivered() -> dict[str, Any] | None:
            nonlocal seen
            for attempt in self._ask("GET", f"/events/{event_id}/attempts")["data"][:1]:
                seen = _told(attempt)
                if attempt["status"] == "delivered":
                    return dict(attempt)
                if attempt["status"] != "retrying":
                    raise Failed(seen)
            return None

        look = "Look at Emitter and Delivery (make logs); docs/operations.md, When deliveries are late"
        attempt = self._until(delivered, lambda: f"{seen}. {look}")
        return (
            f"{event_id} was posted, and its signature verified by the source ({attempt['response_status_code']}), "
            f"at attempt {attempt['number']}"
        )

    def _clean_up(self) -> bool:
        """Whether everything could be deleted."""
        is_clean = True
        for path in reversed(self._made):
            try:
                self._ask("DELETE", path)
            except (Failed, requests.RequestException) as error:
                is_clean = False
                self._tell(f"LEFT    {path}: {error}")
        return is_clean

    def _until(self, find: Callable[[], Found | None], otherwise: Callable[[], str]) -> Found:
        ends_at = time.monotonic() + self._patience
        while (found := find()) is None:
            if time.monotonic() > ends_at:
                raise Failed(otherwise())
            time.sleep(_EVERY_SECONDS)
        return found


def _told(attempt: dict[str, Any]) -> str:
    answer = attempt["response_status_code"] or attempt["error"] or attempt["reason"]
    return f"attempt {attempt['number']} is {attempt['status']} ({answer}): {(attempt['response'] or '')[:300]}"
