"""HTTP, DELIVERIES → Audit: who changed what of Hookwatch's own configuration, and who read a secret."""

import hashlib
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hookwatch import tables, times
from hookwatch.access import roles
from hookwatch.audit import KEPT_DAYS
from hookwatch.notifying import endpoints
from tests.in_process import bad_input
from tests.in_process.api import call
from tests.in_process.auditing import ACTIONS, CHANGES, actions, configuration, on_record
from tests.in_process.aws import Aws
from tests.in_process.bad_input import Route
from tests.in_process.deliveries import attempts, deliver, owed, received, register, register_receiver
from tests.in_process.signals import unique
from tests.integration.test_api import create, endpoint_body
from tests.integration.test_delivery import due_now
from tests.local_cloud.receiver import Receiver

ROUTES = sorted([*roles.NEEDS, *roles.OPEN])
SECRETS = ("whsec_", "hwk_")  # how those begin that an answer can show
ROTATION = ("POST", "/{operational_endpoint_id}/secret/rotate")
DELETION = ("DELETE", "/applications/{application_id}")  # of everything, and before anything is deleted
# Where what is made is shown, by the route that makes it.
MADE_AT = {
    ("POST", "/"): "operational_endpoint_id",
    ("POST", "/sources"): "source_id",
    ("POST", "/keys"): "key_id",
    ("POST", "/{operational_endpoint_id}/replay"): "replay_id",
}
RESENDING = ("POST", "/events/{event_id}/resend")  # what it makes is another thing than what it is about


@pytest.fixture(scope="module", autouse=True)
def empty_queue_afterwards(aws: Aws) -> Any:
    yield
    aws.take("Signals")


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_what_changes_the_configuration_or_shows_a_secret_leaves_its_item_and_nothing_else_does(
    aws: Aws, route: Route
) -> None:
    request = bad_input.good(aws, route)
    events, configured, before = aws.items("OperationalEvent"), configuration(), on_record()
    answer = request.ask(aws)
    assert answer["statusCode"] < 300
    left = [item for item in on_record() if item not in before]
    assert [item["action"] for item in left] == ([ACTIONS[route]] if route in ACTIONS else [])
    shows_a_secret = any(f'"{secret}' in answer["body"] for secret in SECRETS)
    assert bool(left) == (configuration() != configured or shows_a_secret)
    if left:
        [item] = left
        told = {name: item[name] for name in ("actor", "request_id", "source_ip")}
        context = aws.sample("api")["requestContext"]
        assert told == {
            "actor": "key:admin",
            "request_id": context["requestId"],
            "source_ip": context["identity"]["sourceIp"],
        }
        assert item["application_id"].startswith("shop-")
        kept = int(item["expires_at"]) - datetime.now(UTC).timestamp()
        assert abs(kept - timedelta(days=KEPT_DAYS).total_seconds()) < 60
        assert aws.items("OperationalEvent") == events  # or there would be a loop


def shown(aws: Aws, path: str, application_id: str) -> dict[str, Any] | None:
    """What the API shows there."""
    status, body = call(aws, "GET", path, application_id=application_id)
    return body if status == 200 else None


@pytest.mark.parametrize(
    "route", [route for route in CHANGES if route not in (ROTATION, DELETION, RESENDING)], ids=" ".join
)
def test_before_and_after_are_what_the_api_shows_then(aws: Aws, route: Route) -> None:
    request = bad_input.good(aws, route)
    application_id = str(request.query.get("application_id") or json.loads(request.body or "{}").get("application_id"))
    earlier = len(on_record())
    before = None if route in MADE_AT else shown(aws, request.path, application_id)
    answer = request.ask(aws)
    path, target = request.path, request.path.removesuffix("/mute").rpartition("/")[2]
    if route in MADE_AT:
        target = json.loads(answer["body"])[MADE_AT[route]]
        path = f"{request.path.rstrip('/')}/{target}" if route[1].count("/") == 1 else f"/replays/{target}"
    [item] = on_record()[earlier:]
    assert item["target"] == target
    assert item["before"] == before
    assert item["after"] == shown(aws, path, application_id)
    assert (item["before"], item["after"]) != (None, None)


def test_a_resend_says_to_whom(aws: Aws) -> None:
    request = bad_input.good(aws, RESENDING)
    answer = json.loads(request.ask(aws)["body"])
    item = on_record()[-1]
    assert (item["target"], item["before"], item["after"]) == (answer["event_id"], None, answer)


def test_a_rotation_says_how_long_earlier_secrets_sign(aws: Aws) -> None:
    endpoint = create(aws)
    path = f"/{endpoint['operational_endpoint_id']}/secret/rotate"
    retiring = call(aws, "POST", path)[1]["retiring"]
    item = on_record(endpoint["application_id"])[-1]
    assert (item["before"], item["after"]) == (
        {"secret": "***", "retiring": []},
        {"secret": "***", "retiring": retiring},
    )


def test_a_type_is_created_once_and_then_updated(aws: Aws) -> None:
    shop = unique("shop")
    body = {"application_id": shop, "description": "x", "schema": {"type": "object"}}
    for _ in range(2):
        call(aws, "POST", "/event_types/invoice.due", body)
    assert actions(shop) == ["event_type.created", "event_type.updated"]


def test_who_changes_nothing_is_on_record_too(aws: Aws) -> None:
    endpoint = create(aws)
    for _ in range(2):
        call(aws, "PATCH", f"/{endpoint['operational_endpoint_id']}", {})
    assert actions(endpoint["application_id"])[1:] == ["operational_endpoint.updated"] * 2


def test_what_concerns_several_applications_is_on_record_at_each(aws: Aws) -> None:
    shops = sorted(unique("shop") for _ in range(20))
    key = call(aws, "POST", "/keys", {"role": "viewer", "application_ids": shops})[1]
    call(aws, "DELETE", f"/keys/{key['key_id']}")
    for shop in shops:
        assert actions(shop) == ["key.created", "key.revoked"]
    assert len({item["audit_id"] for item in on_record(*shops)}) == 40


def test_what_concerns_every_application_is_on_record_at_none_of_them(aws: Aws) -> None:
    source = call(aws, "POST", "/sources", {"application_id": None, "kind": "hook0", "secret": "x" * 16})[1]
    call(aws, "DELETE", f"/sources/{source['source_id']}")
    found = [item for item in on_record("*") if item["target"] == source["source_id"]]
    assert [(item["action"], item["application_id"]) for item in found] == [
        ("source.created", "*"),
        ("source.deleted", "*"),
    ]


def test_no_secret_no_header_and_no_hash_is_in_any_item(aws: Aws) -> None:
    shop, header, secret = unique("shop"), unique("a-header-value"), unique("a-source-secret")
    routing_key = uuid.uuid4().hex
    endpoint = create(
        aws, application_id=shop, headers={"X-Token": header}, format="pagerduty", routing_key=routing_key
    )
    path = f"/{endpoint['operational_endpoint_id']}"
    body = endpoint_body(shop, headers={"X-Token": f"{header}-2"}, format="pagerduty", routing_key="***")
    call(aws, "PUT", path, body)
    call(aws, "PATCH", path, {"headers": {"X-Other": f"{header}-3"}})
    rotated = call(aws, "POST", f"{path}/secret/rotate")[1]
    call(aws, "GET", f"{path}/secret")
    call(aws, "DELETE", path)
    source = call(aws, "POST", "/sources", {"application_id": shop, "kind": "hook0", "secret": secret})[1]
    call(aws, "DELETE", f"/sources/{source['source_id']}")
    key = call(aws, "POST", "/keys", {"role": "viewer", "application_ids": [shop]})[1]
    call(aws, "DELETE", f"/keys/{key['key_id']}")
    secret_part = key["key"].rpartition("_")[2]
    assert len(on_record(shop)) == 10
    everything = json.dumps(aws.items("Audit"), default=str)
    assert "X-Token" in everything
    hashed = hashlib.sha256(secret_part.encode()).hexdigest()
    for never in (header, routing_key, secret, endpoint["secret"], rotated["secret"], secret_part, hashed, *SECRETS):
        assert never not in everything


@pytest.mark.parametrize("text", ["x", "é", "€", '"'], ids=["one byte", "two", "three", "an escape"])
def test_the_largest_things_fit_an_item(aws: Aws, text: str) -> None:
    """Which has 400 KB (DynamoDB quotas), with what was there before and what is there after."""
    shop = unique("shop")
    filled = text * (65_000 // len(json.dumps(text, ensure_ascii=False)[1:-1].encode()))
    body = {"application_id": shop, "description": text * 1024, "schema": {"title": filled[:5000]}} | {
        "example": {"text": filled}
    }
    for _ in range(2):
        assert call(aws, "POST", "/event_types/invoice.due", body)[0] in (200, 201)
    metadata = {f"{number:02}" + text * 62: text * 512 for number in range(50)}
    endpoint = create(aws, application_id=shop, description=text * 256, metadata=metadata)
    assert call(aws, "PATCH", f"/{endpoint['operational_endpoint_id']}", {})[0] == 200
    items = [item.serialize() for item in tables.Audit.query(shop)]
    sizes = [sum(len(name) + len(str(*value.values()).encode()) for name, value in item.items()) for item in items]
    assert len(sizes) == 4
    assert max(sizes) < 400 * 1024


# ── what is refused ──


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        pytest.param("PATCH", "/{endpoint}", {"description": "x"}, {"If-Match": '"1"'}, 412, id="changed meanwhile"),
        pytest.param("DELETE", "/{endpoint}", None, {"If-Match": '"1"'}, 412, id="changed before it is deleted"),
        pytest.param("PUT", "/{endpoint}", {"application_id": "x", "url": "https://a.example/"}, {}, 422, id="moved"),
        pytest.param("DELETE", "/oep_none", None, {}, 404, id="there is none"),
        pytest.param("DELETE", "/sources/src_none", None, {}, 404, id="no such source"),
        pytest.param("DELETE", "/keys/{revoked}", None, {}, 404, id="revoked already"),
        pytest.param("DELETE", "/event_types/invoice.none", None, {}, 404, id="no such type"),
        pytest.param("DELETE", "/monitored_endpoints/erp/mute", None, {}, 404, id="not muted"),
        pytest.param("PUT", "/policies/{shop}", {"opens_at_share": 7}, {}, 422, id="no policy"),
        pytest.param("GET", "/oep_none/secret", None, {}, 404, id="nobody's secret"),
    ],
)
def test_what_is_refused_is_not_on_record(
    aws: Aws, method: str, path: str, body: Any, headers: dict[str, str], status: int
) -> None:
    endpoint = create(aws)
    shop = endpoint["application_id"]
    revoked = call(aws, "POST", "/keys", {"role": "viewer", "application_ids": [shop]})[1]["key_id"]
    call(aws, "DELETE", f"/keys/{revoked}")
    path = path.format(endpoint=endpoint["operational_endpoint_id"], revoked=revoked, shop=shop)
    before = aws.items("Audit")
    query = {} if body else {"application_id": shop}
    assert call(aws, method, path, body, headers=headers, **query)[0] == status
    assert aws.items("Audit") == before


def test_who_may_not_is_not_on_record(aws: Aws) -> None:
    endpoint = create(aws)
    path = f"/{endpoint['operational_endpoint_id']}/secret"
    assert call(aws, "GET", path, role="viewer")[0] == 403
    assert call(aws, "GET", path, applications="another")[0] == 404
    assert actions(endpoint["application_id"]) == ["operational_endpoint.created"]


def test_what_there_is_no_room_for_is_not_on_record(aws: Aws) -> None:
    shop = unique("shop")
    for _ in range(20):
        create(aws, application_id=shop)
    assert call(aws, "POST", "/", endpoint_body(shop))[0] == 409
    assert len(actions(shop)) == 20


# ── secrets that are shown again ──


def test_an_answer_that_shows_a_secret_again_is_a_reading_of_it(aws: Aws) -> None:
    shop = unique("shop")
    endpoint = call(aws, "POST", "/", endpoint_body(shop), idempotency_key=shop)[1]
    rotate = f"/{endpoint['operational_endpoint_id']}/secret/rotate"
    call(aws, "POST", rotate, idempotency_key=shop)
    made = ["operational_endpoint.created", "operational_endpoint.secret_rotated"]
    assert actions(shop) == made
    assert call(aws, "POST", "/", endpoint_body(shop), idempotency_key=shop)[0] == 201
    assert call(aws, "POST", rotate, idempotency_key=shop)[0] == 200
    assert actions(shop) == [*made, *["operational_endpoint.secret_read"] * 2]
    call(aws, "DELETE", f"/{endpoint['operational_endpoint_id']}")
    assert call(aws, "POST", "/", endpoint_body(shop), idempotency_key=shop)[1]["secret"] is None
    assert actions(shop)[4:] == ["operational_endpoint.deleted"]


def test_an_answer_that_shows_no_secret_again_is_none(aws: Aws) -> None:
    shop = unique("shop")
    for _ in range(2):
        call(aws, "POST", "/keys", {"role": "viewer", "application_ids": [shop]}, idempotency_key=shop)
        body = {"application_id": shop, "kind": "hook0", "secret": "x" * 16}
        call(aws, "POST", "/sources", body, idempotency_key=shop)
    assert actions(shop) == ["key.created", "source.created"]


# ── what Hookwatch does itself ──


@pytest.mark.parametrize(("status", "reason"), [(410, "gone"), (500, "failing")])
def test_an_endpoint_that_hookwatch_disables_is_on_record(aws: Aws, status: int, reason: str) -> None:
    shop, since = unique("shop"), times.to_text(datetime.now(UTC) - timedelta(days=5))
    failing = {"failing_since": since} if reason == "failing" else {}
    with Receiver(lambda _body, _attempt: status) as receiver:
        name = register_receiver(aws, receiver, application_id=shop, retry_schedule=(timedelta(seconds=1),), **failing)
        before = call(aws, "GET", f"/{name}")[1]
        delivery = owed(name, application_id=shop)
        deliver(aws, received(aws, delivery, "Retries"))
        if reason == "failing":
            assert on_record(shop) == []
            due_now(aws, delivery.event_id, attempts(aws, delivery)[0]["attempt_key"])
            deliver(aws, received(aws, delivery, "Retries"))
    [item] = call(aws, "GET", "/audit", application_id=shop)[1]["data"]
    assert (item["actor"], item["action"], item["target"]) == ("hookwatch", "operational_endpoint.disabled", name)
    assert (item["request_id"], item["source_ip"]) == (None, None)
    after = call(aws, "GET", f"/{name}")[1]
    assert (item["before"], item["after"]) == (before, after)
    assert (after["is_enabled"], after["disabled_reason"]) == (False, reason)
    assert after["updated_at"] > before["updated_at"]


def test_what_deliveries_teach_is_not_on_record(aws: Aws) -> None:
    shop = unique("shop")
    with Receiver(lambda _body, attempt: 500 if attempt == 1 else 200) as receiver:
        name = register_receiver(aws, receiver, application_id=shop, has_succeeded=False)
        for _ in range(2):
            deliver(aws, received(aws, owed(name, application_id=shop), "Retries"))
    assert on_record(shop) == []


def test_an_endpoint_that_is_disabled_already_is_not_on_record_again(aws: Aws) -> None:
    shop = unique("shop")
    endpoint = endpoints.get(register(aws, "https://ops.example.com/", application_id=shop))
    assert [endpoints.disable(endpoint, "gone") for _ in range(2)] == [True, False]
    assert actions(shop) == ["operational_endpoint.disabled"]
