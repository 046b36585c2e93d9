"""HTTP → OperationalEventType, OperationalEvent → DELIVERIES: an application's own types and events."""

import json
from datetime import timedelta
from typing import Any

import jsonschema
import pytest

from hookwatch import custom_types, times
from hookwatch.catalogue import CATALOGUE
from hookwatch.custom_types import CustomType
from tests.in_process.api import call
from tests.in_process.auditing import BY_A_TEST
from tests.in_process.aws import Aws
from tests.in_process.invoking import inserted
from tests.in_process.signals import unique

OVERDUE = "invoice.overdue"
SCHEMA = {
    "type": "object",
    "required": ["amount"],
    "properties": {"amount": {"$ref": "#/$defs/amount"}, "name": {"type": "string", "pattern": "^(a+)+$"}},
    "$defs": {"amount": {"type": "integer", "minimum": 0}},
}


def type_body(shop: str, **fields: Any) -> dict[str, Any]:
    return {"application_id": shop, "description": "Not paid in time.", "schema": SCHEMA} | fields


def event_body(shop: str, **fields: Any) -> dict[str, Any]:
    return {"application_id": shop, "type": OVERDUE, "data": {"amount": 7}} | fields


@pytest.fixture
def shop(aws: Aws) -> str:
    """An application with a type of its own."""
    shop = unique("shop")
    assert call(aws, "POST", f"/event_types/{OVERDUE}", type_body(shop, example={"amount": 3}))[0] == 201
    return shop


def post(aws: Aws, body: dict[str, Any] | str, key: str = "", applications: str = "*") -> tuple[int, dict[str, Any]]:
    return call(aws, "POST", "/events", body, idempotency_key=key, applications=applications)


def shown(aws: Aws, shop: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = call(aws, "GET", "/events", application_id=shop)[1]["data"]
    return events


def test_an_applications_own_type_is_shown_beside_the_catalogue_to_it_alone(aws: Aws, shop: str) -> None:
    def names(**query: str) -> set[str]:
        return {shown["name"] for shown in call(aws, "GET", "/event_types", **query)[1]["data"]}

    assert names(application_id=shop) == names(applications=shop) == {*CATALOGUE, OVERDUE}
    assert names() == names(application_id="*") == names(application_id="another") == set(CATALOGUE)
    assert call(aws, "GET", "/event_types", application_id=shop, applications="another")[0] == 404
    path = f"/event_types/{OVERDUE}"
    assert call(aws, "GET", path, application_id=shop)[1]["is_custom"] is True
    assert call(aws, "GET", "/event_types/endpoint.failing", application_id=shop)[1]["is_custom"] is False
    assert call(aws, "GET", path)[0] == 404
    assert call(aws, "GET", path, application_id=shop, applications="another")[0] == 404
    assert call(aws, "GET", path, applications="another")[0] == 404


def test_a_type_that_is_posted_again_is_replaced(aws: Aws, shop: str) -> None:
    path = f"/event_types/{OVERDUE}"
    status, answer = call(aws, "POST", path, type_body(shop, description="Later."))
    assert (status, answer["description"], answer["is_custom"]) == (200, "Later.", True)
    assert call(aws, "GET", path, application_id=shop) == (200, answer)


def test_a_type_that_is_deleted_is_gone_and_its_events_stay(aws: Aws, shop: str) -> None:
    assert post(aws, event_body(shop))[0] == 202
    path = f"/event_types/{OVERDUE}"
    assert call(aws, "DELETE", path, application_id=shop, applications="another")[0] == 404
    assert call(aws, "DELETE", path, application_id=shop) == (204, {})
    assert call(aws, "DELETE", path, application_id=shop)[0] == 404
    assert call(aws, "GET", path, application_id=shop)[0] == 404
    assert post(aws, event_body(shop, timestamp=times.to_text(times.now())))[0] == 422
    assert [event["type"] for event in shown(aws, shop)] == [OVERDUE]


@pytest.mark.parametrize(
    ("name", "fields", "place"),
    [
        ("endpoint.failing", {}, "type"),
        ("hookwatch.mine", {}, "type"),
        ("Invoice", {}, "type"),
        (OVERDUE, {"schema": {"$ref": "http://169.254.169.254/"}}, "schema"),
        (OVERDUE, {"schema": {"type": "strin"}}, "schema"),
        (OVERDUE, {"schema": {"description": "x" * 17_000}}, "schema"),
        (OVERDUE, {"schema": {"pattern": "(a)\\1"}}, "schema"),
        (OVERDUE, {"schema": True}, "schema"),
        (OVERDUE, {"schema": {"description": "\ud800"}}, "schema"),
        (OVERDUE, {"example": {"amount": -1}}, "example"),
        (OVERDUE, {"description": ""}, "description"),
        (OVERDUE, {"application_id": "*"}, "application_id"),
        (OVERDUE, {"extra": 1}, "extra"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_type_that_is_none_is_refused_with_its_place(aws: Aws, name: str, fields: dict[str, Any], place: str) -> None:
    shop = unique("shop")
    status, problem = call(aws, "POST", f"/event_types/{name}", type_body(shop) | fields)
    assert (status, problem["id"]) == (422, "validation_failed")
    assert problem["errors"][0]["loc"][0] == place
    assert not {"jsonschema", "pydantic", "rust"} & set(json.dumps(problem).lower().split())
    assert custom_types.of_application(shop) == []


def test_a_schema_that_is_nested_too_deeply_is_refused(aws: Aws) -> None:
    for depth in (100, 2_000, 100_000):
        deep = '{"not":' * depth + "{}" + "}" * depth
        body = json.dumps(type_body("shop")).replace(json.dumps(SCHEMA), deep)
        assert call(aws, "POST", f"/event_types/{OVERDUE}", body)[0] == 422


def test_a_type_is_only_made_by_a_key_of_its_application(aws: Aws) -> None:
    assert call(aws, "POST", f"/event_types/{OVERDUE}", type_body("shop"), applications="another")[0] == 404


def test_an_application_has_a_hundred_types_at_most(aws: Aws) -> None:
    shop = unique("shop")
    for number in range(100):
        custom_types.put(CustomType(shop, f"invoice.n{number}", "One of many.", {}), None, BY_A_TEST)
    status, problem = call(aws, "POST", f"/event_types/{OVERDUE}", type_body(shop))
    assert (status, problem["id"]) == (409, "limit_reached")
    assert call(aws, "POST", "/event_types/invoice.n7", type_body(shop))[0] == 200


def test_an_event_is_shown_as_its_type_says(aws: Aws, shop: str) -> None:
    about = {"dedup_key": "inv_7", "severity": "error", "summary": "Invoice 7 is overdue.", "endpoint_id": "erp"}
    happened = times.to_text(times.now() - timedelta(days=6))
    status, answer = post(aws, event_body(shop, timestamp=happened, **about))
    assert status == 202
    [event] = shown(aws, shop)
    assert (event["event_id"], event["timestamp"]) == (answer["event_id"], happened)
    assert event["data"] | about == event["data"]
    assert event["data"]["custom"] == {"amount": 7}
    assert event["data"]["reported_by"] == "key:admin"
    event_type = call(aws, "GET", f"/event_types/{OVERDUE}", application_id=shop)[1]
    jsonschema.validate(event, event_type["schema"])
    jsonschema.validate(event_type["example"], event_type["schema"])


def test_an_event_reaches_those_who_asked_for_its_type(aws: Aws, shop: str) -> None:
    endpoint = {"application_id": shop, "url": "https://ops.example.com/", "filter_types": [OVERDUE]}
    status, created = call(aws, "POST", "/", endpoint)
    assert (status, created["filter_types"]) == (201, [OVERDUE])
    event_id = post(aws, event_body(shop))[1]["event_id"]
    aws.renew("Retries")
    aws.invoke("emitter", {"Records": [stream_record(aws, event_id)]})
    [message] = aws.take("Retries")  # nobody knows yet whether its receiver works
    delivery = json.loads(message["body"])
    assert delivery["operational_endpoint_id"] == created["operational_endpoint_id"]
    body = json.loads(delivery["body"])
    assert body["data"]["summary"] == f"The platform reported {OVERDUE}."
    assert (body["data"]["severity"], body["data"]["dedup_key"]) == ("info", event_id)


def stream_record(aws: Aws, event_id: str) -> dict[str, Any]:
    key = {"event_id": {"S": event_id}}
    item = aws.client("dynamodb").get_item(TableName="OperationalEvent", Key=key, ConsistentRead=True)["Item"]
    return inserted(item)


def test_an_endpoint_asks_for_types_of_its_application_or_of_the_catalogue(aws: Aws, shop: str) -> None:
    for application_id in ("*", unique("shop")):
        endpoint = {"application_id": application_id, "url": "https://ops.example.com/", "filter_types": [OVERDUE]}
        status, problem = call(aws, "POST", "/", endpoint)
        assert (status, problem["errors"][0]["loc"]) == (422, ["filter_types"])
    endpoint |= {"application_id": shop}
    path = f"/{call(aws, 'POST', '/', endpoint)[1]['operational_endpoint_id']}"
    assert call(aws, "DELETE", f"/event_types/{OVERDUE}", application_id=shop)[0] == 204
    assert call(aws, "PUT", path, endpoint | {"description": "It keeps what it asked for."})[0] == 200
    assert call(aws, "PUT", path, endpoint | {"filter_types": [OVERDUE, "invoice.paid"]})[0] == 422


def test_the_same_request_twice_is_one_event_and_the_same_answer(aws: Aws, shop: str) -> None:
    for key in ("", "a-key"):
        first = post(aws, event_body(shop), key)
        assert first == post(aws, event_body(shop), key)
        assert first[0] == 202
    assert len(shown(aws, shop)) == 2  # one of the body, one of the key


def test_another_body_under_the_same_key_is_a_conflict(aws: Aws, shop: str) -> None:
    key = unique("key")
    assert post(aws, event_body(shop), key)[0] == 202
    assert call(aws, "POST", "/event_types/invoice.paid", type_body(shop))[0] == 201
    for other in ({"data": {"amount": 8}}, {"type": "invoice.paid"}, {"severity": "error"}):
        status, problem = post(aws, event_body(shop, **other), key)
        assert (status, problem["id"]) == (409, "idempotency_conflict")
    assert len(shown(aws, shop)) == 1


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"type": "invoice.paid"}, ["type"]),
        ({"type": "endpoint.failing"}, ["type"]),
        ({"data": {}}, ["data"]),
        ({"data": {"amount": "7"}}, ["data", "amount"]),
        ({"data": {"amount": 7, "name": "a" * 50_000 + "!"}}, ["data", "name"]),
        ({"data": {"amount": 7, "x": "x" * 65_536}}, ["data"]),
        ({"data": {"amount": 7, "x": float("nan")}}, ["data"]),
        ({"data": {"amount": 7, "x": float("inf")}}, ["data"]),
        ({"data": {"amount": 7, "x": "\ud800"}}, ["data"]),
        ({"data": [7]}, ["data"]),
        ({"timestamp": "2020-01-01T00:00:00Z"}, ["timestamp"]),
        ({"timestamp": "2099-01-01T00:00:00Z"}, ["timestamp"]),
        ({"timestamp": 1795428033}, ["timestamp"]),
        ({"timestamp": "yesterday"}, ["timestamp"]),
        ({"severity": "fatal"}, ["severity"]),
        ({"dedup_key": ""}, ["dedup_key"]),
        ({"endpoint_id": "a b"}, ["endpoint_id"]),
        ({"application_id": "*"}, ["application_id"]),
        ({"reported_by": "me"}, ["reported_by"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_event_that_is_none_is_refused_with_its_place(
    aws: Aws, shop: str, fields: dict[str, Any], place: list[str]
) -> None:
    status, problem = post(aws, event_body(shop, **fields))
    assert (status, problem["id"]) == (422, "validation_failed")
    assert problem["errors"][0]["loc"] == place
    assert "jsonschema" not in json.dumps(problem)
    assert shown(aws, shop) == []


def test_an_event_with_data_that_is_nested_too_deeply_or_a_number_that_never_ends_is_refused(
    aws: Aws, shop: str
) -> None:
    body = json.dumps(event_body(shop, data={"amount": 7, "x": "X"}))
    for hostile in ("[" * 100 + "]" * 100, "[" * 10_000 + "]" * 10_000, "9" * 10_000, "1e999", "-Infinity"):
        assert post(aws, body.replace('"X"', hostile))[0] == 422


def test_an_event_is_only_posted_by_a_key_of_its_application(aws: Aws, shop: str) -> None:
    assert post(aws, event_body(shop), applications="another")[0] == 404
    assert post(aws, event_body(shop), applications=f"another {shop}")[0] == 202
