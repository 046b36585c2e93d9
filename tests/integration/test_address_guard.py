"""What a hostile URL, name or environment tries, so that a POST goes where it must not.

The resolver says what a test tells it, and leads every other name to loopback, where a canary listens: whichever
part of a URL is taken for its host, it is a way to the canary. Connections to other machines are noted, never made.
"""

import ipaddress
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hookwatch.notifying.retry import Blocked, Failed, Responded
from hookwatch.notifying.sender import Sender
from tests.in_process import hostile

VECTORS: dict[str, list[str]] = json.loads((Path(__file__).parents[1] / "vectors/ssrf_addresses.json").read_text())
DEADLINE = timedelta(seconds=1)
PUBLIC = "93.184.216.34"
NAME = "receiver.example"
Info = tuple[int, int, int, str, tuple[Any, ...]]


class Network:
    """The resolver, a canary on loopback, and a note of every connection that is attempted."""

    def __init__(self, canary: socket.socket) -> None:
        self.looked_up: list[str] = []
        self.dialled: list[str] = []
        self.port = canary.getsockname()[1]
        self.swallows = False
        self._canary = canary
        self._answers: dict[str, list[list[str] | Exception]] = {}
        self._getaddrinfo, self._connect = socket.getaddrinfo, socket.socket.connect
        self._may_answer = threading.Event()
        self._may_answer.set()

    def lead(self, name: str, *answers: list[str] | Exception) -> None:
        """Each look-up of `name` gets the next answer, and then the last one again."""
        self._answers[name] = list(answers)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        self._may_answer.clear()
        try:
            yield
        finally:
            self._may_answer.set()

    def getaddrinfo(self, host: str, port: int, *_: int, **__: int) -> list[Any]:
        with suppress(socket.gaierror):
            return self._getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        self.looked_up.append(host)
        self._may_answer.wait(timeout=10)
        answers = self._answers.get(host, [["127.0.0.1"]])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return [info(address, port) for address in answer]

    def connect(self, sock: socket.socket, address: tuple[Any, ...]) -> None:
        self.dialled.append(address[0])
        if self.swallows:
            time.sleep(sock.gettimeout() or 0)
            raise TimeoutError
        if not ipaddress.ip_address(address[0]).is_loopback:
            raise ConnectionRefusedError
        self._connect(sock, address)

    @property
    def is_untouched(self) -> bool:
        """No connection was attempted, and none is waiting to be accepted."""
        with suppress(BlockingIOError):
            self._canary.accept()[0].close()
            return False
        return not self.dialled


def info(address: str, port: int) -> Info:
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as canary:
        canary.setblocking(False)
        network = Network(canary)

        def connect(sock: socket.socket, address: tuple[Any, ...]) -> None:
            network.connect(sock, address)

        monkeypatch.setattr(socket, "getaddrinfo", network.getaddrinfo)
        monkeypatch.setattr(socket.socket, "connect", connect)
        yield network


class Receiver:
    """Answers each request with `answer` and hangs up."""

    def __init__(self, server: socket.socket, answer: str) -> None:
        self.port = server.getsockname()[1]
        self.requests: list[bytes] = []
        self._server, self._answer = server, answer

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                with connection, suppress(OSError):
                    self.requests.append(connection.recv(65536))
                    connection.sendall(f"HTTP/1.1 {self._answer}Content-Length: 0\r\n\r\n".encode())


@contextmanager
def receiving(answer: str = "204 No Content\r\n") -> Iterator[Receiver]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        receiver = Receiver(server, answer)
        thread = threading.Thread(target=receiver.serve, daemon=True)
        thread.start()
        yield receiver
        server.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=5)


def sender(*allowed: str, allow_http: bool = True) -> Sender:
    networks = tuple(ipaddress.ip_network(network) for network in allowed)
    return Sender(networks, allow_http=allow_http, deadline=DEADLINE)


# ── URLs ──


def test_the_canary_is_reached_where_it_is_allowed(network: Network) -> None:
    assert sender("127.0.0.0/8").post(f"http://{NAME}:{network.port}/", "{}", {}) == Failed("timeout")
    assert not network.is_untouched
    assert (network.looked_up, network.dialled) == ([NAME], ["127.0.0.1"])


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.1", "127.0.0.1"),
        ("127.000.000.001", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0x7f.0x0.0x0.0x1", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("127.255.255.254", "127.255.255.254"),
        ("%31%32%37.0.0.1", "127.0.0.1"),
        ("127%2e0%2e0%2e1", "127.0.0.1"),
        ("0", "0.0.0.0"),  # noqa: S104
        ("0.0.0.0", "0.0.0.0"),  # noqa: S104
        ("[::]", "::"),
        ("[::1]", "::1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("[::1%25]", "::1"),
        ("[::127.0.0.1]", "::7f00:1"),
        ("[::ffff:127.0.0.1]", "::ffff:7f00:1"),
        ("[::ffff:7f00:1]", "::ffff:7f00:1"),
        ("[0:0:0:0:0:ffff:127.0.0.1]", "::ffff:7f00:1"),
        ("[::ffff:0:127.0.0.1]", "::ffff:0:7f00:1"),
        ("[64:ff9b::127.0.0.1]", "64:ff9b::7f00:1"),
        ("[64:ff9b:1::127.0.0.1]", "64:ff9b:1::7f00:1"),
        ("[2002:7f00:1::]", "2002:7f00:1::"),
    ],
)
def test_loopback_is_blocked_however_it_is_spelled(network: Network, host: str, address: str) -> None:
    outcome = sender().post(f"http://{host}:{network.port}/", "{}", {})

    assert isinstance(outcome, Blocked)
    assert ipaddress.ip_address(outcome.address) == ipaddress.ip_address(address)
    assert network.is_untouched
    assert network.looked_up == []


@pytest.mark.parametrize(
    "host",
    [
        NAME,
        "localhost",
        "LOCALHOST.",
        "LocalHost",
        "%6c%6f%63%61%6c%68%6f%73%74",
        "127.0.0.1.",
        "127.0.0.1.nip.example",
        "127.0.0.1;allowed.example",
        "127.0.0.1,allowed.example",
        "allowed.example%40127.0.0.1",
        "[::1%25lo]",
        "[::1%lo]",
        "[fe80::1%25lo]",
        "4294967297",
        "xn--",
    ],
)
def test_a_host_that_only_a_resolver_takes_for_loopback_is_blocked(network: Network, host: str) -> None:
    assert sender().post(f"http://{host}:{network.port}/", "{}", {}) == Blocked("127.0.0.1")
    assert network.is_untouched
    assert len(network.looked_up) == 1


@pytest.mark.parametrize(
    "url",
    [
        "HTTP://127.0.0.1:{port}/",
        " http://127.0.0.1:{port}/",
        "http://@127.0.0.1:{port}/",
        "http://allowed.example@127.0.0.1:{port}/",
        "http://allowed.example:80@127.0.0.1:{port}/",
        "http://allowed.example%2f@127.0.0.1:{port}/",
        "http://user:password@127.0.0.1:{port}/",
        "http://[::1]:{port}@allowed.example:{port}/",
        "http://127.0.0.1:{port}#@allowed.example/",
        "http://127.0.0.1:{port}?@allowed.example/",
        "http://127.0.0.1:{port}\\@allowed.example/",
        "http://allowed.example:{port}\\@127.0.0.1/",
        "http://allowed.example:{port}#@127.0.0.1/",
        "http://127.0.0.1:{port}/..;@allowed.example/",
    ],
)
def test_whatever_part_of_a_url_is_its_host_it_is_judged(network: Network, url: str) -> None:
    assert sender().post(url.format(port=network.port), "{}", {}) == Blocked("127.0.0.1")
    assert network.is_untouched


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:{port}",
        "//127.0.0.1:{port}/",
        "http:",
        "http://",
        "http:127.0.0.1:{port}/",
        "http:/127.0.0.1:{port}/",
        "http:///127.0.0.1:{port}/",
        "http:/\\127.0.0.1:{port}/",
        "\thttp://127.0.0.1:{port}/",
        "http://\t127.0.0.1:{port}/",
        "http://12\t7.0.0.1:{port}/",
        "http://127.0.0.1\r\n:{port}/",
        "http://127.0.0.1 allowed.example:{port}/",
        "http://127.0.0.1\x00.allowed.example:{port}/",
        "http://127.0.0.1%00.allowed.example:{port}/",
        "http://127.0.0.1%0d%0a:{port}/",
        "http://127.0.0.1:{port}:{port}/",
        "http://127.0.0.1:65536/",
        "http://127.0.0.1:-1/",
        "http://[::1:{port}/",
        "http://::1:{port}/",
        "http://%5b::1%5d:{port}/",
        "http://[::1%25127.0.0.1]:{port}/",
        "http://[v1.127.0.0.1]:{port}/",
        "http://\uff11\uff12\uff17.0.0.1:{port}/",
        "http://127\u30020\u30020\u30021:{port}/",
        "http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460:{port}/",
        "http://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3:{port}/",
        "http://127.0.0.1\u200b:{port}/",
        "http+unix://127.0.0.1:{port}/",
        "httpx://127.0.0.1:{port}/",
        "ftp://127.0.0.1:{port}/",
        "file:///etc/hostname",
    ],
)
def test_what_is_no_url_of_http_leads_nowhere_or_is_blocked(network: Network, url: str) -> None:
    outcome = sender().post(url.format(port=network.port), "{}", {})

    assert isinstance(outcome, Failed | Blocked)
    assert network.is_untouched


@pytest.mark.parametrize(
    "url", ["http://{name}/", "HTTP://{name}/", " http://{name}/", "ftp://{name}/", "//{name}/", ""]
)
def test_without_tls_nothing_is_even_looked_up_unless_it_is_allowed(network: Network, url: str) -> None:
    assert sender("127.0.0.0/8", allow_http=False).post(url.format(name=NAME), "{}", {}) == Blocked("http")
    assert network.is_untouched
    assert network.looked_up == []


@pytest.mark.parametrize("port", [0, 1, 22, 80, 443, 6379, 65535])
def test_a_port_changes_nothing(network: Network, port: int) -> None:
    assert sender().post(f"http://127.0.0.1:{port}/", "{}", {}) == Blocked("127.0.0.1")
    assert sender().post(f"https://{NAME}:{port}/", "{}", {}) == Blocked("127.0.0.1")
    assert network.is_untouched


# ── answers of the resolver ──


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("address", VECTORS["refuse"])
def test_an_address_of_the_vectors_is_blocked_as_a_host_and_as_an_answer(
    network: Network, address: str, scheme: str
) -> None:
    network.lead(NAME, [address])
    host = f"[{address}]" if ":" in address else address

    assert isinstance(sender().post(f"{scheme}://{host}:{network.port}/", "{}", {}), Blocked)
    assert isinstance(sender().post(f"{scheme}://{NAME}:{network.port}/", "{}", {}), Blocked)
    assert network.is_untouched


@pytest.mark.parametrize("address", VECTORS["allow"])
def test_a_public_address_is_dialled_and_no_other(network: Network, address: str) -> None:
    network.lead(NAME, [address])

    assert sender().post(f"https://{NAME}/", "{}", {}) == Failed("connection")
    assert network.dialled == [address]


@pytest.mark.parametrize(
    "address",
    [
        "fe80::1%lo",
        "fe80::1%1",
        "::1%lo",
        "::ffff:127.0.0.1%lo",
        "::ffff:169.254.169.254",
        "::ffff:0:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b::6440:1",
        "64:ff9b:1::169.254.169.254",
        "2002:a9fe:a9fe::1",
        "2001:0:a9fe:a9fe::1",
        "2001:0:808:808::5601:5601",
        "fd00:ec2::23",
        "169.254.170.2",
        "169.254.169.253",
        "192.88.99.1",
    ],
)
def test_an_answer_inside_another_form_or_scope_is_blocked(network: Network, address: str) -> None:
    network.lead(NAME, [address])

    assert isinstance(sender().post(f"https://{NAME}/", "{}", {}), Blocked)
    assert network.is_untouched


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        (["127.0.0.1", "::1"], "::1"),
        (["::1", "127.0.0.1"], "::1"),
        (["127.0.0.1", "10.0.0.1", "127.0.0.1"], "10.0.0.1"),
        ([PUBLIC, "169.254.169.254"], "169.254.169.254"),
        (["169.254.169.254", PUBLIC], "169.254.169.254"),
        ([PUBLIC, "::ffff:10.0.0.1"], "::ffff:a00:1"),
        (["2606:4700:4700::1111", "fd00:ec2::254"], "fd00:ec2::254"),
        ([*(f"93.184.{n}.34" for n in range(256)), "10.0.0.1"], "10.0.0.1"),
        (["10.0.0.1", *(f"93.184.{n}.34" for n in range(256))], "10.0.0.1"),
        ([*["127.0.0.1"] * 500, "0.0.0.0"], "0.0.0.0"),  # noqa: S104
    ],
    ids=lambda value: f"{len(value)} answers" if isinstance(value, list) else value,
)
def test_one_refused_address_among_the_answers_blocks_them_all(
    network: Network, answer: list[str], refused: str
) -> None:
    network.lead(NAME, answer)
    outcome = sender("127.0.0.1/32").post(f"http://{NAME}:{network.port}/", "{}", {})

    assert isinstance(outcome, Blocked)
    assert ipaddress.ip_address(outcome.address) == ipaddress.ip_address(refused)
    assert network.is_untouched


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "169.254.169.254", "0.0.0.0", "::1", "::", "::7f00:1", "::ffff:10.0.0.1", "64:ff9b::a00:1"],  # noqa: S104
)
def test_allowing_loopback_allows_nothing_else(network: Network, address: str) -> None:
    network.lead(NAME, [address])

    assert isinstance(sender("127.0.0.0/8").post(f"http://{NAME}:{network.port}/", "{}", {}), Blocked)
    assert network.is_untouched


@pytest.mark.parametrize(
    "answer",
    [
        [],
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
        UnicodeError("label too long"),
        ["no address"],
    ],
    ids=repr,
)
def test_a_name_without_an_address_fails(network: Network, answer: list[str] | Exception) -> None:
    network.lead(NAME, answer)

    assert sender().post(f"http://{NAME}:{network.port}/", "{}", {}) == Failed("dns")
    assert network.is_untouched


@pytest.mark.parametrize("host", ["a..b", "127.0.0.1..", f"{'a' * 64}.example", f"{'a.' * 200}example"], ids=len)
def test_a_name_that_cannot_be_one_leads_nowhere(network: Network, host: str) -> None:
    network.lead(host, socket.gaierror(socket.EAI_NONAME, "Name or service not known"))

    assert sender().post(f"http://{host}:{network.port}/", "{}", {}) == Failed("dns")
    assert network.is_untouched


@pytest.mark.parametrize("header", ["", "Connection: close\r\n", "Connection: keep-alive\r\n"])
def test_a_name_is_looked_up_once_for_a_connection_and_judged_anew_for_the_next(network: Network, header: str) -> None:
    network.lead(NAME, ["127.0.0.1"], ["::1"])
    guarded = sender("127.0.0.1/32")
    with receiving(f"204 No Content\r\n{header}") as receiver:
        first = guarded.post(f"http://{NAME}:{receiver.port}/", "{}", {})
        looked_up, dialled = list(network.looked_up), list(network.dialled)
        second = guarded.post(f"http://{NAME}:{receiver.port}/", "{}", {})

    assert (first, looked_up, dialled) == (Responded(204), [NAME], ["127.0.0.1"])
    assert (second, network.looked_up, network.dialled) == (Blocked("::1"), [NAME, NAME], ["127.0.0.1"])


def test_the_next_address_is_dialled_where_one_does_not_answer(network: Network) -> None:
    network.lead(NAME, [PUBLIC, "127.0.0.1"])
    with receiving() as receiver:
        outcome = sender("127.0.0.1/32").post(f"http://{NAME}:{receiver.port}/", "{}", {})

    assert outcome == Responded(204)
    assert (network.looked_up, network.dialled) == ([NAME], [PUBLIC, "127.0.0.1"])


def test_a_resolver_that_hangs_is_waited_for_until_the_deadline_and_its_answer_is_not_used(network: Network) -> None:
    started = time.monotonic()
    with network.hanging():
        outcome = sender("127.0.0.0/8").post(f"http://{NAME}:{network.port}/", "{}", {})
        took = time.monotonic() - started
    time.sleep(0.1)

    assert outcome == Failed("dns")
    assert DEADLINE.total_seconds() * 0.9 < took < DEADLINE.total_seconds() * 2
    assert network.is_untouched


def test_thousands_of_addresses_that_answer_nothing_are_given_up_at_the_deadline(network: Network) -> None:
    network.lead(NAME, [f"93.184.{n % 256}.{n // 256}" for n in range(4000)])
    network.swallows = True
    started = time.monotonic()
    outcome = sender().post(f"https://{NAME}/", "{}", {})

    assert outcome == Failed("timeout")
    assert time.monotonic() - started < DEADLINE.total_seconds() * 2


def test_of_thousands_of_addresses_that_refuse_four_are_dialled(network: Network) -> None:
    network.lead(NAME, [f"93.184.{n % 256}.{n // 256}" for n in range(4000)])
    assert sender().post(f"https://{NAME}/", "{}", {}) == Failed("connection")
    assert len(network.dialled) == 4


# ── redirects and the environment ──


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
@pytest.mark.parametrize(
    "location", ["http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:{port}/", "//[::1]/"]
)
def test_a_redirect_is_not_followed(network: Network, status: int, location: str) -> None:
    with receiving(f"{status} Elsewhere\r\nLocation: {location.format(port=network.port)}\r\n") as receiver:
        outcome = sender("127.0.0.1/32").post(f"http://{NAME}:{receiver.port}/", "{}", {})

    assert outcome == Responded(status)
    assert (network.looked_up, network.dialled, len(receiver.requests)) == ([NAME], ["127.0.0.1"], 1)


def to_proxy(environment: pytest.MonkeyPatch, network: Network, name: str) -> None:
    for spelled in (name, name.lower()):
        environment.setenv(spelled, f"http://proxy.example:{network.port}")


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize(("scheme", "expected"), [("http", Responded(204)), ("https", Failed("tls"))])
def test_a_proxy_of_the_environment_is_not_used(
    network: Network, monkeypatch: pytest.MonkeyPatch, scheme: str, expected: object, name: str
) -> None:
    to_proxy(monkeypatch, network, name)
    with receiving() as receiver:
        outcome = sender("127.0.0.1/32").post(f"{scheme}://{NAME}:{receiver.port}/", "{}", {})

    assert outcome == expected
    assert network.looked_up == [NAME]


@pytest.mark.parametrize("no_proxy", ["", "*", NAME, "127.0.0.1"])
def test_neither_a_proxy_nor_an_exception_from_it_lets_a_refused_address_through(
    network: Network, monkeypatch: pytest.MonkeyPatch, no_proxy: str
) -> None:
    to_proxy(monkeypatch, network, "ALL_PROXY")
    monkeypatch.setenv("NO_PROXY", no_proxy)

    assert sender().post(f"http://{NAME}:{network.port}/", "{}", {}) == Blocked("127.0.0.1")
    assert network.is_untouched
    assert network.looked_up == [NAME]


def test_no_credentials_are_taken_from_netrc(network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("default login somebody password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with receiving() as receiver:
        sender("127.0.0.1/32").post(f"http://{NAME}:{receiver.port}/", "{}", {})

    assert network.dialled == ["127.0.0.1"]
    assert [b"authorization" in request.lower() for request in receiver.requests] == [False]


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_no_certificate_of_the_environment_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    certificate = hostile.make_certificate(tmp_path / "receiver.pem")
    monkeypatch.setenv(name, str(certificate))
    with hostile.Listener(hostile.say_nothing, certificate=certificate) as listener:
        assert sender("127.0.0.1/32", allow_http=False).post(listener.url, "{}", {}) == Failed("tls")
