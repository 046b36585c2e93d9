"""Receivers that hang do not hold up the healthy: nobody waits for an attempt of theirs, which lasts ten seconds.

By how much they slow them down is a benchmark, `make bench`: the local cloud's own 95th percentile moves by more.
"""

import pytest

from tests.local_cloud.cloud import Stack
from tests.performance.isolation import measure


@pytest.mark.alone
def test_a_healthy_receiver_waits_for_none_of_twenty_that_hang(stack: Stack) -> None:
    found = measure(stack)
    assert found.first_contact < 1, found
    assert found.beside < 1, found
