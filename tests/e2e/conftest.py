"""A local cloud of the tests' own, with the application deployed by the real sam build and sam deploy."""

from collections.abc import Iterator

import pytest

from tests.local_cloud.api import Api
from tests.local_cloud.cloud import ROOT, Stack, down, up

STATE = ROOT / ".local" / "e2e"


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    down(STATE)  # what an interrupted run left
    try:
        yield up(STATE, print, port=4666)
    finally:
        down(STATE)


@pytest.fixture
def api(stack: Stack) -> Api:
    return Api(stack)
