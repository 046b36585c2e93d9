"""GET /audit: what is listed, to whom, and how far back."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from hookwatch import tables, times
from hookwatch.audit import Action
from tests.in_process.api import ask, call
from tests.in_process.auditing import ACTIONS, on_record
from tests.in_process.aws import Aws
from tests.in_process.signals import unique
from tests.integration.test_api import create, endpoint_body


@pytest.fixture
def shop(aws: Aws) -> str:
    """With five items: two endpoints are created, one of them by another key; it is updated and deleted; a policy."""
    shop = unique("shop")
    create(aws, application_id=shop)
    endpoint = call(aws, "POST", "/", endpoint_body(shop), key_id="k2")[1]
    call(aws, "PATCH", f"/{endpoint['operational_endpoint_id']}", {"description": "x"}, key_id="k2")
    call(aws, "DELETE", f"/{endpoint['operational_endpoint_id']}")
    call(aws, "PUT", f"/policies/{shop}", {})
    return shop


ALL = [
    "operational_endpoint.created",
    "operational_endpoint.created",
    "operational_endpoint.updated",
    "operational_endpoint.deleted",
    "policy.updated",
]


def listed(aws: Aws, limit: int = 100, **query: Any) -> list[dict[str, Any]]:
    """Every page."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        status, page = call(aws, "GET", "/audit", limit=str(limit), **query, **cursor)
        assert status == 200, page
        assert len(page["data"]) <= limit
        found += page["data"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def told(items: list[dict[str, Any]]) -> list[str]:
    return [item["action"] for item in items]


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_it_is_listed_newest_first_page_by_page(aws: Aws, shop: str, limit: int) -> None:
    found = listed(aws, limit, application_id=shop)
    assert told(found) == ALL[::-1]
    assert found[0].keys() == {
        "audit_id",
        "application_id",
        "timestamp",
        *("actor", "action", "target", "before", "after"),
        *("request_id", "source_ip"),
    }


def test_it_is_filtered(aws: Aws, shop: str) -> None:
    def found(**query: Any) -> list[str]:
        return told(listed(aws, application_id=shop, **query))[::-1]

    endpoint = on_record(shop)[1]["target"]
    assert found(action="operational_endpoint.created") == ALL[:2]
    assert found(actor="key:k2") == ALL[1:3]
    assert found(target=endpoint) == ALL[1:4]
    assert found(target=endpoint, actor="key:admin") == ALL[3:4]
    assert found(target=shop) == ALL[4:]
    assert found(target="none") == found(action="key.created") == []
    assert call(aws, "GET", "/audit", application_id=shop, action="key")[0] == 422


def test_since_is_in_it_and_until_is_not(aws: Aws, shop: str) -> None:
    moments = [item["timestamp"] for item in on_record(shop)]
    after = listed(aws, application_id=shop, since=moments[2])
    before = listed(aws, application_id=shop, until=moments[2])
    assert [item["timestamp"] for item in after] == [moment for moment in moments[::-1] if moment >= moments[2]]
    assert [item["timestamp"] for item in before] == [moment for moment in moments[::-1] if moment < moments[2]]
    assert listed(aws, application_id=shop, since=moments[2], until=moments[1]) == []


def test_each_action_can_be_asked_for(aws: Aws) -> None:
    for action in get_args(Action):
        assert call(aws, "GET", "/audit", application_id=unique("shop"), action=action)[0] == 200
    assert {*ACTIONS.values()} <= {*get_args(Action)}


def test_it_is_the_keys_own_applications(aws: Aws, shop: str) -> None:
    assert told(listed(aws, applications=shop)) == ALL[::-1]
    assert told(listed(aws, applications=f"{shop} another", application_id=shop)) == ALL[::-1]
    assert call(aws, "GET", "/audit", applications=f"{shop} another")[0] == 422
    assert call(aws, "GET", "/audit")[0] == 422
    for asked in (shop, "*"):
        assert call(aws, "GET", "/audit", applications="another", application_id=asked)[0] == 404
    for role in ("viewer", "editor", "reporter"):
        assert call(aws, "GET", "/audit", applications=shop, role=role)[0] == 403
    assert shop not in json.dumps(listed(aws, applications="another"))


def test_a_cursor_goes_on_with_its_own_list(aws: Aws, shop: str) -> None:
    cursor = call(aws, "GET", "/audit", application_id=shop, limit="2")[1]["next_cursor"]
    for changed in ({"application_id": "another"}, {"application_id": "*"}, {"actor": "key:admin"}, {"key_id": "k2"}):
        query = {"application_id": shop, "cursor": cursor} | changed
        assert call(aws, "GET", "/audit", **query)[1]["errors"][0]["loc"] == ["cursor"]


def put(shop: str, age: timedelta, actor: str, *, is_expired: bool = False) -> str:
    """An item of earlier; its timestamp."""
    moment = datetime.now(UTC) - age
    timestamp, audit_id = times.to_text(moment), unique("aud")
    tables.Audit(
        application_id=shop,
        listed_at=f"{timestamp}#{audit_id}",
        audit_id=audit_id,
        month=timestamp[:7],
        timestamp=timestamp,
        actor=actor,
        action="policy.updated",
        target=shop,
        expires_at=int(datetime.now(UTC).timestamp()) + (-1 if is_expired else 1000),
    ).save()
    return timestamp


def test_an_item_past_its_time_is_not_listed_though_it_is_there(aws: Aws) -> None:
    shop, actor = unique("shop"), unique("key")
    kept = put(shop, timedelta(days=1), actor)
    put(shop, timedelta(days=2), actor, is_expired=True)
    for scope in (shop, "*"):
        assert [item["timestamp"] for item in listed(aws, application_id=scope, actor=actor)] == [kept]


@pytest.mark.parametrize("limit", [1, 100])
def test_of_every_application_it_goes_back_from_month_to_month(aws: Aws, limit: int) -> None:
    actor, shops = unique("key"), [unique("shop") for _ in range(3)]
    days = (0, 1, 2, 40, 41, 200, 399)
    moments = [put(shops[number % 3], timedelta(days=days), actor) for number, days in enumerate(days)]
    found = listed(aws, limit, application_id="*", actor=actor)
    assert [item["timestamp"] for item in found] == moments
    assert {item["application_id"] for item in found} == {*shops}
    between = listed(aws, limit, application_id="*", actor=actor, since=moments[5], until=moments[2])
    assert [item["timestamp"] for item in between] == moments[3:6]
    assert listed(aws, limit, application_id="*", actor=actor, until="2000-01-01T00:00:00Z") == []


def test_of_every_application_a_month_that_is_full_goes_on_in_it(aws: Aws) -> None:
    actor, shops = unique("key"), [unique("shop") for _ in range(5)]
    first = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    last = datetime.now(UTC) - first + timedelta(days=1)  # the day before this month
    moments = [put(shops[n % 5], last + timedelta(hours=n), actor) for n in range(10)]
    found = listed(aws, 3, application_id="*", actor=actor, until=times.to_text(first), since=moments[-1])
    assert [item["timestamp"] for item in found] == moments


def test_of_every_application_one_request_reads_fifteen_pages_at_most(aws: Aws) -> None:
    reads: list[str] = []
    client = tables.Audit._get_connection().connection.client

    def count(model: Any, **_: Any) -> None:
        reads.append(model.name)

    actor = unique("key")
    for _ in range(20):
        put(unique("shop"), timedelta(0), "another")
    client.meta.events.register("before-call.dynamodb.Query", count)
    page = call(aws, "GET", "/audit", application_id="*", actor=actor, limit="1")[1]
    client.meta.events.unregister("before-call.dynamodb.Query", count)
    assert (page["data"], len(reads)) == ([], 15)
    assert page["next_cursor"]


def test_a_list_of_every_application_is_for_keys_of_every_application(aws: Aws) -> None:
    assert call(aws, "GET", "/audit", application_id="*", applications="shop crm")[0] == 404
    assert ask(aws, "GET", "/audit", application_id="*", limit="1")["statusCode"] == 200
