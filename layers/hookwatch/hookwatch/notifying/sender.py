"""One HTTPS POST to a receiver that may be slow, broken or hostile.

The name is resolved once and every address it leads to is judged; the connection goes to one that was judged. A
deadline shuts the socket, for the time-outs of `requests` bound each read and not the whole. Redirects are never
followed, and neither a proxy nor a certificate store from the environment is used.
"""

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

import hookwatch
from hookwatch.notifying import addresses
from hookwatch.notifying.addresses import Address
from hookwatch.notifying.retry import Blocked, Failed, Outcome, Responded
from hookwatch.settings import Network

CONNECT_TIMEOUT = timedelta(seconds=3)
DEADLINE = timedelta(seconds=10)
READ_AT_MOST = 16 * 1024
KEPT = 1024


class _Refused(Exception):
    """The name leads to an address that is not allowed."""


class _Unresolved(Exception):
    """The name leads nowhere, or nowhere in time."""


class _Deadline:
    """Shuts the sockets of one POST when its time is up, which ends whatever read or write waits on them."""

    def __init__(self, after: timedelta) -> None:
        self._ends_at = monotonic() + after.total_seconds()
        self._timer = threading.Timer(after.total_seconds(), self._shut)
        self._timer.daemon = True
        self._sockets: list[socket.socket] = []
        self._is_shut = False
        self._lock = threading.Lock()

    @property
    def left(self) -> float:
        """Seconds."""
        return self._ends_at - monotonic()

    @property
    def is_over(self) -> bool:
        return self._is_shut or self.left <= 0

    def watch(self, sock: socket.socket) -> None:
        with self._lock:
            self._sockets.append(sock)
        if self.is_over:
            self._shut()

    def _shut(self) -> None:
        self._is_shut = True
        with self._lock:
            for sock in self._sockets:
                try:
                    # Not SSLSocket.shutdown, which takes the TLS state away from under a reader.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
                except OSError:
                    continue  # closed, or never connected: it holds up nobody

    @contextmanager
    def running(self) -> Iterator[None]:
        self._timer.start()
        token = _deadline.set(self)
        try:
            yield
        finally:
            _deadline.reset(token)
            self._timer.cancel()


_deadline: ContextVar[_Deadline] = ContextVar("deadline")


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """None: requests would read the whole body of a redirect, even of one that it does not follow."""
        return None


class Sender:
    def __init__(
        self, allowed_networks: tuple[Network, ...], *, allow_http: bool, deadline: timedelta = DEADLINE
    ) -> None:
        self._deadline = deadline
        self._allow_http = allow_http
        self._session = _Session()
        self._session.trust_env = False
        self._session.headers.clear()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = _GuardedAdapter(allowed_networks)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def post(self, url: str, body: str, headers: Mapping[str, str]) -> Outcome:
        """Posts once and says how it ended. Reads at most 16 KB of the answer and keeps 1 KB."""
        if not url.lower().startswith("https://") and not self._allow_http:
            return Blocked("http")
        deadline = _Deadline(self._deadline)
        sent = {
            "content-type": "application/json",
            "user-agent": f"Hookwatch/{hookwatch.__version__}",
            **headers,
            "connection": "close",
        }
        with deadline.running():
            try:
                return self._post(url, body.encode(), sent)
            except _Refused as error:
                return Blocked(str(error))
            except _Unresolved:
                return Failed("dns")
            except (requests.exceptions.SSLError, ssl.SSLError):
                return Failed("timeout" if deadline.is_over else "tls")
            except (requests.Timeout, TimeoutError, urllib3.exceptions.TimeoutError):
                return Failed("timeout")
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, OSError):
                return Failed("timeout" if deadline.is_over else "connection")
            except (requests.RequestException, urllib3.exceptions.HTTPError, RuntimeError, ValueError):
                return Failed("timeout" if deadline.is_over else "other")

    def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        timeouts = (CONNECT_TIMEOUT.total_seconds(), self._deadline.total_seconds())
        with self._session.post(
            url, data=body, headers=headers, timeout=timeouts, allow_redirects=False, stream=True
        ) as response:
            answer = _read(response.raw)
            if _deadline.get().is_over:
                return Failed("timeout")
            return Responded(response.status_code, _retry_after(response.headers.get("retry-after")), answer)


def _read(raw: Any) -> bytes:
    """The first kilobyte, having read no more than 16: a receiver that sends without end is told no more."""
    kept, read = b"", 0
    while read < READ_AT_MOST:
        part: bytes = raw.read1(min(4096, READ_AT_MOST - read), decode_content=False)
        if not part:
            break
        read += len(part)
        kept = (kept + part)[:KEPT]
    return kept


def _retry_after(value: str | None) -> timedelta | None:
    """Seconds or a date (RFC 9110 §10.2.3); None where it is neither."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return timedelta(seconds=min(int(value[:9]), 10**8))
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(timedelta(), moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC))


def resolve(host: str, port: int, timeout: float) -> list[Address]:
    """Every address of a name, each once. getaddrinfo knows no time-out, so it runs on a thread of its own.

    Raises:
        _Unresolved: there is none, or none within `timeout` seconds.
    """
    answers: SimpleQueue[list[Address] | OSError | UnicodeError] = SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            answers.put(error)
        else:
            answers.put([address for info in found if (address := addresses.parse(str(info[4][0])))])

    threading.Thread(target=look_up, daemon=True).start()
    try:
        answer = answers.get(timeout=max(0.0, timeout))
    except Empty:
        raise _Unresolved(f"{host}: no answer in time") from None
    if not isinstance(answer, list) or not answer:
        raise _Unresolved(host)
    return list(dict.fromkeys(answer))


class _Guarded(HTTPConnection):
    """Connects only to addresses that were judged, and lets the deadline see its socket."""

    allowed_networks: tuple[Network, ...] = ()

    def _new_conn(self) -> socket.socket:
        deadline = _deadline.get()
        found = resolve(self._dns_host, self.port, deadline.left)
        for address in found:
            if not addresses.is_allowed(address, self.allowed_networks):
                raise _Refused(str(address))
        failure: OSError = OSError("no address")
        for address in found:
            try:
                timeout = max(0.001, min(CONNECT_TIMEOUT.total_seconds(), deadline.left))
                sock = socket.create_connection((str(address), self.port), timeout)
            except OSError as error:
                failure = error
                continue
            deadline.watch(sock)
            return sock
        raise failure

    def connect(self) -> None:
        super().connect()
        if self.sock is not None:
            _deadline.get().watch(self.sock)  # over TLS it is another one: wrapping detaches the first


class _GuardedAdapter(HTTPAdapter):
    def __init__(self, allowed_networks: tuple[Network, ...]) -> None:
        self._allowed_networks = allowed_networks
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        guard = {"allowed_networks": self._allowed_networks}
        plain = type("GuardedHTTPConnection", (_Guarded,), guard)
        tls = type("GuardedHTTPSConnection", (_Guarded, HTTPSConnection), guard)
        self.poolmanager.pool_classes_by_scheme = {
            "http": type("GuardedHTTPPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("GuardedHTTPSPool", (HTTPSConnectionPool,), {"ConnectionCls": tls}),
        }
