"""AWS and a receiver, each a process of its own: what they take of the processor is not that of who calls them."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.in_process.aws import Aws
from tests.local_cloud.cloud import free_port

_STARTS_WITHIN = 30  # seconds
_NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off; keepalive_requests 1000000; client_body_temp_path {folder};
    proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{ listen 127.0.0.1:{port}; location / {{ return 200; }} }}
}}
"""


class AwsApart(Aws):
    """moto's server, with what `Aws` makes on it."""

    def _serve(self) -> None:
        port = free_port()
        self._server_apart = _started([sys.executable, "-W", "ignore", "-m", "moto.server", "-p", str(port)], port)
        self.use(port)

    def _stop(self) -> None:
        _end(self._server_apart)


@contextmanager
def nginx() -> Iterator[str]:
    """One that answers 200 to everything. Yields its URL.

    Raises:
        FileNotFoundError: there is none on this machine; the message says how to get it.
    """
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")
    if found is None:
        raise FileNotFoundError("There is no nginx: apt-get install nginx-light, or brew install nginx")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "nginx.conf"
        configuration.write_text(_NGINX.format(folder=folder, port=port))
        process = _started([found, "-p", folder, "-e", f"{folder}/error.log", "-c", str(configuration)], port)
        yield f"http://127.0.0.1:{port}/hooks"
        _end(process)


def _started(command: list[str], port: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ends_at = time.monotonic() + _STARTS_WITHIN
    while True:
        try:
            requests.get(f"http://127.0.0.1:{port}/", timeout=5)
        except requests.ConnectionError:
            if process.poll() is not None or time.monotonic() > ends_at:
                raise TimeoutError(f"{command[0]} does not answer") from None
            time.sleep(0.1)
        else:
            return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()
