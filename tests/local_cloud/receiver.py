"""A receiver of operational events: a real HTTP server that verifies each POST with the standardwebhooks package."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks import Webhook, WebhookVerificationError


@dataclass(frozen=True)
class Receipt:
    """One POST as it arrived. `attempt` counts the POSTs with its `webhook_id`; `arrived_at` in epoch seconds."""

    webhook_id: str
    body: dict[str, Any]
    headers: dict[str, str]
    is_verified: bool
    attempt: int
    arrived_at: float
    status: int
    raw: bytes

    @property
    def type(self) -> str:
        return str(self.body["type"])

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.body["data"]
        return data


class Receiver:
    """Listens on a port of 127.0.0.1. `answers` says with which status a POST is answered."""

    def __init__(self, answers: Callable[[dict[str, Any], int], int] = lambda _body, _attempt: 200) -> None:
        self.secret: str | None = None
        self.receipts: list[Receipt] = []
        self._answers = answers
        self._attempts: Counter[str] = Counter()
        self._arrived = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = receiver._receive(body, {name.lower(): value for name, value in self.headers.items()})
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Says nothing: what arrived is in `receipts`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hookwatch"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def accepted(self) -> list[Receipt]:
        """What was answered with 2xx: events that this receiver has."""
        with self._arrived:
            return [receipt for receipt in self.receipts if 200 <= receipt.status < 300]

    def wait_until(self, is_so: Callable[[], bool], seconds: float) -> bool:
        """Looks again whenever something arrives."""
        ends_at = time.monotonic() + seconds
        with self._arrived:
            return self._arrived.wait_for(is_so, max(0.0, ends_at - time.monotonic()))

    def _receive(self, raw: bytes, headers: dict[str, str]) -> int:
        arrived_at, body = time.time(), json.loads(raw)
        is_verified = self._verify(raw, headers)
        with self._arrived:
            self._attempts[headers["webhook-id"]] += 1
            attempt = self._attempts[headers["webhook-id"]]
        status = self._answers(body, attempt)
        with self._arrived:
            self.receipts.append(
                Receipt(headers["webhook-id"], body, headers, is_verified, attempt, arrived_at, status, raw)
            )
            self._arrived.notify_all()
        return status

    def _verify(self, raw: bytes, headers: dict[str, str]) -> bool:
        if self.secret is None:
            return False
        try:
            Webhook(self.secret).verify(raw, headers)
        except WebhookVerificationError:
            return False
        return True
