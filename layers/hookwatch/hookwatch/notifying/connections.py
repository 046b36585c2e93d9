"""Connections to receivers: to judged addresses only, shut by a deadline, bounded in what they hear, kept for a while.

`requests` and `urllib3` do the HTTP. What is added knows the POST that it works for by `exchange()`.
"""

import http.client
import io
import logging
import socket
import ssl
import threading
from datetime import timedelta
from queue import Empty, SimpleQueue
from time import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError
from urllib3.util.ssl_ import create_urllib3_context

from hookwatch.notifying import addresses
from hookwatch.notifying.addresses import Address
from hookwatch.notifying.exchange import Unintelligible, exchange

CONNECT_TIMEOUT = timedelta(seconds=3)
KEPT_RECEIVERS, KEPT_EACH = 32, 10  # a function may have 1,024 files open (Lambda quotas); ten threads post
TRIED_AT_MOST = 4  # addresses of a name; one with thousands would have us scan somebody's ports
IDLE_AT_MOST, AGE_AT_MOST = timedelta(seconds=60), timedelta(minutes=5)

# Of an answer with broken headers it logs the URL, and many a receiver's URL is a secret.
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)


class Refused(Exception):
    """The name leads to an address that is not allowed."""


class Unresolved(Exception):
    """The name leads nowhere, or nowhere in time."""


class Stale(Exception):
    """A kept connection died before the first byte of an answer: it was dead before, or the receiver hung up on it."""


def resolve(host: str, port: int, timeout: float) -> list[Address]:
    """Every address of a name, each once. getaddrinfo knows no time-out, so it runs on a thread of its own.

    Raises:
        Unresolved: there is none, or none within `timeout` seconds.
    """
    answers: SimpleQueue[list[Address] | OSError | ValueError] = SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, ValueError) as error:  # ValueError: a label too long, a NUL
            answers.put(error)
        else:
            answers.put([address for info in found if (address := addresses.parse(str(info[4][0])))])

    threading.Thread(target=look_up, daemon=True).start()
    try:
        answer = answers.get(timeout=timeout)
    except Empty:
        raise Unresolved(f"{host}: no answer in time") from None
    if not isinstance(answer, list) or not answer:
        raise Unresolved(host)
    return list(dict.fromkeys(answer))


class _Wire(io.RawIOBase):
    """A socket's bytes, told to the exchange as they come."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self.has_ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        count = self._raw.readinto(buffer)
        self.has_ended = not count
        exchange().hear(count or 0)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._wire = _Wire(self.fp.detach())
        self.fp = io.BufferedReader(self._wire)

    def begin(self) -> None:
        try:
            super().begin()
        except ConnectionError:
            raise  # also RemoteDisconnected, an HTTPException
        except http.client.HTTPException as error:
            if not self._wire.has_ended:
                raise Unintelligible(str(error)) from error
        if self._wire.has_ended:  # http.client takes that for the end of the headers
            raise ConnectionResetError("the answer ends within its headers")

    def _read_status(self) -> tuple[str, int, str]:
        """Any interim answer (RFC 9110 §15.2) is read over, as http.client does with a 100 only."""
        version, status, reason = super()._read_status()  # type: ignore[misc]  # not in its types
        return version, 100 if status < 200 else status, reason


class _Guarded(HTTPConnection):
    """Connects only to addresses that were judged, and lets the exchange see its socket."""

    response_class = _Answer
    _has_answered = False
    _connected_at = _idle_since = 0.0

    @property
    def is_usable(self) -> bool:
        """Whether a POST may go over it, where it was kept. By the clock of the wall, for a frozen function's monotonic
        clock may stand still."""
        now = time()
        return (
            0 <= now - self._idle_since <= IDLE_AT_MOST.total_seconds()
            and 0 <= now - self._connected_at <= AGE_AT_MOST.total_seconds()
        )

    def rests(self) -> None:
        self._idle_since = time()

    def _new_conn(self) -> socket.socket:
        found = resolve(self._dns_host, self.port, exchange().left)
        for address in found:
            if not addresses.is_allowed(address, exchange().allowed_networks):
                raise Refused(str(address))
        failure: Exception = OSError("no time left")
        for address in found[:TRIED_AT_MOST]:
            if exchange().is_over:
                break
            try:
                sock = socket.create_connection((str(address), self.port), _connect_timeout())
            except TimeoutError:
                failure = ConnectTimeoutError(self, f"{address} does not answer")
            except OSError as error:
                failure = error
            else:
                sock.settimeout(_connect_timeout())  # for the whole of a TLS handshake
                # Else the body waits, on a kept connection, until the headers are acknowledged: 40 ms.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return sock
        raise failure

    def connect(self) -> None:
        self._has_answered, self._connected_at = False, time()
        super().connect()
        if self.sock is not None:
            self.sock.settimeout(exchange().left)
            exchange().watch(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        self.timeout = exchange().left  # of a write on a kept connection
        if self.sock is not None:
            exchange().watch(self.sock)
        try:
            super().request(*args, **kwargs)
        except ssl.SSLError as error:
            raise BrokenPipeError from error  # as without TLS: urllib3 looks for an answer all the same

    def getresponse(self) -> Any:
        try:
            response = super().getresponse()
        except TimeoutError:
            raise
        except OSError as error:
            if self._has_answered and not exchange().heard and not exchange().is_over:
                raise Stale from error
            raise
        self._has_answered = True
        return response


class _GuardedTls(_Guarded, HTTPSConnection):
    pass


def _connect_timeout() -> float:
    return min(CONNECT_TIMEOUT.total_seconds(), exchange().left)


class _Pool(HTTPConnectionPool):
    """The connections to one receiver. One that is closed connects anew when it is used."""

    ConnectionCls = _Guarded

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection: Any = super()._get_conn(timeout)
        if not (exchange().takes_kept and connection.is_usable):
            connection.close()
        return connection

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            if not exchange().let_go():
                conn.close()
            conn.rests()
        super()._put_conn(conn)


class _TlsPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _GuardedTls


class Adapter(HTTPAdapter):
    """Keeps a pool for each of the last receivers. The exchange is the caller's."""

    def __init__(self) -> None:
        # One for all: to read the certificates takes 17 ms and 0.7 MB, which else each connection would.
        self.tls = create_urllib3_context()
        self.tls.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
        super().__init__(pool_connections=KEPT_RECEIVERS, pool_maxsize=KEPT_EACH, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self.tls)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def build_response(self, req: Any, resp: Any) -> requests.Response:  # noqa: ARG002
        """Without cookies, whose parser warns of what a receiver makes up."""
        response = requests.Response()
        response.status_code, response.raw = resp.status, resp
        response.headers = CaseInsensitiveDict(resp.headers)
        return response

    def cert_verify(self, *args: Any) -> None:
        """Nothing: what is trusted is in the context."""
