"""Every route × every role × own application, another one, every one, no key, a revoked key and garbage.

From the table of roles: a route without a rule, or without a request here, fails.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from hookwatch.access.roles import NEEDS, ROLES
from tests.e2e.test_the_main_job import eventually, text, unique
from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack

SECRET = "a-subscription-secret"


@dataclass(frozen=True)
class World:
    """What there is in one application, and the keys that ask for it. `keys` are by role and scope."""

    stack: Stack
    admin: Api
    shop: str
    endpoint: str
    event: str
    keys: dict[tuple[str, str], Api]
    revoked: Api

    def new_endpoint(self) -> str:
        body = {"application_id": self.shop, "url": "https://ops.example.com/"}
        return str(self.admin.post("", body).json()["operational_endpoint_id"])

    def new_type(self) -> str:
        name = unique("invoice").replace("-", ".")
        body = {"application_id": self.shop, "description": "x", "schema": {"type": "object"}}
        assert self.admin.post(f"/event_types/{name}", body).status_code == 201
        return name

    def new_source(self) -> str:
        body = {"application_id": self.shop, "kind": "hook0", "secret": SECRET}
        return str(self.admin.post("/sources", body).json()["source_id"])

    def new_key(self, role: str, *application_ids: str) -> dict[str, Any]:
        answer = self.admin.post("/keys", {"role": role, "application_ids": list(application_ids)})
        assert answer.status_code == 201, answer.text
        key: dict[str, Any] = answer.json()
        return key

    def new_mute(self) -> str:
        name, until = unique("erp"), text(datetime.now(UTC) + timedelta(hours=1))
        body = {"application_id": self.shop, "until": until, "reason": "x"}
        assert self.admin.post(f"/monitored_endpoints/{name}/mute", body).status_code == 201
        return name


@pytest.fixture(scope="module")
def world(stack: Stack) -> World:
    admin, shop, other = Api(stack), unique("shop"), unique("other")
    created = {"type": "endpoint.created", "endpoint_id": "erp", "occurred_at": text(datetime.now(UTC))}
    assert admin.post_signals(shop, [created]).status_code == 202
    assert eventually(lambda: bool(admin.get("/events", application_id=shop).json()["data"]))
    [event] = admin.get("/events", application_id=shop).json()["data"]
    keys: dict[tuple[str, str], Api] = {}
    made = World(stack, admin, shop, "", event["event_id"], keys, admin)
    for scope, application_id in (("own", shop), ("other", other), ("every", "*")):
        for role in ROLES:
            keys[role, scope] = Api(stack, made.new_key(role, application_id)["key"])
    revoked = made.new_key("admin", "*")
    assert admin.delete(f"/keys/{revoked['key_id']}").status_code == 204
    return World(stack, admin, shop, made.new_endpoint(), event["event_id"], keys, Api(stack, revoked["key"]))


Request = tuple[str, dict[str, Any] | None]
UNTIL = text(datetime.now(UTC) + timedelta(hours=1))

# A good request of each route, about the world's application. What is used up is made anew.
REQUESTS: dict[tuple[str, str], Callable[[World], Request]] = {
    ("GET", "/"): lambda w: (f"?application_id={w.shop}", None),
    ("POST", "/"): lambda w: ("", {"application_id": w.shop, "url": "https://ops.example.com/"}),
    ("GET", "/{operational_endpoint_id}"): lambda w: (f"/{w.endpoint}", None),
    ("PUT", "/{operational_endpoint_id}"): lambda w: (
        f"/{w.endpoint}",
        {"application_id": w.shop, "url": "https://ops.example.com/"},
    ),
    ("PATCH", "/{operational_endpoint_id}"): lambda w: (f"/{w.endpoint}", {"description": "patched"}),
    ("DELETE", "/{operational_endpoint_id}"): lambda w: (f"/{w.new_endpoint()}", None),
    ("GET", "/{operational_endpoint_id}/attempts"): lambda w: (f"/{w.endpoint}/attempts", None),
    ("GET", "/{operational_endpoint_id}/secret"): lambda w: (f"/{w.endpoint}/secret", None),
    ("POST", "/{operational_endpoint_id}/secret/rotate"): lambda w: (
        f"/{w.endpoint}/secret/rotate",
        {"grace_period_seconds": 0},
    ),
    ("POST", "/{operational_endpoint_id}/test"): lambda w: (f"/{w.endpoint}/test", None),
    ("GET", "/event_types"): lambda w: (f"/event_types?application_id={w.shop}", None),
    ("GET", "/event_types/{name}"): lambda w: (f"/event_types/endpoint.failing?application_id={w.shop}", None),
    ("POST", "/event_types/{name}"): lambda w: (
        "/event_types/invoice.due",
        {"application_id": w.shop, "description": "x", "schema": {"type": "object"}},
    ),
    ("DELETE", "/event_types/{name}"): lambda w: (f"/event_types/{w.new_type()}?application_id={w.shop}", None),
    ("GET", "/events"): lambda w: (f"/events?application_id={w.shop}", None),
    ("POST", "/events"): lambda w: ("/events", {"application_id": w.shop, "type": w.new_type(), "data": {}}),
    ("GET", "/events/{event_id}"): lambda w: (f"/events/{w.event}", None),
    ("GET", "/events/{event_id}/attempts"): lambda w: (f"/events/{w.event}/attempts", None),
    ("GET", "/stats"): lambda w: (f"/stats?application_id={w.shop}", None),
    ("GET", "/monitored_endpoints"): lambda w: (f"/monitored_endpoints?application_id={w.shop}", None),
    ("GET", "/monitored_endpoints/{endpoint_id}"): lambda w: (
        f"/monitored_endpoints/erp?application_id={w.shop}",
        None,
    ),
    ("GET", "/monitored_endpoints/{endpoint_id}/mute"): lambda w: (
        f"/monitored_endpoints/{w.new_mute()}/mute?application_id={w.shop}",
        None,
    ),
    ("POST", "/monitored_endpoints/{endpoint_id}/mute"): lambda w: (
        f"/monitored_endpoints/{unique('erp')}/mute",
        {"application_id": w.shop, "until": UNTIL, "reason": "x"},
    ),
    ("DELETE", "/monitored_endpoints/{endpoint_id}/mute"): lambda w: (
        f"/monitored_endpoints/{w.new_mute()}/mute?application_id={w.shop}",
        None,
    ),
    ("GET", "/policies/{application_id}"): lambda w: (f"/policies/{w.shop}", None),
    ("PUT", "/policies/{application_id}"): lambda w: (f"/policies/{w.shop}", {}),
    ("POST", "/signals"): lambda w: (
        "/signals",
        {
            "application_id": w.shop,
            "signals": [{"type": "endpoint.deleted", "endpoint_id": "x", "occurred_at": text(datetime.now(UTC))}],
        },
    ),
    ("POST", "/sources"): lambda w: ("/sources", {"application_id": w.shop, "kind": "hook0", "secret": SECRET}),
    ("GET", "/sources/{source_id}"): lambda w: (f"/sources/{w.new_source()}", None),
    ("DELETE", "/sources/{source_id}"): lambda w: (f"/sources/{w.new_source()}", None),
    ("GET", "/keys"): lambda _: ("/keys", None),
    ("POST", "/keys"): lambda w: ("/keys", {"role": "viewer", "application_ids": [w.shop]}),
    ("GET", "/keys/{key_id}"): lambda w: (f"/keys/{w.new_key('viewer', w.shop)['key_id']}", None),
    ("DELETE", "/keys/{key_id}"): lambda w: (f"/keys/{w.new_key('viewer', w.shop)['key_id']}", None),
}


def ask(world: World, api: Api, route: tuple[str, str]) -> requests.Response:
    path, body = REQUESTS[route](world)
    return api.request(route[0], path, **({} if body is None else {"json": body}))


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
