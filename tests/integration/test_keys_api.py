"""HTTP → ApiKey, and what the authorizer makes of it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hookwatch import tables, times
from hookwatch.access import api_keys, roles
from hookwatch.access.keys import Identity
from hookwatch.access.roles import Decision
from tests.in_process.api import call
from tests.in_process.aws import Aws
from tests.in_process.signals import unique
from tests.integration.test_authorizer import authorize


def create(aws: Aws, role: str = "viewer", *application_ids: str) -> dict[str, Any]:
    body = {"role": role, "application_ids": list(application_ids) or [unique("shop")], "description": "CI"}
    status, key = call(aws, "POST", "/keys", body)
    assert status == 201
    return key


def item(key: dict[str, Any]) -> tables.ApiKey:
    return tables.ApiKey.get(key["key_id"], consistent_read=True)


def test_a_key_is_shown_once_and_of_its_secret_a_hash_is_kept(aws: Aws) -> None:
    key = create(aws)
    secret = key["key"].rpartition("_")[2]
    shown = {name: value for name, value in key.items() if name != "key"}
    assert call(aws, "GET", f"/keys/{key['key_id']}") == (200, shown)
    assert secret not in json.dumps(aws.items("ApiKey"), default=str)
    assert "secret_hash" not in key


def test_a_key_opens_the_door_with_its_role_and_applications(aws: Aws) -> None:
    key = create(aws, "editor", "shop", "crm")
    answer = authorize(aws, f"Bearer {key['key']}")
    assert answer["context"] == {"key_id": key["key_id"], "role": "editor", "applications": "shop crm"}
    assert answer["policyDocument"]["Statement"][0]["Effect"] == "Allow"


@pytest.mark.parametrize("wrong", ["another end", "no end", "another id", "another secret"])
def test_a_key_that_is_not_quite_one_is_denied(aws: Aws, wrong: str) -> None:
    key, other = create(aws), create(aws)
    sent = {
        "another end": key["key"][:-1] + ("x" if key["key"][-1] != "x" else "y"),
        "no end": key["key"][:-1],
        "another id": f"hwk_{other['key_id']}_{key['key'].rpartition('_')[2]}",
        "another secret": f"hwk_{key['key_id']}_{other['key'].rpartition('_')[2]}",
    }[wrong]
    assert authorize(aws, f"Bearer {sent}")["policyDocument"]["Statement"][0]["Effect"] == "Deny"


def test_a_revoked_key_is_denied_and_still_shown_for_thirty_days(aws: Aws) -> None:
    key = create(aws)
    path = f"/keys/{key['key_id']}"
    assert call(aws, "DELETE", path) == (204, {})
    assert authorize(aws, f"Bearer {key['key']}")["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert call(aws, "GET", path)[1]["revoked_at"]
    assert call(aws, "DELETE", path)[0] == 404
    kept = item(key).expires_at - datetime.now(UTC).timestamp()
    assert abs(kept - timedelta(days=30).total_seconds()) < 60


def test_when_it_was_used_is_written_at_most_once_an_hour(aws: Aws) -> None:
    key = create(aws)
    authorize(aws, f"Bearer {key['key']}")
    first = item(key).last_used_at
    assert first
    authorize(aws, f"Bearer {key['key']}")
    assert item(key).last_used_at == first
    earlier = times.to_text(datetime.now(UTC) - timedelta(minutes=61))
    tables.ApiKey(key["key_id"]).update(actions=[tables.ApiKey.last_used_at.set(earlier)])
    authorize(aws, f"Bearer {key['key']}")
    assert item(key).last_used_at > first
    # Two requests at the same moment: the second finds that the first has noted it.
    known = api_keys.from_item(item(key))
    api_keys.note_use(known, datetime.now(UTC))
    assert item(key).last_used_at > first


@pytest.mark.parametrize(
    "wrong",
    [
        {"role": "owner"},
        {"role": None},
        {"application_ids": []},
        {"application_ids": ["*", "shop"]},
        {"application_ids": ["a b"]},
        {"application_ids": "shop"},
        {"application_ids": [str(n) for n in range(21)]},
        {"description": "x" * 257},
        {"key": "mine"},
    ],
    ids=json.dumps,
)
def test_a_key_that_is_none_is_refused(aws: Aws, wrong: dict[str, Any]) -> None:
    body = {"role": "viewer", "application_ids": ["shop"]} | wrong
    status, problem = call(aws, "POST", "/keys", body)
    assert (status, problem["errors"][0]["loc"][0]) == (422, next(iter(wrong)))


def test_nobody_gives_a_key_for_more_than_his_own_applications_or_sees_one(aws: Aws) -> None:
    of_both, of_every = create(aws, "viewer", "shop", "crm"), create(aws, "viewer", "*")
    for application_ids in (["crm"], ["shop", "crm"], ["*"]):
        body = {"role": "viewer", "application_ids": application_ids}
        assert call(aws, "POST", "/keys", body, applications="shop")[0] == 404
    for key in (of_both, of_every):
        for method in ("GET", "DELETE"):
            assert call(aws, method, f"/keys/{key['key_id']}", applications="shop")[0] == 404
    assert call(aws, "GET", f"/keys/{of_both['key_id']}", applications="shop crm")[0] == 200


def test_keys_are_listed_page_by_page_for_who_may_see_them(aws: Aws) -> None:
    shop = unique("shop")
    own = {create(aws, "viewer", shop)["key_id"] for _ in range(3)}
    create(aws)
    found: set[str] = set()
    cursor = None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        status, page = call(aws, "GET", "/keys", applications=shop, **query)
        assert status == 200
        found |= {key["key_id"] for key in page["data"]}
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == own


def test_every_route_has_a_rule_and_every_rule_a_route(aws: Aws) -> None:
    routes = {
        (route.method, route.openapi_path)
        for function in ("api", "ingest")
        for app in [aws.function(function).app]
        for route in (*app._static_routes, *app._dynamic_routes)
    }
    assert routes == {*roles.NEEDS, *roles.OPEN}


@pytest.mark.parametrize("role", roles.ROLES)
@pytest.mark.parametrize("route", roles.NEEDS, ids=" ".join)
def test_the_decision_is_of_role_and_application(role: str, route: tuple[str, str]) -> None:
    identity = Identity("k", role, ("shop",))
    may = role in roles.NEEDS[route].value
    assert roles.decide(identity, *route) is (Decision.ALLOWED if may else Decision.FORBIDDEN)
    assert roles.decide(identity, *route, "shop") is (Decision.ALLOWED if may else Decision.FORBIDDEN)
    assert roles.decide(identity, *route, "crm") is (Decision.NOT_FOUND if may else Decision.FORBIDDEN)
    assert roles.decide(Identity("k", role, ("*",)), *route, "crm") is roles.decide(identity, *route, "shop")


def test_a_route_without_a_rule_is_nobodys(aws: Aws) -> None:
    assert roles.decide(Identity("k", "admin", ("*",)), "PATCH", "/everything") is Decision.NOT_FOUND
    assert call(aws, "GET", "/no/such/route")[1]["id"] == "not_found"
