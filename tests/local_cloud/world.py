"""An application with one of everything, keys of every role for it, and a good request of each route."""

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from hookwatch.access.roles import ROLES
from hookwatch.operating.deployment import Deployment
from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack

SECRET = "a-subscription-secret"


@dataclass(frozen=True)
class World:
    """What there is in one application, and the keys that ask for it. `keys` are by role and scope; those of "own" are
    for two applications more: `leaving` is to be deleted, and `gone` was."""

    stack: Stack
    admin: Api
    shop: str
    endpoint: str
    event: str
    keys: dict[tuple[str, str], Api]
    revoked: Api
    leaving: str
    gone: str

    def new_endpoint(self) -> str:
        body = {"application_id": self.shop, "url": "https://ops.example.com/"}
        return str(self.admin.post("", body).json()["operational_endpoint_id"])

    def new_replay(self) -> str:
        """To an endpoint of its own, at a rate at which it is not over at once."""
        body = {"since": text(datetime.now(UTC) - timedelta(hours=1)), "rate_per_second": 1}
        return str(self.admin.post(f"/{self.new_endpoint()}/replay", body).json()["replay_id"])

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

    @classmethod
    def of(cls, stack: Stack, client: type[Api] = Api) -> "World":
        admin, shop, other = client(stack), unique("shop"), unique("other")
        created = {"type": "endpoint.created", "endpoint_id": "erp", "occurred_at": text(datetime.now(UTC))}
        assert admin.post_signals(shop, [created]).status_code == 202
        assert within(30, lambda: bool(admin.get("/events", application_id=shop).json()["data"]))
        [event] = admin.get("/events", application_id=shop).json()["data"]
        keys: dict[tuple[str, str], Api] = {}
        leaving, gone = unique("leaving"), unique("gone")
        delete(stack, admin, gone)  # before there are keys for it, from which it would be taken out
        made = cls(stack, admin, shop, "", event["event_id"], keys, admin, leaving, gone)
        for scope, application_ids in (("own", [shop, leaving, gone]), ("other", [other]), ("every", ["*"])):
            for role in ROLES:
                keys[role, scope] = client(stack, made.new_key(role, *application_ids)["key"])
        revoked = made.new_key("admin", "*")
        assert admin.delete(f"/keys/{revoked['key_id']}").status_code == 204
        return replace(made, endpoint=made.new_endpoint(), revoked=Api(stack, revoked["key"]))


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def within(seconds: float, is_so: Callable[[], bool]) -> bool:
    ends_at = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > ends_at:
            return False
        time.sleep(0.1)
    return True


def delete(stack: Stack, admin: Api, application_id: str) -> None:
    """Until it is deleted. The eraser is invoked as its schedule does, for nobody to wait for the minutes."""
    assert admin.delete(f"/applications/{application_id}").status_code == 202
    deployment = Deployment(stack.stack_name, stack.endpoint_url, stack.region)
    eraser = deployment.physical_id("Eraser")

    def is_deleted() -> bool:
        event = json.dumps({"time": text(datetime.now(UTC))})
        deployment.client("lambda").invoke(FunctionName=eraser, Payload=event)
        return bool(admin.get(f"/applications/{application_id}/deletion").json()["state"] == "deleted")

    assert within(60, is_deleted)


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
    ("POST", "/{operational_endpoint_id}/replay"): lambda w: (
        f"/{w.new_endpoint()}/replay",
        {"since": text(datetime.now(UTC) - timedelta(hours=1)), "dry_run": True},
    ),
    ("GET", "/replays/{replay_id}"): lambda w: (f"/replays/{w.new_replay()}", None),
    ("DELETE", "/replays/{replay_id}"): lambda w: (f"/replays/{w.new_replay()}", None),
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
    ("POST", "/events/{event_id}/resend"): lambda w: (f"/events/{w.event}/resend", {}),
    ("POST", "/filters/test"): lambda w: (
        "/filters/test",
        {"filter": "starts_with(type, 'endpoint.')", "application_id": w.shop, "last": 10},
    ),
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
    ("DELETE", "/applications/{application_id}"): lambda w: (f"/applications/{w.leaving}", None),
    ("GET", "/applications/{application_id}/deletion"): lambda w: (f"/applications/{w.gone}/deletion", None),
    ("GET", "/applications/{application_id}/export"): lambda w: (f"/applications/{w.shop}/export", None),
    ("GET", "/keys"): lambda _: ("/keys", None),
    ("POST", "/keys"): lambda w: ("/keys", {"role": "viewer", "application_ids": [w.shop]}),
    ("GET", "/keys/{key_id}"): lambda w: (f"/keys/{w.new_key('viewer', w.shop)['key_id']}", None),
    ("DELETE", "/keys/{key_id}"): lambda w: (f"/keys/{w.new_key('viewer', w.shop)['key_id']}", None),
    ("GET", "/audit"): lambda w: (f"/audit?application_id={w.shop}", None),
}


def ask(world: World, api: Api, route: tuple[str, str]) -> requests.Response:
    path, body = REQUESTS[route](world)
    return api.request(route[0], path, **({} if body is None else {"json": body}))
