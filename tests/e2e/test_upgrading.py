"""The first version that ran, with data and work under way, becomes today's: the same stack, updated in place."""

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.e2e.test_the_main_job import ARRIVES_WITHIN, SAMPLE, attempts, eventually, register, types, unique
from tests.local_cloud.api import Api
from tests.local_cloud.cloud import ROOT, Stack, down, up
from tests.local_cloud.controls import stopped
from tests.local_cloud.receiver import Receipt, Receiver
from tests.local_cloud.world import text

FIRST = "292dd2f8495b"  # "One name for every application …", 2026-11-24: the end of the first running version, 0.1
SECRET = "a-subscription-secret"


@dataclass(frozen=True)
class First:
    """The first version, deployed to a local cloud of its own, whose state is in `state`."""

    stack: Stack
    state: Path

    def upgrade(self) -> Stack:
        (self.state / "deployed").unlink()
        return up(self.state, print)


@pytest.fixture
def first() -> Iterator[First]:
    """By its own `make up`."""
    archive = subprocess.run(["git", "archive", FIRST], cwd=ROOT, check=False, capture_output=True)
    if archive.returncode:
        pytest.fail(f"This needs the history, down to {FIRST}: git fetch --unshallow. {archive.stderr.decode()}")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with TemporaryDirectory() as directory, tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tree:
        tree.extractall(directory, filter="data")
        root, state = Path(directory), Path(directory) / ".local"
        environment["PYTHONPATH"] = f"{root / 'layers' / 'hookwatch'}{os.pathsep}{root}"
        try:
            command = [sys.executable, "-m", "tests.local_cloud", "up"]
            done = subprocess.run(command, cwd=root, env=environment, check=False, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
            yield First(Stack(**json.loads((state / "stack.json").read_text())), state)
        finally:
            down(state)


def test_an_upgrade_loses_nothing_and_finishes_what_was_under_way(first: First) -> None:
    shop, start = unique("shop"), datetime.now(UTC) - timedelta(seconds=240)
    failed: dict[str, Any] = {"outcome": "failed", "response_status_code": 503, "will_retry": True}
    works: list[int] = []
    with Receiver() as receiver, Receiver(lambda _body, _attempt: 200 if works else 500) as broken:
        api, old = Api(first.stack), first.stack
        name, late = register(api, receiver, shop), register(api, broken, shop)
        source = api.post("/sources", {"application_id": None, "kind": "hook0", "secret": SECRET}).json()["source_id"]
        with stopped(old, "RetrySource"):
            assert api.post_signals(shop, attempts("erp", start, 30, every=3, **failed)).status_code == 202
            assert receiver.wait_until(lambda: types(receiver) == ["endpoint.failing"], ARRIVES_WITHIN)
            assert broken.wait_until(lambda: len(broken.receipts) == 1, ARRIVES_WITHIN)
            before = api.get(f"/{name}").json()
            new = first.upgrade()
            works.append(1)

        assert new.tables.items() >= old.tables.items()
        assert new.queues.items() >= old.queues.items()
        assert new.api_key == old.api_key
        api = Api(new)  # AWS updates an API in place; the local cloud replaces one whose routes change
        assert api.get(f"/{name}").json().items() >= before.items()
        assert broken.wait_until(lambda: types(broken) == ["endpoint.failing"], ARRIVES_WITHIN)  # sealed by the first
        [failing] = api.get("/monitored_endpoints", application_id=shop, state="failing").json()["data"]

        worked = attempts("erp", datetime.now(UTC) - timedelta(seconds=20), 400, every=0.05)
        assert api.post_signals(shop, worked).json()["accepted"] == len(worked)
        assert receiver.wait_until(lambda: len(receiver.receipts) == 2, ARRIVES_WITHIN)
        told: list[Receipt] = receiver.receipts
        assert [receipt.type for receipt in told] == ["endpoint.failing", "endpoint.recovered"]
        assert all(receipt.is_verified for receipt in told)
        assert {receipt.data["dedup_key"] for receipt in told} == {failing["incident"]["dedup_key"]}
        assert told[0].data["sequence"] < told[1].data["sequence"]

        post_as_hook0(api, source, shop)
        assert receiver.wait_until(lambda: types(receiver)[-1] == "endpoint.created", ARRIVES_WITHIN)
        assert len(api.get("/events", application_id=shop).json()["data"]) == 3
        assert eventually(lambda: len(api.get(f"/{late}/attempts").json()["data"]) == 4)
        assert api.post("/keys", {"role": "viewer", "application_ids": [shop]}).status_code == 201


def post_as_hook0(api: Api, source_id: str, application_id: str) -> None:
    event, now = json.loads(SAMPLE.read_text())["events"][0], text(datetime.now(UTC))
    body = json.dumps(event["body"] | {"application_id": application_id, "created_at": now, "updated_at": now})
    headers = event["headers"]
    answer = api.post_as_hook0(source_id, headers["X-Event-Type"], headers["X-Event-Id"], body.encode(), secret=SECRET)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
