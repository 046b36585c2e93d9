"""Every route × every role × own application, another one, every one, no key, a revoked key and garbage.

From the table of roles: a route without a rule, or without a request, fails.
"""

import pytest
import requests

from hookwatch.access.roles import NEEDS
from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.local_cloud.world import REQUESTS, World, ask


@pytest.fixture(scope="module")
def world(stack: Stack) -> World:
    return World.of(stack)


@pytest.mark.parametrize("route", NEEDS, ids=" ".join)
def test_who_may_and_who_may_not(world: World, route: tuple[str, str]) -> None:
    found: dict[str, int] = {}
    expected: dict[str, int] = {}
    for (role, scope), api in world.keys.items():
        answer = ask(world, api, route)
        found[f"{role} {scope}"] = answer.status_code // 100 * 100 if answer.ok else answer.status_code
        allowed = 404 if scope == "other" and route != ("GET", "/keys") else 200
        expected[f"{role} {scope}"] = allowed if role in NEEDS[route].value else 403
        if scope == "other":
            assert world.shop not in answer.text
    assert found == expected
    for nobody in (Api(world.stack, "garbage"), Api(world.stack, f"hwk_admin_{'x' * 43}"), world.revoked):
        # On AWS the template's gateway response makes these a 401; the local cloud has no gateway responses.
        assert ask(world, nobody, route).status_code in (401, 403)
    path, body = REQUESTS[route](world)
    without = requests.request(route[0], f"{world.admin.base}{path}", json=body, timeout=30)
    assert without.status_code == (403 if route == ("POST", "/sources/{source_id}") else 401)
