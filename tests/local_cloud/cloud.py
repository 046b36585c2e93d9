"""Starts, fills and stops a local cloud. Everything it knows of itself is in `<state>/stack.json`."""

import compileall
import contextlib
import fcntl
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

import boto3

ROOT = Path(__file__).parents[2]
REGION = "eu-central-1"
STACK_NAME = "hookwatch"
STARTS_WITHIN = 60  # seconds
_NO_CLOUD = "http://127.0.0.1:9"  # discards; a build calls nobody
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

# Kept, for Python warns of a Popen that goes while its process runs, and this one is meant to run on.
_started: list[subprocess.Popen[bytes]] = []

Progress = Callable[[str], None]


class CloudError(Exception):
    """The local cloud cannot be had; the message says in one line what to do."""


@cache
def _client(service: Any, endpoint_url: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=_CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


@dataclass(frozen=True)
class Stack:
    """A deployed application. `api_url` ends in `/api/v1`; `tables` and `queues` map logical to physical names."""

    api_url: str
    api_key: str
    endpoint_url: str
    region: str
    stack_name: str
    tables: dict[str, str]
    queues: dict[str, str]

    def client(self, service: Any) -> Any:
        return _client(service, self.endpoint_url)

    def physical(self, *resource_types: str) -> dict[str, str]:
        """Physical by logical ids, of the resources of these types, or of all."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.stack_name)
        return {
            resource["LogicalResourceId"]: resource["PhysicalResourceId"]
            for page in pages
            for resource in page["StackResourceSummaries"]
            if not resource_types or resource["ResourceType"] in resource_types
        }


def up(state: Path, progress: Progress, *, port: int = 4566) -> Stack:
    """Starts the cloud unless it runs, and deploys what changed since. Says what it does.

    Raises:
        CloudError: it did not start, or the application could not be built or deployed.
    """
    _forget_aws()
    state.mkdir(parents=True, exist_ok=True)
    port = _running_port(state) or _start(state, free_port(port), progress)
    endpoint_url = f"http://127.0.0.1:{port}"
    build(progress)
    _deploy(state, endpoint_url, progress)
    stack = _describe(endpoint_url)
    (state / "stack.json").write_text(json.dumps(asdict(stack), indent=2) + "\n")
    (state / "url").write_text(f"{stack.api_url}/operational_webhooks")  # these two for curl
    (state / "headers").write_text(f"Authorization: Bearer {stack.api_key}\nContent-Type: application/json\n")
    return stack


def _forget_aws() -> None:
    """What the user's shell says of AWS and of proxies is not for the local cloud."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


def down(state: Path) -> bool:
    """Stops the cloud and every process it started. False where none ran."""
    pid = _pid(state)
    for name in ("stack.json", "url", "headers", "pid", "deployed"):
        (state / name).unlink(missing_ok=True)
    if pid is None:
        return False
    os.killpg(pid, signal.SIGTERM)
    if not _within(10, lambda: not _group_lives(pid)):
        os.killpg(pid, signal.SIGKILL)
    shutil.rmtree(state / "tmp", ignore_errors=True)
    return True


def _start(state: Path, port: int, progress: Progress) -> int:
    progress(f"starting the local cloud on port {port}")
    temporary = state / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        **_CREDENTIALS,
        "AUTH": "true",  # IAM is enforced, so a permission that a function lacks fails here too
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "false",
        "MINISTACK_REGION": REGION,
        "TMPDIR": str(temporary),
    }
    with (state / "cloud.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            env=environment,
            cwd=state,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a group of its own: its functions' processes end with it
        )
    _started.append(process)
    (state / "pid").write_text(str(process.pid))
    (state / "port").write_text(str(port))
    if not _within(STARTS_WITHIN, lambda: process.poll() is not None or _answers(port)) or process.poll() is not None:
        down(state)
        raise CloudError(f"The local cloud did not start; {state / 'cloud.log'} says why.")
    return port


def build(progress: Progress) -> None:
    """Unless nothing changed. One at a time: what is built lies in one folder, whoever builds.

    Raises:
        CloudError: it could not be built.
    """
    (ROOT / ".aws-sam").mkdir(exist_ok=True)
    with (ROOT / ".aws-sam" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _build_what_changed(progress)


def _build_what_changed(progress: Progress) -> None:
    built = ROOT / ".aws-sam" / "hookwatch-built"
    sources = [ROOT / "template.yaml", *(ROOT / "functions").rglob("*.py"), *(ROOT / "layers").rglob("*")]
    newest = max(path.stat().st_mtime for path in sources if path.is_file() and "__pycache__" not in path.parts)
    if built.exists() and built.stat().st_mtime > newest and built.read_text() == _runtime():
        return
    progress("building the application with sam build")
    _sam("build", _NO_CLOUD, "--parameter-overrides", *_build_parameters())
    # As `make deploy` does, and for its reasons.
    if not compileall.compile_dir(
        ROOT / ".aws-sam" / "build", quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH
    ):
        raise CloudError("What sam built could not be compiled.")
    built.write_text(_runtime())


def _deploy(state: Path, endpoint_url: str, progress: Progress) -> None:
    deployed, built = state / "deployed", ROOT / ".aws-sam" / "hookwatch-built"
    if (
        deployed.exists()
        and (state / "pid").stat().st_mtime < deployed.stat().st_mtime
        and built.stat().st_mtime < deployed.stat().st_mtime
    ):
        return
    progress("deploying it with sam deploy")
    _sam("deploy", endpoint_url, "--parameter-overrides", *_build_parameters(), *_local_parameters())
    deployed.touch()


def _runtime() -> str:
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def _build_parameters() -> list[str]:
    architecture = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    return [f"PythonRuntime={_runtime()}", f"Architecture={architecture}"]


def _local_parameters() -> list[str]:
    return [
        "AllowedNetworks=127.0.0.0/8,::1/128",
        "AllowHttp=true",
        "RetrySchedule=1,2,4,8",
        "EndpointCacheSeconds=1",
        "ErasureSettlesSeconds=1",
        "TableDeletionPolicy=Delete",
        "DerivedAlarms=false",  # ministack 1.5.33 has neither metric math nor composite alarms in a template
        "AlarmsApplication=operations",
        # The local cloud compares a parameter's text with a number (ministack 1.5.33), so no limit is set.
        "ObserverConcurrency=0",
        "DeliveryConcurrency=0",
        "RetryConcurrency=0",
    ]


def _sam(command: str, endpoint_url: str, *arguments: str) -> None:
    environment = {
        **os.environ,
        **_CREDENTIALS,
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_DEFAULT_REGION": REGION,
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_CHECK_UPDATES": "false",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    done = subprocess.run(
        [Path(sys.executable).parent / "sam", command, "--config-env", "local", *arguments],
        env=environment,
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise CloudError(f"sam {command} failed:\n{done.stdout}{done.stderr}")


def _describe(endpoint_url: str) -> Stack:
    stack = Stack("", "", endpoint_url, REGION, STACK_NAME, {}, {})
    secret = stack.client("secretsmanager").get_secret_value(
        SecretId=stack.physical("AWS::SecretsManager::Secret")["AdminKey"]
    )["SecretString"]
    rest_api = stack.physical("AWS::ApiGateway::RestApi")["RestApi"]
    return Stack(
        api_url=f"{endpoint_url}/_aws/execute-api/{rest_api}/live/api/v1",
        api_key=f"hwk_admin_{secret}",
        endpoint_url=endpoint_url,
        region=REGION,
        stack_name=STACK_NAME,
        tables=stack.physical("AWS::DynamoDB::Table"),
        queues=stack.physical("AWS::SQS::Queue"),
    )


def _pid(state: Path) -> int | None:
    try:
        pid = int((state / "pid").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return pid if _group_lives(pid) else None


def _group_lives(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # where it is a child of ours, it must not stay a zombie
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _running_port(state: Path) -> int | None:
    if _pid(state) is None:
        return None
    port = int((state / "port").read_text())
    return port if _answers(port) else None


def free_port(wanted: int = 0) -> int:
    """`wanted`, or one that the system picks where that is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise CloudError("No free port on 127.0.0.1; stop something that listens and try again.")


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_ministack/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _within(seconds: float, is_so: Callable[[], bool]) -> bool:
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        if is_so():
            return True
        time.sleep(0.1)
    return False
