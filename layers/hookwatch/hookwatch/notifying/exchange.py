"""One POST, as everything that works for it knows it: until when, to which networks, and how much may be heard."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from time import monotonic

from hookwatch.settings import Network

ANSWER_AT_MOST = 32 * 1024  # bytes of an answer as they come: interim answers, headers, framing, body


class Unintelligible(Exception):
    """What came is no HTTP, or has no end."""


class Exchange:
    """When its time is up it shuts its sockets, which ends whatever read or write waits on them."""

    def __init__(self, lasts: timedelta, allowed_networks: tuple[Network, ...]) -> None:
        self.allowed_networks = allowed_networks
        self.takes_kept = True
        self.heard = 0
        self._ends_at = monotonic() + lasts.total_seconds()
        self._timer = threading.Timer(lasts.total_seconds(), self._shut)
        self._timer.daemon = True
        self._sockets: list[socket.socket] = []
        self._is_shut = False
        self._lock = threading.Lock()

    @property
    def left(self) -> float:
        """Seconds; never zero, which a socket would take for non-blocking."""
        return max(0.001, self._ends_at - monotonic())

    @property
    def is_over(self) -> bool:
        return self._is_shut or monotonic() >= self._ends_at

    def watch(self, sock: socket.socket) -> None:
        with self._lock:
            self._sockets.append(sock)
        if self.is_over:
            self._shut()

    def let_go(self) -> bool:
        """From here on no socket is shut, for another POST may have it. False where one was."""
        with self._lock:
            self._sockets.clear()
            return not self._is_shut

    def hear(self, count: int) -> None:
        self.heard += count
        if self.heard > ANSWER_AT_MOST:
            raise Unintelligible("an answer without end")

    def _shut(self) -> None:
        with self._lock:
            self._is_shut = True
            for sock in self._sockets:
                try:
                    # Not SSLSocket.shutdown, which takes the TLS state away from under a reader.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
                except OSError:
                    continue  # closed, or never connected: it holds up nobody

    @contextmanager
    def running(self) -> Iterator[None]:
        self._timer.start()
        token = _exchange.set(self)
        try:
            yield
        finally:
            _exchange.reset(token)
            self._timer.cancel()


_exchange: ContextVar[Exchange] = ContextVar("exchange")
exchange = _exchange.get
