"""Receivers that are slow, broken or hostile, made of plain sockets, with TLS and without."""

import ipaddress
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BLOCK = b"x" * 65536

# What is done with a connection once its first request has been read, if it is read. Then it is closed.
Answer = Callable[[socket.socket], None]


class Listener:
    """Listens on a port of 127.0.0.1, or another address of loopback. The nth connection gets the nth answer, and those
    that follow the last one."""

    def __init__(
        self, *answers: Answer, certificate: Path | None = None, host: str = "127.0.0.1", reads: bool = True
    ) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self.names: list[str | None] = []
        self._answers, self._reads = answers, reads
        self._tls: ssl.SSLContext | None = None
        if certificate:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
            self._tls.sni_callback = lambda _socket, name, _context: self.names.append(name)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._server = socket.create_server((host, 0), family=family)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self.port: int = self._server.getsockname()[1]
        self.url = f"{'https' if certificate else 'http'}://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(timeout=5)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                answer = self._answers[min(self.connections, len(self._answers) - 1)]
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection, answer), daemon=True).start()

    def _serve(self, connection: socket.socket, answer: Answer) -> None:
        with suppress(OSError), connection:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                if self._reads:
                    self.requests.append(read_request(connection))
                answer(connection)


def read_request(connection: socket.socket) -> bytes:
    """To its end, for to close a connection with something unread resets it. Returns how it begins; nothing where none
    comes any more."""
    request = b""
    while b"\r\n\r\n" not in request:
        if not (part := connection.recv(65536)):
            return b""
        request += part
    head, _, body = request.partition(b"\r\n\r\n")
    left = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]) - len(body)
    while left > 0 and (part := connection.recv(65536)):
        left -= len(part)
    return request


# ── answers ──


def say_nothing(connection: socket.socket) -> None:
    while connection.recv(1):
        pass


def hang_up(_connection: socket.socket) -> None:
    """Closes the connection, as is done with each."""


def reads(connection: socket.socket) -> None:
    read_request(connection)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def sends(*parts: bytes | float) -> Answer:
    """Bytes are sent; a number is a pause, in seconds."""

    def answer(connection: socket.socket) -> None:
        for part in parts:
            if isinstance(part, bytes):
                connection.sendall(part)
            else:
                time.sleep(part)

    return answer


def drips(head: bytes, pause: float = 0.1) -> Answer:
    """Sends `head`, and then a byte at a time, as long as somebody listens."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(b"x")
            time.sleep(pause)

    return answer


def sends_without_end(head: bytes, block: bytes = BLOCK) -> Answer:
    """As fast as it can, as long as somebody listens."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(block)

    return answer


def then(*answers: Answer) -> Answer:
    """One thing after the other, in answer to one request."""

    def answer(connection: socket.socket) -> None:
        for each in answers:
            each(connection)

    return answer


def in_turn(*answers: Answer) -> Answer:
    """Keeps the connection: its nth request gets the nth answer."""

    def answer(connection: socket.socket) -> None:
        for number, each in enumerate(answers):
            if number and not read_request(connection):
                return
            each(connection)

    return answer


def keeping(connection: socket.socket) -> None:
    """Answers every request of the connection with 200."""
    connection.sendall(OK)
    while read_request(connection):
        connection.sendall(OK)


# ── certificates ──


def make_certificate(path: Path, host: str = "127.0.0.1", *, is_expired: bool = False) -> Path:
    """A certificate that vouches for itself, and its key, in one file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    try:
        subject: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        subject = x509.DNSName(host)
    since, until = (now - timedelta(days=2), now - timedelta(days=1)) if is_expired else (now, now + timedelta(days=1))
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), since, until)
    for extension in (
        x509.SubjectAlternativeName([subject]),
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()),
    ):
        builder = builder.add_extension(extension, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    made = builder.sign(key, hashes.SHA256())
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path
