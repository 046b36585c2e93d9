"""One POST to receivers that are slow or hostile: real sockets, TLS included."""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hookwatch.notifying.retry import Failed, Responded
from hookwatch.notifying.sender import KEPT, Sender

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
DEADLINE = timedelta(seconds=1)
Answer = Callable[[socket.socket], None]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 and its key, in one file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + DEADLINE * 600
    )
    made = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    path = tmp_path_factory.mktemp("tls") / "receiver.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@contextmanager
def listening(answer: Answer, certificate: Path | None) -> Iterator[str]:
    """A server that hands its first connection to `answer`. Yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = server.accept()
                if certificate:
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(certificate)
                    connection = context.wrap_socket(connection, server_side=True)
                with connection:
                    connection.recv(65536)
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{server.getsockname()[1]}/"
    thread.join(timeout=5)


def drip_headers(connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 100:
        connection.send(bytes([byte]))
        time.sleep(0.1)


def drip_body(connection: socket.socket) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    for _ in range(100):
        connection.send(b"x")
        time.sleep(0.1)


def say_nothing(connection: socket.socket) -> None:
    while connection.recv(1):
        pass


def redirect_without_end(connection: socket.socket) -> None:
    connection.send(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 1000000000\r\n\r\n")
    while connection.send(b"x" * 65536):
        pass


@pytest.mark.parametrize("is_tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("answer", [say_nothing, drip_headers, drip_body])
def test_the_deadline_ends_it_whatever_the_receiver_does(certificate: Path, answer: Answer, is_tls: bool) -> None:
    sender = Sender(LOOPBACK, allow_http=True, deadline=DEADLINE)
    sender._session.verify = str(certificate)
    with listening(answer, certificate if is_tls else None) as url:
        started = time.monotonic()
        outcome = sender.post(url, "{}", {})
        took = time.monotonic() - started
    assert outcome == Failed("timeout")
    assert took < DEADLINE.total_seconds() * 3


def test_a_redirect_is_an_answer_and_its_body_is_not_read() -> None:
    with listening(redirect_without_end, None) as url:
        outcome = Sender(LOOPBACK, allow_http=True, deadline=timedelta(seconds=5)).post(url, "{}", {})
    assert isinstance(outcome, Responded)
    assert (outcome.status_code, len(outcome.body)) == (302, KEPT)


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Path) -> None:
    with listening(say_nothing, certificate) as url:
        assert Sender(LOOPBACK, allow_http=False, deadline=DEADLINE).post(url, "{}", {}) == Failed("tls")
