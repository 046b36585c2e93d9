"""The container engine that sam would take, and the way from its containers to this machine."""

import contextlib
import os
import socket
import socketserver
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docker.errors import DockerException  # type: ignore[import-untyped]
from samcli.commands.exceptions import UserException
from samcli.local.docker.container_client_factory import ContainerClientFactory

_DESKTOP_HOST = "host.docker.internal"
_IP_FREEBIND = 15  # Linux; Podman's bridge is there only while a container runs


class NoWay(Exception):
    """A container could not reach this machine; the message says in one line what to do."""


def find() -> Any | None:
    """A client of the engine, or None where none answers. Looks where sam looks."""
    try:
        return ContainerClientFactory.create_client()
    except UserException:
        return None


@contextlib.contextmanager
def way_to(port: int, engine: Any) -> Iterator[str]:
    """The URL under which containers reach this machine's 127.0.0.1:port."""
    host = os.environ.get("SAM_LOCAL_HOST") or (None if _is_native(engine) else _DESKTOP_HOST)
    if host is not None:
        yield f"http://{host}:{port}"
        return
    try:
        gateway = engine.networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"]
        forwarder = _Forwarder(gateway, port)
    except (DockerException, LookupError, OSError) as error:
        raise NoWay(f"Cannot listen on the engine's bridge ({error!r}); name a host with SAM_LOCAL_HOST.") from error
    with forwarder:
        threading.Thread(target=forwarder.serve_forever, daemon=True).start()
        try:
            yield f"http://{gateway}:{forwarder.server_address[1]}"
        finally:
            forwarder.shutdown()


def remove_left_over(engine: Any, code: Path) -> None:
    """Containers that sam could not stop, told by the folder that their code is mounted from."""
    for container in engine.containers.list(all=True, filters={"label": "sam.cli.container.type=lambda"}):
        if any(str(code.resolve()) in mount.get("Source", "") for mount in container.attrs.get("Mounts", ())):
            container.remove(force=True)


def _is_native(engine: Any) -> bool:
    """Whether its bridge is this machine's own: no virtual machine between, and not rootless."""
    told = engine.info()
    is_rootless = any("rootless" in option for option in told.get("SecurityOptions") or ())
    return sys.platform == "linux" and told.get("OperatingSystem") != "Docker Desktop" and not is_rootless


class _Forwarder(socketserver.ThreadingTCPServer):
    """Hands connections to an address of the bridge on to 127.0.0.1, where the local cloud listens and nobody else
    can reach it."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: str, port: int) -> None:
        self.to = ("127.0.0.1", port)
        super().__init__((address, 0), _Forwarding)

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        super().server_bind()


class _Forwarding(socketserver.BaseRequestHandler):
    server: _Forwarder

    def handle(self) -> None:
        with socket.create_connection(self.server.to) as cloud:
            back = threading.Thread(target=_pump, args=(cloud, self.request), daemon=True)
            back.start()
            _pump(self.request, cloud)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
