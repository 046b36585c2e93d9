"""One POST: its deadline, its connection, what is made of an answer. Real sockets, TLS included."""

import ipaddress
import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from hookwatch.notifying import connections
from hookwatch.notifying.retry import Failed, Responded
from hookwatch.notifying.sender import KEPT, READ_AT_MOST, Sender
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
    reads,
    reset,
    say_nothing,
    sends,
    sends_without_end,
    then,
)

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
DEADLINE = timedelta(seconds=0.3)
IN_TIME = 2
LONG = timedelta(seconds=10)
DELIVERED = Responded(200, body=b"ok")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 and its key, in one file."""
    return make_certificate(tmp_path_factory.mktemp("tls") / "receiver.pem")


@pytest.fixture(params=["http", "https"])
def tls(request: pytest.FixtureRequest, certificate: Path) -> Path | None:
    return certificate if request.param == "https" else None


def sender(tls: Path | None = None, deadline: timedelta = LONG) -> Sender:
    made = Sender(LOOPBACK, allow_http=True, deadline=deadline)
    if tls:
        made.tls.load_verify_locations(tls)
    return made


def post(sender: Sender, url: str) -> object:
    return sender.post(url, "{}", {})


# ── the deadline ──

SLOW = [
    pytest.param(say_nothing, id="says nothing"),
    pytest.param(drips(b""), id="drips its status"),
    pytest.param(drips(b"HTTP/1.1 200 OK\r\nX-Slow: "), id="drips a header"),
    pytest.param(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"), id="drips a body"),
    pytest.param(drips(b"HTTP/1.1 200 OK\r\n\r\n"), id="drips a body without length"),
]


@pytest.mark.parametrize("answer", SLOW)
def test_the_deadline_ends_it_whatever_the_receiver_does(tls: Path | None, answer: Answer) -> None:
    with Listener(answer, certificate=tls) as listener:
        started = time.monotonic()
        assert post(sender(tls, DEADLINE), listener.url) == Failed("timeout")
        assert time.monotonic() - started < IN_TIME


@pytest.mark.parametrize("answer", SLOW[:3])
def test_the_deadline_ends_it_on_a_kept_connection_too_and_shuts_that(tls: Path | None, answer: Answer) -> None:
    sending = sender(tls, DEADLINE)
    with Listener(in_turn(sends(OK), answer), keeping, certificate=tls) as listener:
        assert post(sending, listener.url) == DELIVERED
        started = time.monotonic()
        assert post(sending, listener.url) == Failed("timeout")
        assert time.monotonic() - started < IN_TIME
        assert listener.connections == 1
        assert post(sending, listener.url) == DELIVERED
        assert listener.connections == 2


@pytest.mark.parametrize("answer", [say_nothing, drips(b"\x16\x03\x03\x10\x00")], ids=["says nothing", "drips"])
def test_the_deadline_ends_a_tls_handshake(answer: Answer) -> None:
    with Listener(answer, reads=False) as listener:
        started = time.monotonic()
        assert post(sender(deadline=DEADLINE), listener.url.replace("http", "https")) == Failed("timeout")
        assert time.monotonic() - started < IN_TIME


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port of every address of loopback that answers no SYN: its queue is full."""
    with socket.create_server(("0.0.0.0", 0), backlog=0) as server, ExitStack() as stack:  # noqa: S104  # to reach nobody
        port = server.getsockname()[1]
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        time.sleep(0.1)
        yield port


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_that_is_not_made_within_its_time_is_a_timeout(
    monkeypatch: pytest.MonkeyPatch, dead_port: int, scheme: str
) -> None:
    monkeypatch.setattr(connections, "CONNECT_TIMEOUT", timedelta(seconds=0.2))
    started = time.monotonic()
    assert post(sender(), f"{scheme}://127.0.0.1:{dead_port}/") == Failed("timeout")
    assert time.monotonic() - started < LONG.total_seconds() / 2


def test_many_addresses_that_hang_are_given_up_at_the_deadline(monkeypatch: pytest.MonkeyPatch, dead_port: int) -> None:
    """A millisecond for each of them that the deadline leaves would be many seconds."""
    look_up = socket.getaddrinfo
    many = [f"127.0.{high}.{low}" for high in range(32) for low in range(256)]

    def lead(host: str, port: int, *args: int, **kwargs: int) -> list[object]:
        names = many if host == "receiver.example" else [host]
        return [info for name in names for info in look_up(name, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", lead)
    started = time.monotonic()
    assert post(sender(deadline=DEADLINE), f"http://receiver.example:{dead_port}/") == Failed("timeout")
    assert time.monotonic() - started < IN_TIME


def test_a_body_may_take_longer_to_write_than_a_connection_to_make(
    monkeypatch: pytest.MonkeyPatch, tls: Path | None
) -> None:
    monkeypatch.setattr(connections, "CONNECT_TIMEOUT", timedelta(seconds=0.2))
    with Listener(then(sends(0.6), reads, sends(OK)), certificate=tls, reads=False) as listener:
        assert sender(tls).post(listener.url, "x" * 8_000_000, {}) == DELIVERED


def test_no_thread_is_left_behind() -> None:
    before, sending = threading.active_count(), sender()
    with Listener(keeping) as listener:
        for _ in range(20):
            assert post(sending, listener.url) == DELIVERED
        time.sleep(0.2)
        assert threading.active_count() <= before + 2  # the listener's own


# ── kept connections ──


def test_a_connection_is_kept_and_used_again(tls: Path | None) -> None:
    sending = sender(tls)
    with Listener(keeping, certificate=tls) as listener:
        for _ in range(3):
            assert post(sending, listener.url) == DELIVERED
        assert listener.connections == 1


@pytest.mark.parametrize("dies", [hang_up, reset], ids=["closed", "reset"])
def test_a_kept_connection_that_dies_before_an_answer_is_tried_once_anew(tls: Path | None, dies: Answer) -> None:
    sending = sender(tls)
    with Listener(in_turn(sends(OK), dies), keeping, certificate=tls) as listener:
        assert post(sending, listener.url) == DELIVERED
        assert post(sending, listener.url) == DELIVERED
        assert listener.connections == 2


@pytest.mark.parametrize("dies", [hang_up, reset], ids=["closed", "reset"])
def test_it_is_not_tried_a_third_time(tls: Path | None, dies: Answer) -> None:
    sending = sender(tls)
    with Listener(in_turn(sends(OK), dies), dies, keeping, certificate=tls) as listener:
        assert post(sending, listener.url) == DELIVERED
        assert post(sending, listener.url) == Failed("connection")
        assert listener.connections == 2


@pytest.mark.parametrize("dies", [hang_up, reset], ids=["closed", "reset"])
def test_a_connection_of_its_own_is_not_tried_anew(tls: Path | None, dies: Answer) -> None:
    with Listener(dies, keeping, certificate=tls) as listener:
        assert post(sender(tls), listener.url) == Failed("connection")
        assert listener.connections == 1


@pytest.mark.parametrize("dies", [hang_up, reset], ids=["closed", "reset"])
@pytest.mark.parametrize("began", [b"H", b"HTTP/1.1 200 OK\r\nContent-Le", OK[:-1]], ids=len)
def test_after_a_byte_of_an_answer_nothing_is_tried_anew(tls: Path | None, began: bytes, dies: Answer) -> None:
    sending = sender(tls)
    with Listener(in_turn(sends(OK), then(sends(began, 0.1), dies)), keeping, certificate=tls) as listener:
        assert post(sending, listener.url) == DELIVERED
        assert post(sending, listener.url) == Failed("connection")
        assert listener.connections == 1


def test_what_is_tried_anew_takes_no_other_kept_connection(tls: Path | None) -> None:
    sending, both = sender(tls), threading.Barrier(2)

    def once(connection: socket.socket) -> None:
        both.wait(timeout=5)
        in_turn(sends(OK), hang_up)(connection)

    with Listener(once, once, keeping, certificate=tls) as listener, ThreadPoolExecutor() as threads:
        assert list(threads.map(lambda _: post(sending, listener.url), range(2))) == [DELIVERED] * 2
        assert post(sending, listener.url) == DELIVERED
        assert listener.connections == 3


def test_one_that_the_receiver_closed_meanwhile_is_not_used(tls: Path | None) -> None:
    sending = sender(tls)
    with Listener(sends(OK), certificate=tls) as listener:
        for _ in range(3):
            assert post(sending, listener.url) == DELIVERED
        assert listener.connections == 3


@pytest.mark.parametrize(
    ("length", "connections"),
    [pytest.param(READ_AT_MOST, 1, id="read to its end"), pytest.param(READ_AT_MOST + 1, 2, id="a byte too long")],
)
def test_an_answer_that_is_not_read_to_its_end_closes_the_connection(
    tls: Path | None, length: int, connections: int
) -> None:
    answer = sends(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + BLOCK[:length])
    sending = sender(tls)
    with Listener(in_turn(answer, answer), certificate=tls) as listener:
        for _ in range(2):
            assert post(sending, listener.url) == Responded(200, body=BLOCK[:KEPT])
        assert listener.connections == connections


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"HTTP/1.0 200 OK\r\n", id="HTTP 1.0"),
        pytest.param(b"HTTP/1.1 200 OK\r\nConnection: close\r\n", id="close"),
    ],
)
def test_a_receiver_may_not_want_it_kept(head: bytes) -> None:
    sending = sender()
    with Listener(sends(head + b"Content-Length: 2\r\n\r\nok")) as listener:
        for _ in range(2):
            assert post(sending, listener.url) == DELIVERED
        assert listener.connections == 2


@pytest.mark.parametrize("limit", ["IDLE_AT_MOST", "AGE_AT_MOST"])
def test_one_that_is_too_old_is_not_used(monkeypatch: pytest.MonkeyPatch, tls: Path | None, limit: str) -> None:
    monkeypatch.setattr(connections, limit, timedelta(seconds=0.15))
    sending = sender(tls)
    with Listener(keeping, certificate=tls) as listener:
        for _ in range(2):
            assert post(sending, listener.url) == DELIVERED
            time.sleep(0.2)
        assert listener.connections == 2


def test_only_so_many_receivers_connections_are_kept() -> None:
    closed, sending, more = threading.Semaphore(0), sender(), 5

    def answer(connection: socket.socket) -> None:
        then(sends(OK), say_nothing)(connection)
        closed.release()

    with ExitStack() as stack:
        for _ in range(connections.KEPT_RECEIVERS + more):
            assert post(sending, stack.enter_context(Listener(answer)).url) == DELIVERED
        for _ in range(more):
            assert closed.acquire(timeout=5)
        assert not closed.acquire(timeout=0.2)


@pytest.mark.parametrize("cookie", [b"a=b", b"a=b; expires=Wed, 21 Omt 2015 07:28:00 GMT"])
def test_no_cookie_is_read_or_sent_back(cookie: bytes) -> None:
    sending = sender()
    cookie = OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: " + cookie + b"\r\n\r\n")
    with Listener(in_turn(sends(cookie), sends(cookie))) as listener:
        for _ in range(2):
            assert post(sending, listener.url) == DELIVERED
        assert b"cookie" not in b"".join(listener.requests).lower()


# ── who answers ──


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Path) -> None:
    with Listener(keeping, certificate=certificate) as listener:
        assert post(sender(), listener.url) == Failed("tls")
        assert listener.requests == []


def test_a_certificate_is_asked_for_and_judged_by_the_name_of_the_url(tmp_path: Path) -> None:
    """Though the connection goes to an address."""
    certificate = make_certificate(tmp_path / "localhost.pem", "localhost")
    with Listener(keeping, certificate=certificate) as listener:
        sending = sender(certificate)
        assert post(sending, listener.url.replace("127.0.0.1", "localhost")) == DELIVERED
        assert post(sending, listener.url) == Failed("tls")
        assert listener.names == ["localhost", None]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_host_may_be_an_ipv6_address(tmp_path: Path, scheme: str) -> None:
    certificate = make_certificate(tmp_path / "ipv6.pem", "::1") if scheme == "https" else None
    with Listener(keeping, certificate=certificate, host="::1") as listener:
        assert post(sender(certificate), listener.url) == DELIVERED
        assert f"Host: [::1]:{listener.port}".encode() in listener.requests[0]


@pytest.mark.parametrize("url", ["https://", "http://:80/", "ftp://127.0.0.1/", "http://[::1", "http://127.0.0.1:x/"])
def test_a_url_that_leads_nowhere_is_no_failure_of_a_connection(url: str) -> None:
    assert post(sender(), url) == Failed("other")


# ── what is made of an answer ──


def test_a_redirect_is_an_answer_and_its_body_is_not_read() -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 1000000000\r\n\r\n"
    with Listener(sends_without_end(head)) as listener:
        assert post(sender(), listener.url) == Responded(302, body=BLOCK[:KEPT])


@pytest.mark.parametrize("status", [b"100 Continue", b"101 Switching Protocols", b"103 Early Hints", b"199 What"])
def test_an_interim_answer_is_not_the_answer(status: bytes) -> None:
    interim = b"HTTP/1.1 " + status + b"\r\nLink: </style.css>\r\n\r\n"
    with Listener(in_turn(sends(interim, interim, 0.1, OK), sends(OK))) as listener:
        sending = sender()
        for _ in range(2):
            assert post(sending, listener.url) == DELIVERED


def test_the_url_is_not_logged_whatever_the_headers_are(caplog: pytest.LogCaptureFixture) -> None:
    broken = OK.replace(b"\r\n\r\n", b"\r\nno header\r\nX: y\r\n\r\n")
    with caplog.at_level(logging.WARNING), Listener(sends(broken)) as listener:
        assert isinstance(post(sender(), listener.url + "a-secret-path"), Responded)
    assert "a-secret-path" not in caplog.text
