"""Receivers that hang do not hold up the healthy: measured in one run, as a ratio. `make bench` prints the figures."""

import pytest

from tests.local_cloud.cloud import Stack
from tests.performance.isolation import measure


@pytest.mark.alone
def test_twenty_endpoints_that_hang_leave_a_healthy_ones_latency_as_it_was(stack: Stack) -> None:
    found = measure(stack)
    assert found.beside < 2 * found.alone, found
