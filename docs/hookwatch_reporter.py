"""Reports signals to Hookwatch in the background. Copy this file into your platform: Python 3.10, no package.

    reporter = Reporter("https://…/api/v1/operational_webhooks", "hwk_…", application_id="shop")
    reporter.report({"type": "message.attempt", "endpoint_id": "erp", …})   # after your own work is acknowledged

`report` never blocks and never raises. What Hookwatch does not take in time is dropped, the oldest first, and counted:
`sent` (taken), `rejected` (malformed, or refused with a 4xx), `dropped` (no room, or no answer in time).
"""

import atexit
import gzip
import http.client
import json
import logging
import os
import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

SIGNALS_AT_MOST, REQUEST_BYTES = 1_000, 1_000_000  # what Hookwatch takes at once
RETRY_SECONDS = 240.0  # a batch that is repeated later than SQS's five minutes could count twice
BACK_OFF_SECONDS = 30.0  # at most, between two tries; a longer Retry-After counts as twice that

logger = logging.getLogger(__name__)


class Reporter:
    """One application's signals. A batch goes out every `interval`, or when a thousand are there; each request has
    `timeout`; between tries it waits `back_off`, doubled each time. All in seconds.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        application_id: str,
        buffer_bytes: int = 10_000_000,
        interval: float = 1.0,
        timeout: float = 1.0,
        back_off: float = 1.0,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the URL of Hookwatch begins with https:// and has a host")
        self._connection = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._host = parts.netloc
        self._path = f"{parts.path.rstrip('/')}/signals?application_id={quote(application_id, safe='')}"
        self._headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/x-ndjson",
            "Content-Encoding": "gzip",
        }
        self._buffer_bytes, self._interval, self._timeout = buffer_bytes, interval, timeout
        self._back_off = back_off
        self._start_afresh()
        if hasattr(os, "register_at_fork"):  # a child has neither the thread nor what the parent will send
            os.register_at_fork(after_in_child=self._start_afresh)
        atexit.register(self.close)

    def _start_afresh(self) -> None:
        self.sent = self.rejected = self.dropped = 0
        self._changed = threading.Condition()
        self._buffer: deque[bytes] = deque()
        self._size = 0
        self._closes_at: float | None = None
        self._thread: threading.Thread | None = None

    def report(self, signal: Mapping[str, Any]) -> None:
        """Takes a signal of `POST /signals`. Drops the oldest where there is no room."""
        try:
            line = json.dumps(signal, allow_nan=False, separators=(",", ":")).encode()
        except Exception:  # noqa: BLE001  # whatever was handed in, the platform goes on
            line = b""
        with self._changed:
            if not line or len(line) >= REQUEST_BYTES:
                self.rejected += 1
                return
            if self._closes_at is not None or len(line) > self._buffer_bytes:
                self.dropped += 1
                return
            while self._size + len(line) > self._buffer_bytes:
                self._size -= len(self._buffer.popleft())
                self.dropped += 1
            self._buffer.append(line)
            self._size += len(line)
            if len(self._buffer) in (1, SIGNALS_AT_MOST):  # there is something to wait with, or a full batch
                self._changed.notify_all()
            self._start()

    def close(self, timeout: float = 2.0) -> None:
        """Sends what is left, for `timeout` seconds; then drops it. Nothing is taken any more."""
        with self._changed:
            self._closes_at = time.monotonic() + timeout
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        with self._changed:
            self.dropped += len(self._buffer)
            self._buffer.clear()
            self._size = 0
        atexit.unregister(self.close)

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._run, name="hookwatch-reporter", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no thread can be had now; the next signal tries again
                return
            self._thread = thread

    def _run(self) -> None:
        while batch := self._next():
            try:
                self._deliver(batch)
            except Exception:  # noqa: BLE001  # whatever it is, the platform goes on, and so does the next batch
                self._give_up(batch, "this reporter failed")

    def _next(self) -> list[bytes]:
        """Up to a thousand lines, once there are as many or the interval is over; [] when closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._buffer or self._closes_at is not None)
            self._changed.wait_for(
                lambda: len(self._buffer) >= SIGNALS_AT_MOST or self._closes_at is not None, self._interval
            )
            batch: list[bytes] = []
            room = REQUEST_BYTES
            while self._buffer and len(batch) < SIGNALS_AT_MOST and len(self._buffer[0]) < room:
                batch.append(self._buffer.popleft())
                self._size -= len(batch[-1])
                room -= len(batch[-1]) + 1
            return batch

    def _deliver(self, batch: list[bytes]) -> None:
        body = gzip.compress(b"\n".join(batch), mtime=0)
        headers = {**self._headers, "Idempotency-Key": uuid.uuid4().hex}
        give_up_at, back_off = time.monotonic() + RETRY_SECONDS, self._back_off
        while True:
            try:
                status, retry_after, content = self._post(body, headers)
            except (OSError, http.client.HTTPException):
                status, retry_after, content = 0, 0.0, b""
            if 200 <= status < 300:
                return self._count(len(batch), rejected=_rejected(content))
            if 300 <= status < 500 and status != 429:
                logger.warning("Hookwatch refused %d signals with %d", len(batch), status)
                return self._count(len(batch), rejected=len(batch))
            wait = max(back_off * random.uniform(0.5, 1.0), min(retry_after, 2 * BACK_OFF_SECONDS))  # noqa: S311
            if not self._may_try_again(wait, give_up_at):
                return self._give_up(batch, f"the last answer was {status}" if status else "there was no answer")
            back_off = min(2 * back_off, BACK_OFF_SECONDS)

    def _may_try_again(self, wait: float, give_up_at: float) -> bool:
        """After `wait`, or at once when it is closed meanwhile. False where that is too late."""
        with self._changed:
            closes_at = self._closes_at
            if time.monotonic() + wait > (give_up_at if closes_at is None else min(give_up_at, closes_at)):
                return False
            self._changed.wait_for(lambda: self._closes_at != closes_at, wait)
            return True

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, float, bytes]:
        """(status, seconds of Retry-After, content). Follows no redirect: the key is for Hookwatch only."""
        give_up_at = time.monotonic() + self._timeout
        connection = self._connection(self._host, timeout=self._timeout)
        try:
            connection.request("POST", self._path, body, headers)
            response = connection.getresponse()
            content = b""
            while time.monotonic() < give_up_at and len(content) < REQUEST_BYTES and (part := response.read1(65_536)):
                content += part
            retry_after = response.headers.get("Retry-After", "")
            return response.status, float(retry_after) if retry_after.isdecimal() else 0.0, content
        finally:
            connection.close()

    def _count(self, signals: int, *, rejected: int) -> None:
        with self._changed:
            self.sent += signals - rejected
            self.rejected += rejected

    def _give_up(self, batch: list[bytes], reason: str) -> None:
        with self._changed:
            self.dropped += len(batch)
        logger.warning("%d signals did not reach Hookwatch: %s", len(batch), reason)


def _rejected(content: bytes) -> int:
    """How many signals of a request the answer lists as malformed; one can be there for several reasons."""
    try:
        return len({int(item["index"]) for item in json.loads(content)["rejected"]})
    except (ValueError, TypeError, LookupError, RecursionError):
        return 0  # it was taken, and what was said of it cannot be read
