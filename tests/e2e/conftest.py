"""A local cloud of the tests' own, with the application deployed by the real sam build and sam deploy."""

import os
from collections.abc import Iterator

import pytest

from tests.local_cloud.api import Api
from tests.local_cloud.cloud import ROOT, Stack, down, up

# Each of the processes that share the tests (pytest-xdist) has a cloud of its own.
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
STATE = ROOT / ".local" / f"e2e-{_WORKER}"
_PORT = 4666 + int(_WORKER.removeprefix("gw"))


# What takes minutes begins first, so that nobody waits for it in the end (with pytest-xdist's --no-loadscope-reorder).
# It gives each of three processes two files to begin with: to the first, which has the longest, nothing long besides.
_FIRST = ("aws_faults", "batching", "the_recorded_incident", "the_door", "upgrading", "the_contract", "the_demo")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {f"test_{name}.py": place for place, name in enumerate(_FIRST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    down(STATE)  # what an interrupted run left
    try:
        yield up(STATE, print, port=_PORT)
    finally:
        down(STATE)


@pytest.fixture
def api(stack: Stack) -> Api:
    return Api(stack)
