"""Which secrets sign, before, during and after a rotation."""

from datetime import timedelta

import pytest

from hookwatch.errors import Problem
from hookwatch.notifying.credentials import SECRETS_AT_MOST, Credentials
from tests.unit.factories import START

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
FIRST = Credentials(("first",), {"X-Token": "t"})


def test_old_and_new_sign_during_the_grace_and_the_new_alone_after_it() -> None:
    rotated = FIRST.rotated("second", START, DAY)
    assert rotated.active(START) == ("second", "first")
    assert rotated.active(START + DAY - SECOND) == ("second", "first")
    assert rotated.active(START + DAY) == ("second",)
    assert rotated.headers == FIRST.headers


def test_without_grace_the_new_one_signs_alone_at_once_and_earlier_ones_end_too() -> None:
    leaked = FIRST.rotated("second", START, DAY).rotated("third", START + SECOND, timedelta())
    assert leaked == Credentials(("third",), FIRST.headers)


def test_a_rotation_never_lengthens_a_grace_that_was_granted() -> None:
    twice = FIRST.rotated("second", START, SECOND * 10).rotated("third", START, DAY)
    assert twice.active(START) == ("third", "second", "first")
    assert twice.active(START + SECOND * 10) == ("third", "second")


def test_at_most_five_sign_and_an_expired_one_makes_room() -> None:
    known = FIRST
    for number in range(SECRETS_AT_MOST - 1):
        known = known.rotated(f"secret {number}", START, DAY)
    assert len(known.active(START)) == SECRETS_AT_MOST
    with pytest.raises(Problem, match="409 limit_reached"):
        known.rotated("one too many", START, DAY)
    assert known.rotated("a day later", START + DAY, DAY).active(START + DAY) == ("a day later", "secret 3")
    assert known.rotated("in an emergency", START, timedelta()).active(START) == ("in an emergency",)
