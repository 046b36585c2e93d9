"""`sam local`, on a copy of what `sam build` made, with the deployed functions' own environment."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse

from tests.local_cloud.cloud import ROOT, Stack

_INVOKED_WITHIN = 180  # seconds: the first one may pull an image
_LISTENS_WITHIN = 60


class SamFailed(Exception):
    """sam local did not do it; its log says why."""


@dataclass(frozen=True)
class Sam:
    """`folder` holds all that it writes: the copy with its template, the environment, the log."""

    folder: Path
    stack: Stack
    runtime: str
    architecture: str

    @property
    def log(self) -> Path:
        return self.folder / "sam.log"

    @property
    def build(self) -> Path:
        return self.folder / "build"

    def invoke(self, function: str, event: Path) -> Any:
        """What the function answered."""
        with self._running("invoke", function, "--event", str(event)) as process:
            try:
                output, _ = process.communicate(timeout=_INVOKED_WITHIN)
            except subprocess.TimeoutExpired as error:
                raise SamFailed(f"no answer within {_INVOKED_WITHIN} s") from error
        with self.log.open("ab") as log:
            log.write(output)
        if process.returncode:
            raise SamFailed(f"sam ended with {process.returncode}")
        try:
            answer = json.loads(output.decode().strip().splitlines()[-1])
        except (IndexError, ValueError) as error:
            raise SamFailed("no answer") from error
        if isinstance(answer, dict) and "errorMessage" in answer:
            raise SamFailed(f"the function raised: {answer['errorMessage']}")
        return answer

    @contextlib.contextmanager
    def start_api(self) -> Iterator[str]:
        """The API's URL, which ends in `/api/v1`."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        arguments = ("--port", str(port), "--warm-containers", "LAZY", "--no-watch")
        with self._running("start-api", *arguments) as process:
            ends_at = time.monotonic() + _LISTENS_WITHIN
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > ends_at:
                    raise SamFailed("sam local start-api did not start")
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/api/v1"

    @contextlib.contextmanager
    def _running(self, command: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        temporary = self.folder / "sam-tmp"  # its own: sam waits for minutes for the lock that a killed sam left
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        line = [
            str(Path(sys.executable).parent / "sam"),
            *("local", command, *arguments, "--skip-pull-image"),  # pulled all the same where there is none
            *("--template", str(self.build / "template.json"), "--env-vars", str(self.folder / "environment.json")),
            *("--parameter-overrides", f"PythonRuntime={self.runtime}", f"Architecture={self.architecture}"),
            *("--region", self.stack.region, "--layer-cache-basedir", str(self.folder / "layers")),
        ]
        with self.log.open("ab") as log:
            log.write(f"\n$ {' '.join(line)}\n".encode())
            log.flush()
            process = subprocess.Popen(
                line,
                env=self._environment(temporary),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if command == "invoke" else log,
                stderr=log,
                start_new_session=True,
            )
            try:
                yield process
            finally:
                _end(process, signal.SIGINT if command == "invoke" else signal.SIGTERM)
                shutil.rmtree(temporary, ignore_errors=True)

    def _environment(self, temporary: Path) -> dict[str, str]:
        """sam's own, not the functions'. It asks STS for the account, so it has to know the local cloud too."""
        return {
            **os.environ,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ENDPOINT_URL": self.stack.endpoint_url,
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_CHECK_UPDATES": "false",
            "TMPDIR": str(temporary),
        }


def prepare(folder: Path, stack: Stack, cloud_url: str) -> Sam:
    """Copies the build, and writes the environment in which containers reach the local cloud under `cloud_url`."""
    folder.mkdir(parents=True, exist_ok=True)
    deployed = _deployed(stack)
    some = next(iter(deployed.values()))
    sam = Sam(folder, stack, some["Runtime"], some["Architectures"][0])
    sam.log.unlink(missing_ok=True)
    shutil.rmtree(sam.build, ignore_errors=True)
    shutil.copytree(ROOT / ".aws-sam" / "build", sam.build)  # another `sam build` may empty it
    template = yaml_parse((sam.build / "template.yaml").read_text())
    # sam hands on only variables that the template declares.
    template["Globals"]["Function"]["Environment"]["Variables"]["AWS_ENDPOINT_URL"] = cloud_url
    (sam.build / "template.json").write_text(json.dumps(template, indent=2))
    environment = {
        logical_id: {
            name: value.replace(stack.endpoint_url, cloud_url)  # queues' URLs have it
            for name, value in configuration["Environment"]["Variables"].items()
        }
        | {"AWS_ENDPOINT_URL": cloud_url}
        for logical_id, configuration in deployed.items()
    }
    (folder / "environment.json").write_text(json.dumps(environment, indent=2))
    return sam


def _deployed(stack: Stack) -> dict[str, dict[str, Any]]:
    """The deployed functions' configurations, by logical id."""
    functions = stack.client("lambda")
    return {
        logical_id: functions.get_function_configuration(FunctionName=name)
        for logical_id, name in stack.physical("AWS::Lambda::Function").items()
    }


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Asks sam to end, so that it removes its containers, and then makes it."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.stdout is not None:
        process.stdout.close()
