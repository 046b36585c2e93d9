"""What stands between a stack's functions and AWS: microburst, which breaks calls, and what does them in part.

The functions reach it as an HTTP proxy and not as an endpoint, for they sign the host that they ask.
"""

import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import requests

from tests.aws_faults.calls import Call
from tests.aws_faults.in_part import InPart
from tests.local_cloud.cloud import Stack, free_port

_CALLED = (
    "AWS::DynamoDB::Table",
    "AWS::KMS::Key",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
)
# A request whose record AWS refused is taken for under way for as long as its function may run.
_KEEPS_REQUESTS, _KEPT_FOR = ("Api", "Ingest"), 6  # seconds
_STARTS_WITHIN = 20  # seconds


class Between:
    """`calls` are those that reached AWS."""

    def __init__(self, stack: Stack, log: Path) -> None:
        self._lambda = stack.client("lambda")
        self._functions = stack.physical("AWS::Lambda::Function")
        self._called = {name: _own(physical) for name, physical in stack.physical(*_CALLED).items()}
        self._in_part = InPart(stack, {own: logical for logical, own in self._called.items()})
        self._port, self._log = free_port(), log
        self._rules: dict[int, tuple[Call, dict[str, Any]]] = {}

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._in_part.start()
        command = [
            str(Path(sys.executable).parent / "microburst"),
            "--upstream",
            self._in_part.url,
            "--port",
            str(self._port),
        ]
        with self._log.open("wb") as log:
            self._microburst = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        ends_at = time.monotonic() + _STARTS_WITHIN
        while not self._answers():
            assert time.monotonic() < ends_at, self._log.read_text()
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        self._microburst.terminate()
        self._microburst.wait()
        self._in_part.stop()

    @contextmanager
    def breaking(
        self, faults: Sequence[tuple[Call, dict[str, Any]]], in_part: Collection[tuple[str, str]] = ()
    ) -> Iterator[None]:
        """Every function starts anew, behind this. Each call meets the faults that are named with it, each once."""
        rules = [self._rule(*each) for each in faults]
        answer = requests.post(f"{self._url}/_microburst/rules", json=rules, timeout=5)
        answer.raise_for_status()
        self._rules = {rule["id"]: each for rule, each in zip(answer.json(), faults, strict=True)}
        self._in_part.pending = set(in_part)
        before = {name: self._configuration(physical) for name, physical in self._functions.items()}
        for name, (environment, timeout) in before.items():
            through = {"HTTP_PROXY": self._url, "http_proxy": self._url, "NO_PROXY": "", "no_proxy": ""}
            # Its calls are known by its name; with one attempt each fault reaches our code, past the SDK's retries.
            self._configure(
                name,
                environment | through | {"AWS_SDK_UA_APP_ID": name, "AWS_MAX_ATTEMPTS": "1"},
                _KEPT_FOR if name in _KEEPS_REQUESTS else timeout,
            )
        try:
            yield
        finally:
            for name, (environment, timeout) in before.items():
                self._configure(name, environment, timeout)

    def unmet(self) -> list[tuple[Call, dict[str, Any]]]:
        rules = requests.get(f"{self._url}/_microburst/rules", timeout=5).json()
        return [self._rules[rule["id"]] for rule in rules if not rule["fired_count"]]

    @property
    def calls(self) -> set[Call]:
        return set(self._in_part.calls)

    def not_in_part(self) -> set[tuple[str, str]]:
        """(function, operation) of the batches that were always done as a whole."""
        return set(self._in_part.pending)

    def _rule(self, call: Call, fault: dict[str, Any]) -> dict[str, Any]:
        match = {
            "service": call.service,
            "operation": call.operation,
            "headers": {"user-agent": f"app/{call.function} "},
        }
        where = "(TransactItems[0].*.TableName)[0]" if call.operation == "TransactWriteItems" else "to_string(@)"
        return {**match, "body": f"contains({where}, '{self._called[call.resource]}')", "times": 1, **fault}

    def _configuration(self, physical: str) -> tuple[dict[str, str], int]:
        configuration = self._lambda.get_function_configuration(FunctionName=physical)
        return configuration["Environment"]["Variables"], configuration["Timeout"]

    def _configure(self, name: str, environment: dict[str, str], timeout: int) -> None:
        self._lambda.update_function_configuration(
            FunctionName=self._functions[name], Environment={"Variables": environment}, Timeout=timeout
        )

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self._url}/_microburst/health", timeout=1).ok
        except requests.ConnectionError:
            return False


def _own(physical: str) -> str:
    """Of a queue's URL its name; a table's is its name, a secret's begins its ARN's last part."""
    return physical.rpartition("/")[2]
