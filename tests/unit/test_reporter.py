"""docs/hookwatch_reporter.py, which platforms copy, against real HTTP servers."""

import gzip
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from docs import hookwatch_reporter
from docs.hookwatch_reporter import Reporter
from hookwatch.observing import bodies, reports

ROOT = Path(__file__).parents[2]
KEY = "hwk_k1_secret"
QUICK = {"interval": 0.02, "back_off": 0.02}
ACCEPTED = {"accepted": 1, "batch_id": "batch_1", "rejected": [], "ignored": []}


Answer = tuple[int, dict[str, str], bytes]
TAKEN: Answer = (202, {}, b"{}")


class Hookwatch:
    """Answers the n-th request with the n-th of `answers`, (status, headers, body), and then with the last of them."""

    def __init__(self, *answers: Answer) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.arrived = threading.Semaphore(0)
        self._answers = answers or ((202, {}, json.dumps(ACCEPTED).encode()),)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/live/api/v1/operational_webhooks"

    def __enter__(self) -> "Hookwatch":
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def signals(self) -> list[dict[str, Any]]:
        return [json.loads(line) for _, _, body in self.requests for line in gzip.decompress(body).split(b"\n")]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hookwatch = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hookwatch.requests.append((self.path, dict(self.headers), body))
                status, headers, content = hookwatch._answers[min(len(hookwatch.requests), len(hookwatch._answers)) - 1]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                hookwatch.arrived.release()

            def log_message(self, *_: object) -> None: ...

        return Handler


@contextmanager
def saying(answer: bytes | None) -> Iterator[str]:
    """The URL of a server that answers these bytes and hangs up; with None, says nothing until the test is over."""
    over = threading.Event()
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    if answer is None:
                        over.wait(10)
                    else:
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        over.set()
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextmanager
def reporter(url: str, **settings: Any) -> Iterator[Reporter]:
    made = Reporter(url, KEY, application_id="shop", **QUICK | settings)
    try:
        yield made
    finally:
        made.close(0)


def signal(number: int) -> dict[str, Any]:
    return {"type": "message.attempt", "endpoint_id": "erp", "message_id": f"m{number}", "attempt_number": 1}


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.005)


def counted(made: Reporter) -> tuple[int, int, int]:
    return made.sent, made.rejected, made.dropped


def test_signals_arrive_as_gzipped_lines_under_the_key_and_for_the_application() -> None:
    with Hookwatch() as hookwatch, reporter(hookwatch.url + "/") as made:
        for number in range(3):
            made.report(signal(number))
        made.close()
        [(path, headers, _)] = hookwatch.requests
        assert path == "/live/api/v1/operational_webhooks/signals?application_id=shop"
        assert headers["Authorization"] == f"Bearer {KEY}"
        assert (headers["Content-Type"], headers["Content-Encoding"]) == ("application/x-ndjson", "gzip")
        assert headers["Idempotency-Key"]
        assert hookwatch.signals == [signal(number) for number in range(3)]
        assert counted(made) == (3, 0, 0)


def test_what_it_sends_is_what_hookwatch_reads() -> None:
    told = signal(1) | {"outcome": "succeeded", "attempted_at": "2026-11-23T10:00:00Z", "error": None}
    with Hookwatch() as hookwatch, reporter(hookwatch.url) as made:
        made.report(told)
        made.report(told)
        made.close()
        [(_, headers, body)] = hookwatch.requests
    checked = reports.check(
        bodies.inflated(body, headers["Content-Encoding"]),
        received_at=datetime(2026, 11, 23, 10, tzinfo=UTC),
        is_strict=True,
        content_type=headers["Content-Type"],
        application_id="shop",
    )
    assert len(checked.signals) == 2


def test_a_thousand_signals_or_a_megabyte_go_out_at_once() -> None:
    with Hookwatch() as hookwatch, reporter(hookwatch.url, interval=10) as made:
        for number in range(2_100):
            made.report(signal(number))
        made.close()
        assert [len(gzip.decompress(body).split(b"\n")) for _, _, body in hookwatch.requests] == [1000, 1000, 100]
        assert hookwatch.signals == [signal(number) for number in range(2_100)]

    with Hookwatch() as hookwatch, reporter(hookwatch.url, interval=10) as made:
        for number in range(5):
            made.report(signal(number) | {"x": "x" * 400_000})
        made.close()
        assert [len(gzip.decompress(body)) <= 1_000_000 for _, _, body in hookwatch.requests] == [True] * 3
        assert counted(made) == (5, 0, 0)


def test_a_full_batch_does_not_wait_for_the_interval() -> None:
    with Hookwatch() as hookwatch, reporter(hookwatch.url, interval=60) as made:
        for number in range(1_000):
            made.report(signal(number))
        assert hookwatch.arrived.acquire(timeout=5)


def test_what_hookwatch_lists_as_malformed_is_counted_as_rejected() -> None:
    answer = ACCEPTED | {"rejected": [{"index": 0, "loc": [], "msg": "x"}, {"index": 0, "loc": ["a"], "msg": "y"}]}
    with Hookwatch((202, {}, json.dumps(answer).encode())) as hookwatch, reporter(hookwatch.url) as made:
        made.report({})
        made.report(signal(1))
        made.close()
        assert counted(made) == (1, 1, 0)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_the_same_bytes_go_out_under_the_same_key_until_they_are_taken(status: int) -> None:
    with (
        Hookwatch((status, {}, b""), (status, {}, b""), TAKEN) as hookwatch,
        reporter(hookwatch.url) as made,
    ):
        made.report(signal(1))
        eventually(lambda: made.sent == 1)
        first, *others = [(headers["Idempotency-Key"], body) for _, headers, body in hookwatch.requests]
        assert others == [first, first]
        made.report(signal(1))
        eventually(lambda: made.sent == 2)
        assert hookwatch.requests[-1][1]["Idempotency-Key"] != first[0]


def test_it_waits_as_long_as_retry_after_says() -> None:
    with Hookwatch((503, {"Retry-After": "1"}, b""), TAKEN) as hookwatch, reporter(hookwatch.url) as made:
        made.report(signal(1))
        assert hookwatch.arrived.acquire(timeout=5)
        began = time.monotonic()
        assert hookwatch.arrived.acquire(timeout=5)
        assert time.monotonic() - began > 0.9


@pytest.mark.parametrize("retry_after", ["", "soon", "-1", "Mon, 23 Nov 2026 10:00:00 GMT", "1e9", "²"])
def test_a_retry_after_that_is_no_number_of_seconds_is_not_waited_for(retry_after: str) -> None:
    with Hookwatch((503, {"Retry-After": retry_after}, b""), TAKEN) as hookwatch, reporter(hookwatch.url) as made:
        made.report(signal(1))
        eventually(lambda: made.sent == 1)


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 413, 422])
def test_what_is_refused_is_counted_and_not_repeated(status: int) -> None:
    with Hookwatch((status, {"Location": "/"}, b""), TAKEN) as hookwatch, reporter(hookwatch.url) as made:
        made.report(signal(1))
        eventually(lambda: made.rejected == 1)
        made.report(signal(2))
        eventually(lambda: made.sent == 1)
        assert len(hookwatch.requests) == 2


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b'{"rejected": 5}', b'{"rejected": [{"index": []}]}', b"\xff", b"[" * 100_000],
)
def test_a_202_counts_whatever_it_says(content: bytes) -> None:
    with Hookwatch((202, {}, content)) as hookwatch, reporter(hookwatch.url) as made:
        made.report(signal(1))
        eventually(lambda: made.sent == 1)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"",
        b"\0" * 1000,
        b"HTTP/1.1 abc\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 202 Accepted\r\nX: " + b"x" * 99_999,
    ],
    ids=["silence", "hangs up", "zeros", "no status", "another protocol", "an endless header"],
)
def test_a_server_that_answers_nothing_of_use_costs_the_host_nothing(answer: bytes | None) -> None:
    with saying(answer) as url, reporter(url, timeout=0.1) as made:
        began = time.monotonic()
        for number in range(1_000):
            made.report(signal(number))
        assert time.monotonic() - began < 1
        made.close(0.3)
        assert time.monotonic() - began < 2
        eventually(lambda: counted(made) == (0, 0, 1_000))


def test_an_answer_that_breaks_off_counts_once() -> None:
    with saying(b"HTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\nx") as url, reporter(url, timeout=0.1) as made:
        made.report(signal(1))
        made.close()
        assert sum(counted(made)) == 1


def test_where_nobody_listens_signals_are_dropped_oldest_first_and_counted() -> None:
    with Hookwatch() as hookwatch, reporter("http://127.0.0.1:1/", buffer_bytes=10_000, interval=60) as made:
        for number in range(1_000):
            made.report(signal(number))
        assert made.dropped > 800
        assert made._size <= 10_000
        newest = json.loads(made._buffer[-1])
        assert newest == signal(999)
        made.close(0)
        eventually(lambda: counted(made) == (0, 0, 1_000))
        assert hookwatch.requests == []


def test_a_batch_is_given_up_before_it_could_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hookwatch_reporter, "RETRY_SECONDS", 0.05)
    with Hookwatch((503, {}, b"")) as hookwatch, reporter(hookwatch.url) as made:
        made.report(signal(1))
        eventually(lambda: made.dropped == 1)
        made.report(signal(2))
        eventually(lambda: made.dropped == 2)
        assert len({headers["Idempotency-Key"] for _, headers, _ in hookwatch.requests}) == 2


@pytest.mark.parametrize("unfit", [{"x": {1}}, {"x": float("nan")}, {"x": "x" * 1_000_000}, {(1,): 1}])
def test_what_cannot_be_sent_is_rejected_and_does_not_raise(unfit: Any) -> None:
    with Hookwatch() as hookwatch, reporter(hookwatch.url) as made:
        made.report(unfit)
        made.report(signal(1))
        made.close()
        assert counted(made) == (1, 1, 0)


def test_closing_sends_what_is_left_and_tries_again_while_there_is_time() -> None:
    with Hookwatch((503, {}, b""), TAKEN) as hookwatch, reporter(hookwatch.url, interval=60) as made:
        made.report(signal(1))
        made.close(5)
        assert counted(made) == (1, 0, 0)
        made.report(signal(2))
        made.close(5)
        assert counted(made) == (1, 0, 1)


def test_many_threads_may_report() -> None:
    with Hookwatch() as hookwatch, reporter(hookwatch.url) as made:

        def work(worker: int) -> None:
            for number in range(500):
                made.report(signal(worker * 500 + number))

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        made.close(5)
        assert sorted(told["message_id"] for told in hookwatch.signals) == sorted(f"m{n}" for n in range(4_000))
        assert counted(made) == (4_000, 0, 0)


SCRIPT = """
import os, sys, time
from docs.hookwatch_reporter import Reporter
reporter = Reporter(sys.argv[1], "k", application_id="shop", interval=60)
reporter.report({"by": "parent"})
if sys.argv[2] == "fork":
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 0
    else:
        assert (reporter.sent, len(reporter._buffer)) == (0, 0)
        reporter.report({"by": "child"})
        reporter.close(5)
        os._exit(0 if reporter.sent == 1 else 1)
"""


@pytest.mark.parametrize(("how", "told"), [("exit", ["parent"]), ("fork", ["child", "parent"])])
def test_what_is_left_is_sent_at_exit_and_a_fork_sends_its_own_only(how: str, told: list[str]) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    with Hookwatch() as hookwatch:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, hookwatch.url, how],
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert [one["by"] for one in hookwatch.signals] == told


@pytest.mark.parametrize("url", ["", "example.com", "ftp://example.com", "https://", "/signals"])
def test_a_url_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        Reporter(url, KEY, application_id="shop")
