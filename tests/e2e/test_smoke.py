"""make smoke, on the deployed stack."""

import json
import os
import re
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.local_cloud.controls import stopped
from tests.local_cloud.world import delete

SMOKE = (sys.executable, "-m", "hookwatch.operating", "smoke")
Finished = subprocess.CompletedProcess[str]


@pytest.fixture
def directory(stack: Stack, tmp_path: Path) -> Path:
    """Where the command finds the tests' local cloud."""
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "stack.json").write_text(json.dumps(asdict(stack)))
    return tmp_path


def smoke(directory: Path, *arguments: str, **environment: str) -> Finished:
    return subprocess.run(
        [*SMOKE, *arguments],
        cwd=directory,
        env=os.environ | environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def application_in(shown: str) -> str:
    found = re.search(r"smoke-[0-9a-f]{12}", shown)
    assert found, shown
    return found[0]


def left(stack: Stack, application_id: str) -> dict[str, list[dict[str, Any]]]:
    """By table, the items that name the application, but for those of who did what."""
    scan = stack.client("dynamodb").get_paginator("scan")
    found: dict[str, list[dict[str, Any]]] = {}
    for table, name in stack.tables.items():
        pages = scan.paginate(TableName=name)
        found[table] = [item for page in pages for item in page["Items"] if application_id in str(item)]
    return {table: items for table, items in found.items() if items and table != "Audit"}


def test_it_passes_and_leaves_nothing(stack: Stack, api: Api, directory: Path) -> None:
    done = smoke(directory)
    assert (done.returncode, done.stderr) == (0, "")
    steps = [line.split("  ")[-1].split(":")[0] for line in done.stdout.splitlines()[:-1]]
    assert steps == ["health", "key", "receiver", "signal", "event", "statistics", "delivery"]
    assert "verified by the source (202), at attempt 1" in done.stdout
    assert stack.api_key not in done.stdout
    application_id = application_in(done.stdout)
    assert not {"OperationalEndpoint", "Source"} & set(left(stack, application_id))
    delete(stack, api, application_id)  # what smoke has asked for, only sooner
    [deletion] = left(stack, application_id).pop("Application")
    assert deletion["item"]["S"].startswith("deletion")


def test_where_nothing_is_delivered_it_says_so_and_cleans_up(stack: Stack, directory: Path) -> None:
    with ExitStack() as sources:
        for source in ("DeliverySource", "RetrySource"):
            sources.enter_context(stopped(stack, source))
        done = smoke(directory, "--seconds", "2")
    assert done.returncode == 1
    assert re.match(
        r"FAILED  delivery, after \d+\.\d s: no attempt was made\. Look at Emitter and Delivery", done.stderr
    )
    assert len(done.stderr.splitlines()) == 1
    assert not {"OperationalEndpoint", "Source"} & set(left(stack, application_in(done.stdout)))


def test_stopped_half_way_it_cleans_up_too(stack: Stack, directory: Path) -> None:
    with (
        stopped(stack, "DeliverySource"),
        stopped(stack, "RetrySource"),
        subprocess.Popen(SMOKE, cwd=directory, stdout=subprocess.PIPE, text=True) as running,
    ):
        assert running.stdout
        shown = [next(running.stdout) for _ in range(6)]
        running.terminate()
        assert running.wait(timeout=60) == 130
    assert "statistics" in shown[-1]
    assert not {"OperationalEndpoint", "Source"} & set(left(stack, application_in("".join(shown))))


def test_with_a_key_that_is_none_nothing_is_made(directory: Path) -> None:
    done = smoke(directory, HOOKWATCH_API_KEY="hwk_admin_do-not-print")
    assert done.returncode == 1
    assert re.match(r"FAILED  key, after \d+\.\d s: GET /keys\?limit=1 was answered with 40[13]", done.stderr)
    assert "do-not-print" not in done.stdout + done.stderr
