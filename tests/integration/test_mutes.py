"""HTTP → Application → emitter: monitored endpoints whose incidents are recorded and not delivered."""

import json
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from hookwatch import tables, times
from hookwatch.catalogue import CATALOGUE
from hookwatch.event_items import to_item
from hookwatch.notifying.mutes import MuteCache
from hookwatch.operational_events import HEARTBEAT, TEST, OperationalEvent
from tests.in_process.api import call
from tests.in_process.aws import Aws
from tests.in_process.signals import attempt, created, messages, unique
from tests.integration.test_emitter import register

PATH = "/monitored_endpoints/erp/mute"


def mute_body(shop: str, **fields: Any) -> dict[str, Any]:
    until = times.to_text(times.now() + timedelta(hours=1))
    return {"application_id": shop, "until": until, "reason": "We move the ERP."} | fields


def mute(aws: Aws, shop: str, **fields: Any) -> dict[str, Any]:
    status, answer = call(aws, "POST", PATH, mute_body(shop, **fields))
    assert status == 201
    return answer


def event(shop: str, type_: str, **data: Any) -> OperationalEvent:
    now = times.now()
    own = {"application_id": shop, "endpoint_id": "erp", "opened_at": times.to_text(now)}
    return OperationalEvent(
        event_id=unique("evt"),
        application_id=shop,
        type=type_,
        timestamp=now,
        data=CATALOGUE[type_].example["data"] | own | data,
    )


def delivered(aws: Aws, *events: OperationalEvent) -> list[str]:
    """The types of what the emitter puts on DELIVERIES."""
    aws.take("Deliveries")
    records = []
    for told in events:
        record = deepcopy(aws.sample("emitter")["Records"][0])
        record["dynamodb"] |= {
            "Keys": {"event_id": {"S": told.event_id}},
            "NewImage": to_item(told, expires_at=0).to_dynamodb_dict(),
        }
        records.append(record)
    aws.invoke("emitter", {"Records": records})
    return [json.loads(message["body"])["event_type"] for message in aws.take("Deliveries")]


def test_a_muted_endpoints_incidents_are_not_delivered_and_its_changes_are(aws: Aws) -> None:
    shop = unique("shop")
    register(shop)
    # A test is for an operational endpoint, and a heartbeat for who names it.
    types = [type_ for type_ in CATALOGUE if type_ not in (TEST, HEARTBEAT)]
    told = [event(shop, type_) for type_ in types]
    assert sorted(delivered(aws, *told)) == sorted(types)
    mute(aws, shop)
    told = [event(shop, type_) for type_ in types]
    changes = {"endpoint.created", "endpoint.updated", "endpoint.deleted", "endpoint.enabled", "endpoint.disabled"}
    kept = {*changes} | {type_ for type_ in types if not type_.startswith(("endpoint.", "message."))}
    assert set(delivered(aws, *told)) == kept
    assert delivered(aws, event(shop, "endpoint.failing", endpoint_id="crm")) == ["endpoint.failing"]
    assert delivered(aws, event(unique("shop"), "endpoint.failing")) == []


def test_a_muted_incident_is_recorded(aws: Aws) -> None:
    shop = unique("shop")
    mute(aws, shop)
    failing = [attempt("erp", second) for second in range(0, 60, 5)]
    aws.invoke("observer", {"Records": messages(shop, *failing)})
    assert call(aws, "GET", "/events", application_id=shop)[1]["data"][0]["type"] == "endpoint.failing"


def test_a_recovery_goes_the_way_of_its_failing(aws: Aws) -> None:
    shop = unique("shop")
    register(shop)
    before = times.to_text(times.now())
    mute(aws, shop)
    meanwhile = times.to_text(times.now())
    assert delivered(aws, event(shop, "endpoint.recovered", opened_at=before)) == ["endpoint.recovered"]
    assert delivered(aws, event(shop, "endpoint.recovered", opened_at=meanwhile)) == []
    assert call(aws, "DELETE", PATH, application_id=shop) == (204, {})
    assert delivered(aws, event(shop, "endpoint.failing")) == ["endpoint.failing"]
    assert delivered(aws, event(shop, "endpoint.recovered", opened_at=meanwhile)) == []
    mute(aws, shop)
    assert delivered(aws, event(shop, "endpoint.recovered", opened_at=meanwhile)) == []


def test_the_emitter_reads_an_applications_mutes_once_for_all_their_events(aws: Aws) -> None:
    shop, queries = unique("shop"), []
    mute(aws, shop)
    registry = tables.Application._get_connection().connection.client.meta.events

    def count(**about: Any) -> None:
        queries.append(about["params"])

    registry.register("before-call.dynamodb.Query", count)
    mutes = MuteCache(60)
    assert not mutes.cover(event(shop, "endpoint.updated"))
    assert queries == []
    assert all(mutes.cover(event(shop, "endpoint.failing")) for _ in range(100))
    assert not mutes.cover(event(shop, "endpoint.failing", endpoint_id="crm"))
    registry.unregister("before-call.dynamodb.Query", count)
    assert len(queries) == 1


def test_a_mute_is_shown_until_it_ends_and_is_no_part_of_the_health(aws: Aws) -> None:
    shop = unique("shop")
    aws.invoke("observer", {"Records": messages(shop, created("crm"), created("erp"))})
    health = [item for item in aws.items("MonitoredEndpoint") if item["application_id"]["S"] == shop]
    body = mute_body(shop)
    status, answer = call(aws, "POST", PATH, body)
    assert (status, answer["until"], answer["reason"]) == (201, body["until"], body["reason"])

    def shown() -> dict[str, Any]:
        listed = call(aws, "GET", "/monitored_endpoints", application_id=shop)[1]["data"]
        return {endpoint["endpoint_id"]: endpoint["mute"] for endpoint in listed}

    assert shown() == {"crm": None, "erp": answer}
    assert call(aws, "GET", "/monitored_endpoints/erp", application_id=shop)[1]["mute"] == answer
    again = mute(aws, shop, reason="It takes longer.")
    assert shown()["erp"] == again
    assert [item for item in aws.items("MonitoredEndpoint") if item["application_id"]["S"] == shop] == health
    assert call(aws, "DELETE", PATH, application_id=shop)[0] == 204
    assert shown()["erp"] is None
    assert call(aws, "GET", "/monitored_endpoints/erp", application_id=shop)[1]["mute"] is None
    assert call(aws, "DELETE", PATH, application_id=shop)[0] == 404


def test_a_mute_is_kept_for_a_week_after_its_end(aws: Aws) -> None:
    shop = unique("shop")
    until = times.from_text(mute(aws, shop)["until"])
    [item] = [item for item in aws.items("Application") if item["application_id"]["S"] == shop]
    assert item["item"]["S"] == "mute#erp"
    assert int(item["expires_at"]["N"]) == int((until + timedelta(days=7)).timestamp())


def test_a_mute_is_only_for_a_key_of_its_application(aws: Aws) -> None:
    shop = unique("shop")
    assert call(aws, "POST", PATH, mute_body(shop), applications="another")[0] == 404
    mute(aws, shop)
    assert call(aws, "DELETE", PATH, application_id=shop, applications="another")[0] == 404


@pytest.mark.parametrize(
    "fields",
    [
        {"until": times.to_text(times.now())},
        {"until": times.to_text(times.now() + timedelta(days=91))},
        {"until": "9999-12-31T23:59:59Z"},
        {"until": "tomorrow"},
        {"until": None},
        {"reason": ""},
        {"reason": "x" * 257},
        {"application_id": "*"},
        {"created_by": "me"},
    ],
)
def test_a_mute_that_is_none_is_refused_with_its_place(aws: Aws, fields: dict[str, Any]) -> None:
    status, problem = call(aws, "POST", PATH, mute_body(unique("shop"), **fields))
    assert (status, problem["id"]) == (422, "validation_failed")
    assert problem["errors"][0]["loc"][0] in fields


@pytest.mark.parametrize("endpoint_id", ["x" * 257, "*"])
def test_what_cannot_be_an_endpoint_is_not_muted(aws: Aws, endpoint_id: str) -> None:
    path = f"/monitored_endpoints/{endpoint_id}/mute"
    assert call(aws, "POST", path, mute_body(unique("shop")))[0] == 422


def test_a_mute_is_shown_before_anything_is_known_of_its_endpoint_and_its_events_say_so(aws: Aws) -> None:
    shop = unique("shop")
    assert call(aws, "GET", PATH, application_id=shop)[0] == 404
    shown = mute(aws, shop)
    assert call(aws, "GET", PATH, application_id=shop) == (200, shown)
    told = event(shop, "endpoint.failing")
    to_item(told, expires_at=int(times.now().timestamp()) + 60).save()
    assert call(aws, "GET", f"/events/{told.event_id}")[1]["muted"] is True
    assert [one["muted"] for one in call(aws, "GET", "/events", application_id=shop)[1]["data"]] == [True]
