"""What becomes of a delivery, whatever its receiver does: the verdict, the record, the time and the memory."""

import ipaddress
import socket
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hookwatch import times
from hookwatch.notifying import attempts as on_record
from hookwatch.notifying.queue import Delivery
from hookwatch.notifying.retry import Failed, Outcome, Responded
from hookwatch.notifying.sender import KEPT, Sender
from tests.in_process.api import call
from tests.in_process.aws import Aws
from tests.in_process.deliveries import attempts, deliver, owed, record, register, register_receiver
from tests.in_process.hostile import (
    BLOCK,
    OK,
    Answer,
    Listener,
    drips,
    hang_up,
    in_turn,
    keeping,
    make_certificate,
    reset,
    say_nothing,
    sends,
    sends_without_end,
    then,
)
from tests.local_cloud.receiver import Receiver

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
DEADLINE = timedelta(seconds=0.6)
LONG = timedelta(seconds=10)
MEMORY = 2 * 1024 * 1024
FIRST_WAIT = timedelta(seconds=5)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "receiver.pem")


@pytest.fixture(params=["http", "https"])
def tls(request: pytest.FixtureRequest, certificate: Path) -> Path | None:
    return certificate if request.param == "https" else None


@pytest.fixture(autouse=True)
def sender(aws: Aws, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Sender:
    """The delivery function's, meanwhile. It trusts the certificate of these tests."""
    made = make_sender(certificate, LONG)
    monkeypatch.setattr(aws.function("delivery"), "sender", made)
    return made


@pytest.fixture
def hurried(sender: Sender, aws: Aws, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001  # is replaced
    """Has a short deadline."""
    monkeypatch.setattr(aws.function("delivery"), "sender", make_sender(certificate, DEADLINE))


@pytest.fixture(autouse=True)
def empty_queue(aws: Aws) -> None:
    aws.take("Retries")


def make_sender(certificate: Path, deadline: timedelta) -> Sender:
    made = Sender(LOOPBACK, allow_http=True, deadline=deadline)
    made.tls.load_verify_locations(certificate)
    return made


@dataclass(frozen=True)
class Recorded:
    """What is on record of an attempt."""

    status: str
    response_status_code: int | None = None
    response: bytes | None = None
    error: str | None = None

    @classmethod
    def of(cls, delivery: Delivery) -> "Recorded":
        """Of the only one."""
        [attempt] = on_record.of_event(delivery.event_id)
        return cls(attempt.status, attempt.response_status_code, attempt.response, attempt.error)


def failed(error: str) -> Recorded:
    return Recorded("retrying", error=error)


def answered(status: str, code: int, response: bytes = b"") -> Recorded:
    return Recorded(status, code, response)


def attempt_at(aws: Aws, url: str) -> Recorded:
    delivery = owed(register(aws, url))
    assert deliver(aws, record(delivery)) == []
    return Recorded.of(delivery)


def http(status: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    lines = [b"HTTP/1.1 " + status, *headers, b"Content-Length: %d" % len(body), b"", body]
    return b"\r\n".join(lines)


# ── what it answers ──


@pytest.mark.parametrize(
    ("answer", "recorded"),
    [
        pytest.param(http(b"200 OK", body=b"ok"), answered("delivered", 200, b"ok"), id="200"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", answered("delivered", 204), id="204"),
        pytest.param(http(b"301 Moved", b"Location: http://10.0.0.1/"), answered("retrying", 301), id="301"),
        pytest.param(http(b"400 Bad Request", body=b"why"), answered("retrying", 400, b"why"), id="400"),
        pytest.param(http(b"408 Request Timeout"), answered("retrying", 408), id="408"),
        pytest.param(http(b"410 Gone"), answered("given_up", 410), id="410"),
        pytest.param(http(b"429 Too Many Requests"), answered("retrying", 429), id="429"),
        pytest.param(http(b"500 Oops"), answered("retrying", 500), id="500"),
        pytest.param(http(b"503 Unavailable"), answered("retrying", 503), id="503"),
        pytest.param(http(b"999 What"), answered("retrying", 999), id="a code that nobody knows"),
        pytest.param(http(b"103 Early Hints") + OK, answered("delivered", 200, b"ok"), id="an interim answer first"),
        pytest.param(b"HTTP/1.0 200\r\n\r\nok", answered("delivered", 200, b"ok"), id="no length, no reason"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            answered("delivered", 200, b"ok"),
            id="chunks",
        ),
        pytest.param(
            http(b"200 OK", b"Content-Encoding: gzip", body=b"no gzip"),
            answered("delivered", 200, b"no gzip"),
            id="an encoding that it has not",
        ),
        pytest.param(http(b"200 OK", body=BLOCK), answered("delivered", 200, BLOCK[:KEPT]), id="64 KB"),
        pytest.param(b"<html>ok</html>\r\n", failed("other"), id="no HTTP"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", failed("other"), id="another protocol"),
        pytest.param(b"HTTP/2.0 200 OK\r\n\r\n", failed("other"), id="a version that was not asked for"),
        pytest.param(b"HTTP/1.1 2xx OK\r\n\r\n", failed("other"), id="a status that is no number"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n", failed("other"), id="101 headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + BLOCK + b"\r\n\r\n", failed("other"), id="a header of 64 KB"),
    ],
)
def test_what_an_answer_comes_to(aws: Aws, tls: Path | None, answer: bytes, recorded: Recorded) -> None:
    with Listener(sends(answer), certificate=tls) as listener:
        assert attempt_at(aws, listener.url) == recorded
        assert listener.connections == 1


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        pytest.param("120", 120, id="seconds"),
        pytest.param(" 120 ", 120, id="seconds and spaces"),
        pytest.param("0", 5, id="no seconds"),
        pytest.param("000000000000120", 120, id="zeros first"),
        pytest.param("{soon} GMT", 590, id="a date"),
        pytest.param("{soon} -0000", 590, id="a date of an unknown zone"),
        pytest.param("Sun, 06 Nov 1994 08:49:37 GMT", 5, id="a date in the past"),
        pytest.param("Sunday, 06-Nov-94 08:49:37 GMT", 5, id="a date of old form in the past"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", 3600, id="a date that is far"),
        pytest.param("Fri, 31 Dec 99999 23:59:59 GMT", 5, id="a year that is none"),
        pytest.param("Fri, 31 Dec 99999999999999999999 23:59:59 GMT", 5, id="a year of twenty digits"),
        pytest.param("Mon, 01 Jan 2035 00:00:00 +99999999999999999999", 5, id="a zone of twenty digits"),
        pytest.param("-5", 5, id="negative"),
        pytest.param("1.5", 5, id="a fraction"),
        pytest.param("9" * 30, 3600, id="huge"),
        pytest.param("9" * 9000, 3600, id="of nine thousand digits"),
        pytest.param("soon", 5, id="garbage"),
        pytest.param("", 5, id="empty"),
        pytest.param("²", 5, id="not ASCII"),
    ],
)
@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Unavailable"])
def test_retry_after_is_a_floor_of_an_hour_at_most(aws: Aws, status: str, retry_after: str, wait: int) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=600)).strftime("%a, %d %b %Y %H:%M:%S")
    answer = http(status.encode(), b"Retry-After: " + retry_after.format(soon=soon).encode())
    assert timedelta(seconds=wait) <= next_wait(aws, answer) <= timedelta(seconds=wait * 1.2 + 15)


def test_retry_after_of_another_answer_counts_for_nothing(aws: Aws) -> None:
    assert next_wait(aws, http(b"500 Oops", b"Retry-After: 600")) <= FIRST_WAIT * 1.2 + timedelta(seconds=10)


def next_wait(aws: Aws, answer: bytes) -> timedelta:
    with Listener(sends(answer)) as listener:
        delivery, before = owed(register(aws, listener.url)), datetime.now(UTC)
        deliver(aws, record(delivery))
    [attempt] = attempts(aws, delivery)
    assert attempt["status"] == "retrying"
    return times.from_text(attempt["next_attempt_at"]) - before


@pytest.mark.parametrize(
    ("body", "text", "base64"),
    [
        pytest.param(b"a\x00b", "a\x00b", None, id="a NUL"),
        pytest.param("日本".encode(), "日本", None, id="UTF-8"),
        pytest.param(b"\xff\xfe\x00", None, "//4A", id="broken UTF-8"),
        pytest.param(b"", "", None, id="nothing"),
    ],
)
def test_any_bytes_are_an_answer_and_are_shown(aws: Aws, body: bytes, text: str | None, base64: str | None) -> None:
    with Listener(sends(http(b"200 OK", body=body))) as listener:
        operational_endpoint_id = register(aws, listener.url)
        delivery = owed(operational_endpoint_id)
        deliver(aws, record(delivery))
    assert Recorded.of(delivery) == answered("delivered", 200, body)
    status, page = call(aws, "GET", f"/{operational_endpoint_id}/attempts")
    [shown] = page["data"]
    assert (status, shown["response"], shown["response_base64"]) == (200, text, base64)


# ── how its connection ends ──


@pytest.mark.parametrize("ends", [hang_up, reset], ids=["closed", "reset"])
@pytest.mark.parametrize(
    "began",
    [
        pytest.param(b"", id="before an answer"),
        pytest.param(b"HTTP/1.1 2", id="in the status"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-A: b\r\n", id="in the headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", id="in the body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf", id="in a chunk"),
    ],
)
def test_a_connection_that_ends_before_its_answer_does_is_a_failure(
    aws: Aws, tls: Path | None, began: bytes, ends: Answer
) -> None:
    with Listener(then(sends(began, 0.05), ends), certificate=tls) as listener:
        assert attempt_at(aws, listener.url) == failed("connection")
        assert listener.connections == 1


def test_a_kept_connection_that_dies_as_we_write_is_tried_once_anew_within_the_attempt(
    aws: Aws, tls: Path | None
) -> None:
    with Listener(in_turn(sends(OK), hang_up), keeping, certificate=tls) as listener:
        for _ in range(2):
            assert attempt_at(aws, listener.url) == answered("delivered", 200, b"ok")
        assert listener.connections == 2


def test_where_the_new_one_dies_too_the_attempt_has_failed(aws: Aws, tls: Path | None) -> None:
    with Listener(in_turn(sends(OK), hang_up), hang_up, keeping, certificate=tls) as listener:
        attempt_at(aws, listener.url)
        assert attempt_at(aws, listener.url) == failed("connection")
        assert listener.connections == 2


def test_nobody_listens(aws: Aws) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    assert attempt_at(aws, f"https://127.0.0.1:{port}/") == failed("connection")


# ── who it says it is ──


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.2", "localhost"])
def test_a_certificate_of_another_host_is_refused(aws: Aws, sender: Sender, tmp_path: Path, host: str) -> None:
    certificate = make_certificate(tmp_path / "other.pem", host)
    sender.tls.load_verify_locations(certificate)
    with Listener(keeping, certificate=certificate) as listener:
        assert attempt_at(aws, listener.url) == failed("tls")
        assert listener.requests == []


def test_an_expired_certificate_is_refused(aws: Aws, sender: Sender, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path / "expired.pem", is_expired=True)
    sender.tls.load_verify_locations(certificate)
    with Listener(keeping, certificate=certificate) as listener:
        assert attempt_at(aws, listener.url) == failed("tls")
        assert listener.requests == []


def test_a_certificate_that_only_it_vouches_for_is_refused(aws: Aws, tmp_path: Path) -> None:
    with Listener(keeping, certificate=make_certificate(tmp_path / "own.pem")) as listener:
        assert attempt_at(aws, listener.url) == failed("tls")
        assert listener.requests == []


def test_no_tls_where_tls_is_expected(aws: Aws) -> None:
    with Listener(sends(OK), reads=False) as listener:
        assert attempt_at(aws, listener.url.replace("http", "https")) == failed("tls")


# ── how long it takes ──


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(say_nothing, id="says nothing"),
        pytest.param(drips(b"HTTP/1.1 200 OK\r\nX-Slow: "), id="drips a header"),
        pytest.param(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"), id="drips a body"),
    ],
)
def test_one_that_takes_too_long_is_a_timeout(aws: Aws, tls: Path | None, answer: Answer) -> None:
    with Listener(answer, certificate=tls) as listener:
        started = time.monotonic()
        assert attempt_at(aws, listener.url) == failed("timeout")
        assert time.monotonic() - started < DEADLINE.total_seconds() * 5


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    ("takes", "recorded"),
    [
        pytest.param(0.1, [answered("delivered", 200, b"ok")], id="less"),
        pytest.param(1.2, [failed("timeout")], id="more"),
        pytest.param(0.6, [answered("delivered", 200, b"ok"), failed("timeout")], id="exactly"),
    ],
)
def test_an_answer_at_the_deadline_is_either_delivered_or_a_timeout(
    aws: Aws, takes: float, recorded: list[Recorded]
) -> None:
    with Listener(then(sends(takes, OK), say_nothing)) as listener:
        assert attempt_at(aws, listener.url) in recorded


def test_one_that_hangs_costs_the_others_of_its_batch_nothing(aws: Aws) -> None:
    may_answer = threading.Event()

    def hang(connection: socket.socket) -> None:
        may_answer.wait(timeout=9)
        connection.sendall(OK)

    with Listener(hang) as hanging, Receiver() as receiver, ThreadPoolExecutor() as threads:
        slow = owed(register(aws, hanging.url))
        others = [owed(register_receiver(aws, receiver)) for _ in range(9)]
        batch = [record(slow), *map(record, others)]
        answer = threads.submit(deliver, aws, *batch)
        while not all(attempts(aws, other) for other in others):
            assert not answer.done()
            time.sleep(0.05)
        assert attempts(aws, slow) == []
        may_answer.set()
        assert answer.result() == []
    assert [Recorded.of(delivery).status for delivery in (slow, *others)] == ["delivered"] * 10


# ── how much it sends ──

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
KILOBYTE = Responded(200, body=BLOCK[:KEPT])


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        pytest.param(sends_without_end(b"HTTP/1.1 200 OK\r\n\r\n"), KILOBYTE, id="a body"),
        pytest.param(sends_without_end(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"), KILOBYTE, id="1 GB"),
        pytest.param(sends_without_end(CHUNKED, b"4000\r\n" + BLOCK[:0x4000] + b"\r\n"), KILOBYTE, id="chunks"),
        pytest.param(sends_without_end(CHUNKED, b"1\r\nx\r\n" * 9000), KILOBYTE, id="small chunks"),
        pytest.param(sends_without_end(CHUNKED + b"1;"), Responded(200), id="what extends a chunk"),
        pytest.param(sends_without_end(CHUNKED + b"0\r\n", b"x: y\r\n" * 9000), Responded(200), id="trailers"),
        pytest.param(sends_without_end(b""), Failed("other"), id="a status"),
        pytest.param(sends_without_end(b"HTTP/1.1 200 OK\r\nX: "), Failed("other"), id="a header"),
        pytest.param(sends_without_end(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 9000), Failed("other"), id="headers"),
        pytest.param(
            sends_without_end(b"HTTP/1.1 200 OK\r\n", (b"x: " + BLOCK[:60000] + b"\r\n")),
            Failed("other"),
            id="long headers",
        ),
        pytest.param(sends_without_end(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000), Failed("other"), id="interim"),
    ],
)
def test_what_has_no_end_is_read_and_remembered_no_further_than_it_must_be(
    certificate: Path, tls: Path | None, answer: Answer, outcome: Outcome
) -> None:
    sending = make_sender(certificate, LONG)
    with Listener(sends(OK), answer, certificate=tls) as listener:
        sending.post(listener.url, "{}", {})  # what is loaded once is no burden
        tracemalloc.start()
        started = time.monotonic()
        try:
            assert sending.post(listener.url, "{}", {}) == outcome
            assert tracemalloc.get_traced_memory()[1] < MEMORY
        finally:
            tracemalloc.stop()
        assert time.monotonic() - started < LONG.total_seconds() / 2
