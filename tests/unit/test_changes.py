"""What the platform says of an endpoint's configuration, against what was known, in whatever order it comes."""

from itertools import permutations
from typing import Any

import pytest
from msgspec.structs import replace

from hookwatch.observing import changes
from hookwatch.observing.changes import Fact
from hookwatch.observing.health import Health
from hookwatch.observing.signals import ChangeType, EndpointChange
from tests.unit.factories import APPLICATION_ID, ENDPOINT_ID, at, change

UNKNOWN = Health(application_id=APPLICATION_ID, endpoint_id=ENDPOINT_ID)
A, B, C = ({"url": f"https://{name}.example/"} for name in "abc")
CREATED = change("endpoint.created", 0, configuration={**A, "description": "ERP", "is_enabled": True})


def applied(*told: EndpointChange, health: Health = UNKNOWN) -> tuple[Health, list[Fact]]:
    facts: list[Fact] = []
    for each in told:
        health, new = changes.apply(health, each)
        facts += new
    return health, facts


def types(*told: EndpointChange, health: Health = UNKNOWN) -> list[str]:
    return [fact.type for fact in applied(*told, health=health)[1]]


def updated(seconds: float, configuration: dict[str, Any] | None = None, **fields: Any) -> EndpointChange:
    return change("endpoint.updated", seconds, configuration=configuration or {}, **fields)


def switched(seconds: float, *, to: bool) -> EndpointChange:
    return change("endpoint.enabled" if to else "endpoint.disabled", seconds)


KNOWN, _ = applied(CREATED)


# ── before and after ──


def test_an_update_is_told_with_before_and_after() -> None:
    health, facts = applied(updated(10, {**B, "description": "ERP"}), health=KNOWN)

    assert facts == [Fact("endpoint.updated", {"url": {"from": A["url"], "to": B["url"]}})]
    assert health.configuration == {**B, "description": "ERP", "is_enabled": True}


def test_what_an_update_does_not_mention_stays() -> None:
    health, _ = applied(updated(10, {"labels": {"tier": "gold"}}), health=KNOWN)

    assert health.configuration == {**CREATED.configuration, "labels": {"tier": "gold"}}


@pytest.mark.parametrize("told", [A, {"is_enabled": True}, CREATED.configuration])
def test_an_update_that_changes_nothing_is_not_told(told: dict[str, Any]) -> None:
    health, facts = applied(updated(10, told), health=KNOWN)

    assert facts == []
    assert health.configuration == KNOWN.configuration


def test_what_the_platform_spells_out_is_told_as_it_says() -> None:
    spelled_out = {"event_types": {"from": ["a"], "to": ["a", "b"]}}

    assert applied(updated(10, changes=spelled_out), health=KNOWN)[1] == [Fact("endpoint.updated", spelled_out)]


def test_bookkeeping_is_never_announced() -> None:
    """An update that spells out that nothing changed, or only the switch, to what it is."""
    assert types(updated(10, changes={}), health=KNOWN) == []
    assert types(updated(10, changes={"is_enabled": {"from": True, "to": True}}), health=KNOWN) == []
    assert types(switched(10, to=True), health=KNOWN) == []


def test_an_update_of_everything_and_the_switch_are_two_facts_the_update_first() -> None:
    told = updated(10, {**B, "is_enabled": False})

    assert types(told, health=KNOWN) == ["endpoint.updated", "endpoint.disabled"]


def test_what_changes_and_then_changes_back_is_told_twice() -> None:
    facts = applied(updated(10, B), updated(20, A), health=KNOWN)[1]

    assert [fact.changes and fact.changes["url"]["to"] for fact in facts] == [B["url"], A["url"]]


# ── switches out of order ──


@pytest.mark.parametrize("unrelated", [updated(20, B), updated(20, changes={"url": {"from": "a", "to": "b"}})])
def test_a_disabling_reported_after_a_newer_unrelated_update_is_still_taken(unrelated: EndpointChange) -> None:
    health, facts = applied(unrelated, switched(10, to=False), health=KNOWN)

    assert [fact.type for fact in facts] == ["endpoint.updated", "endpoint.disabled"]
    assert health.is_enabled is False
    assert health.configured_at == at(20)


@pytest.mark.parametrize(
    "newer",
    [
        [switched(15, to=False), switched(20, to=True)],
        [updated(20, {"is_enabled": True})],
        [updated(20, CREATED.configuration)],
    ],
)
def test_a_disabling_reported_after_a_newer_switch_is_not(newer: list[EndpointChange]) -> None:
    before, _ = applied(*newer, health=KNOWN)
    health, facts = applied(switched(10, to=False), health=before)

    assert facts == []
    assert health.is_enabled is True


def test_switches_in_any_order_end_as_the_newest_says() -> None:
    told = [switched(10, to=False), switched(20, to=True), switched(30, to=False), updated(40, B)]
    for order in permutations(told):
        health, facts = applied(*order, health=KNOWN)
        assert health.state == "disabled"
        assert health.configuration["url"] == B["url"]
        assert "endpoint.disabled" in [fact.type for fact in facts]


def test_a_switch_in_an_old_update_counts_where_no_newer_has_said_anything_of_it() -> None:
    health, facts = applied(updated(20, B), updated(10, {**C, "is_enabled": False}), health=KNOWN)

    assert [fact.type for fact in facts] == ["endpoint.updated", "endpoint.disabled"]
    assert health.configuration["url"] == B["url"]
    assert health.is_enabled is False


# ── created and deleted out of order ──


@pytest.mark.parametrize(
    "faster",
    [[updated(10, B)], [switched(10, to=False)], [updated(10, B), switched(20, to=False)], [updated(10)]],
)
def test_a_late_created_fills_in_what_is_unknown_and_is_still_told(faster: list[EndpointChange]) -> None:
    before, _ = applied(*faster)
    health, facts = applied(CREATED, health=before)

    assert [fact.type for fact in facts] == ["endpoint.created"]
    assert health.created_at == at(0)
    assert health.configuration == {**CREATED.configuration, **before.configuration}
    assert types(CREATED, health=health) == []


def test_a_late_created_of_what_is_gone_is_told_and_does_not_revive_it() -> None:
    health, facts = applied(change("endpoint.deleted", 10), CREATED)

    assert [fact.type for fact in facts] == ["endpoint.deleted", "endpoint.created"]
    assert health.state == "deleted"


def test_a_deletion_older_than_the_creation_is_of_a_former_life() -> None:
    health, facts = applied(CREATED, change("endpoint.deleted", -10))

    assert [fact.type for fact in facts] == ["endpoint.created"]
    assert health.state == "healthy"


def test_a_new_life_under_the_old_id_knows_nothing_of_the_former() -> None:
    again = change("endpoint.created", 100, configuration=C)
    health, facts = applied(CREATED, change("endpoint.disabled", 5), change("endpoint.deleted", 10), again)

    assert [fact.type for fact in facts][-1] == "endpoint.created"
    assert health.configuration == {**C, "is_enabled": True}
    assert health.state == "healthy"


@pytest.mark.parametrize("type_", ["endpoint.updated", "endpoint.enabled", "endpoint.disabled"])
def test_what_was_said_before_the_deletion_revives_nothing(type_: ChangeType) -> None:
    gone, _ = applied(CREATED, change("endpoint.deleted", 10))
    health, facts = applied(change(type_, 5, configuration=B), health=gone)

    assert facts == []
    assert health.state == "deleted"


def test_the_same_told_twice_is_one_fact() -> None:
    told = [CREATED, updated(10, B), switched(20, to=False), switched(30, to=True), change("endpoint.deleted", 40)]

    assert types(*[each for each in told for _ in range(2)]) == [each.type for each in told]


def test_in_whatever_order_it_comes_the_end_is_the_same() -> None:
    told = [CREATED, updated(10, B), switched(20, to=False), updated(30, C)]
    expected, _ = applied(*told)
    for order in permutations(told):
        health, facts = applied(*order)
        assert health.configuration == expected.configuration
        assert health.state == expected.state == "disabled"
        assert [fact.type for fact in facts].count("endpoint.created") == 1
        assert [fact.type for fact in facts].count("endpoint.disabled") == 1


# ── what Hookwatch itself disabled ──

DISABLED = replace(KNOWN, disabled_at=at(50))


def test_a_platform_that_obeys_tells_nothing_new() -> None:
    health, facts = applied(switched(60, to=False), health=DISABLED)

    assert facts == []
    assert health.is_enabled is False


@pytest.mark.parametrize(
    "told",
    [
        [switched(60, to=True)],
        [switched(60, to=False), switched(70, to=True)],
        [switched(60, to=False), updated(70, {"is_enabled": True})],
        [updated(60, {"is_enabled": True}, changes={"is_enabled": {"from": False, "to": True}})],
    ],
)
def test_who_enables_it_again_is_told(told: list[EndpointChange]) -> None:
    health, facts = applied(*told, health=DISABLED)

    assert facts == [Fact("endpoint.enabled")]
    assert health.state == "healthy"


def test_a_snapshot_that_knows_nothing_of_it_enables_nothing() -> None:
    health, facts = applied(updated(60, {"is_enabled": True}), health=DISABLED)

    assert facts == []
    assert health.state == "disabled"
