"""Receivers that hang do not hold up the healthy. The one bound on time among the tests, and it is a ratio: blocks with
and without them take turns on one stack, and only their medians are compared."""

import pytest

from tests.local_cloud.cloud import Stack
from tests.performance.isolation import measure


@pytest.mark.alone
def test_twenty_receivers_that_hang_do_not_double_the_95th_percentile_of_a_healthy_one(stack: Stack) -> None:
    found = measure(stack)
    assert found.times_alone(found.first_contact) < 2, found
    assert found.times_alone(found.beside) < 2, found
