"""HTTP → the filters of operational endpoints, and what they say of events."""

import json
from typing import Any

import pytest

from hookwatch.notifying import matching, predicates
from tests.in_process import bad_input
from tests.in_process.api import call
from tests.in_process.aws import Aws
from tests.in_process.bad_input import MARK, Request
from tests.in_process.signals import attempt, created, messages, unique
from tests.integration.test_api import create, endpoint_body
from tests.integration.test_custom_events import stream_record
from tests.integration.test_emitter import emit
from tests.integration.test_notifying_api import path_of

CRITICAL = "data.severity == 'critical' && starts_with(data.endpoint_url, 'https://erp.')"
GIVEN = {"type": "endpoint.failing", "timestamp": "2026-11-23T10:00:00.000Z", "data": {"severity": "error", "n": 0}}


def outcomes(aws: Aws, expression: str, **about: Any) -> list[dict[str, Any]]:
    status, answer = call(aws, "POST", "/filters/test", {"filter": expression, **about})
    assert status == 200, answer
    data: list[dict[str, Any]] = answer["data"]
    return data


@pytest.fixture
def shop(aws: Aws) -> str:
    """An application of two events: `endpoint.created`, and the newer `endpoint.failing`."""
    shop = unique("shop")
    outage = [attempt("erp", second) for second in range(0, 60, 5)]
    aws.invoke("observer", {"Records": messages(shop, created("erp", -60), *outage)})
    return shop


# ── The field ──


def test_a_filter_is_shown_as_it_was_sent_and_there_need_be_none(aws: Aws) -> None:
    assert create(aws)["filter"] is None
    endpoint = create(aws, filter=CRITICAL)
    assert endpoint["filter"] == CRITICAL
    assert call(aws, "GET", path_of(endpoint))[1]["filter"] == CRITICAL


def test_a_patch_sets_it_keeps_it_and_clears_it_and_a_put_without_it_clears_it(aws: Aws) -> None:
    path = path_of(create(aws, application_id="shop"))
    assert call(aws, "PATCH", path, {"filter": CRITICAL})[1]["filter"] == CRITICAL
    assert call(aws, "PATCH", path, {"description": "kept"})[1]["filter"] == CRITICAL
    assert call(aws, "PATCH", path, {"filter": None})[1]["filter"] is None
    assert call(aws, "GET", path)[1]["filter"] is None
    call(aws, "PATCH", path, {"filter": CRITICAL})
    assert call(aws, "PUT", path, endpoint_body("shop"))[1]["filter"] is None


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("data.severity = 'critical'", "at character 15: Unknown token '='"),
        ("data.severity == ", "at character 18: the expression ends too early"),
        ("type == 'a' && lower(type) == 'a'", "at character 16: there is no function lower()"),
        ("(" * 100, "at character 65: expressions are more than 64 deep within each other"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "test"])
def test_what_is_no_expression_is_a_422_with_its_position(aws: Aws, method: str, expression: str, message: str) -> None:
    path = path_of(create(aws, application_id="shop")) if method in ("PUT", "PATCH") else "/"
    asked = {"filter": expression} if method == "PATCH" else endpoint_body("shop", filter=expression)
    if method == "test":
        method, path, asked = "POST", "/filters/test", {"filter": expression, "event": GIVEN}
    status, problem = call(aws, method, path, asked)
    assert (status, problem["errors"]) == (422, [{"loc": ["filter"], "msg": message}])


def test_one_that_is_too_long_is_refused(aws: Aws) -> None:
    longest = "type".ljust(predicates.LONGEST)
    assert create(aws, filter=longest)["filter"] == longest
    status, problem = call(aws, "POST", "/", endpoint_body("shop", filter=longest + " "))
    assert (status, problem["errors"][0]["loc"]) == (422, ["filter"])


@pytest.mark.parametrize("preset", matching.PRESETS)
def test_a_preset_is_stored_by_its_name(aws: Aws, preset: str) -> None:
    assert create(aws, filter_types=[preset, "webhook.test"])["filter_types"] == [preset, "webhook.test"]


def test_what_is_no_preset_is_no_type_either(aws: Aws) -> None:
    for name in ("incident", "Incidents", "*", ""):
        status, problem = call(aws, "POST", "/", endpoint_body("shop", filter_types=[name]))
        assert (status, problem["errors"][0]["loc"]) == (422, ["filter_types"])


def test_a_test_passes_by_the_filter(aws: Aws) -> None:
    endpoint = create(aws, application_id=unique("shop"), filter="`false`")
    event_id = call(aws, "POST", f"{path_of(endpoint)}/test")[1]["event_id"]
    aws.renew("Deliveries")
    [delivery] = emit(aws, stream_record(aws, event_id))
    assert (delivery.event_id, delivery.operational_endpoint_id) == (event_id, endpoint["operational_endpoint_id"])


# ── POST /filters/test ──


def test_a_given_event_is_outcomes(aws: Aws) -> None:
    told = {"event_id": None, "type": "endpoint.failing"}
    assert outcomes(aws, "type == 'endpoint.failing'", event=GIVEN) == [
        {**told, "matches": True, "result": True, "error": None}
    ]
    assert outcomes(aws, "data.n", event=GIVEN) == [{**told, "matches": True, "result": 0, "error": None}]
    assert outcomes(aws, "data.severity == 'critical'", event=GIVEN) == [
        {**told, "matches": False, "result": False, "error": None}
    ]
    assert outcomes(aws, "data.nothing", event=GIVEN) == [{**told, "matches": False, "result": None, "error": None}]
    assert outcomes(aws, CRITICAL.replace("critical", "error"), event=GIVEN) == [
        {**told, "matches": False, "result": None, "error": "starts_with() takes string, and not null"}
    ]


def test_the_last_events_are_tested_the_newest_first(aws: Aws, shop: str) -> None:
    failing, made = outcomes(aws, "data.severity == 'error'", application_id=shop, last=100)
    assert (failing["type"], failing["matches"], failing["result"]) == ("endpoint.failing", True, True)
    assert (made["type"], made["matches"], made["result"]) == ("endpoint.created", False, False)
    listed = call(aws, "GET", "/events", application_id=shop)[1]["data"]
    assert [failing["event_id"], made["event_id"]] == [event["event_id"] for event in listed]
    assert outcomes(aws, "data.severity == 'error'", application_id=shop, last=1) == [failing]


def test_a_listed_event_can_be_given_and_is_tested_as_it_is_delivered(aws: Aws, shop: str) -> None:
    listed = call(aws, "GET", "/events", application_id=shop)[1]["data"][0]
    [of_given] = outcomes(aws, "contains(data.summary, 'erp')", event=listed)
    assert of_given == outcomes(aws, "contains(data.summary, 'erp')", application_id=shop, last=1)[0]
    assert of_given["matches"]
    assert [each["result"] for each in outcomes(aws, "event_id || muted", event=listed)] == [None]


def test_a_large_result_is_not_shown(aws: Aws, shop: str) -> None:
    for expression in ("data | " + " | ".join(["[@, @]"] * 60), "to_number('inf')"):
        [outcome] = outcomes(aws, expression, application_id=shop, last=1)
        assert (outcome["matches"], outcome["result"], outcome["error"]) == (True, None, None)


def test_an_event_that_cannot_be_read_hides_no_other(aws: Aws, shop: str) -> None:
    listed = call(aws, "GET", "/events", application_id=shop)[1]["data"]
    key = {"event_id": {"S": listed[0]["event_id"]}}
    aws.client("dynamodb").update_item(
        TableName="OperationalEvent",
        Key=key,
        UpdateExpression="SET #data = :broken",
        ExpressionAttributeNames={"#data": "data"},
        ExpressionAttributeValues={":broken": {"S": "{"}},
    )
    of_the_other = outcomes(aws, "type", application_id=shop, last=2)
    aws.client("dynamodb").delete_item(TableName="OperationalEvent", Key=key)  # other tests read all events
    assert [each["event_id"] for each in of_the_other] == [listed[1]["event_id"]]


def test_a_key_of_one_application_need_not_name_it_and_sees_no_other(aws: Aws, shop: str) -> None:
    body = {"filter": "type", "last": 100}
    status, answer = call(aws, "POST", "/filters/test", body, applications=shop, role="viewer")
    assert (status, len(answer["data"])) == (200, 2)
    assert call(aws, "POST", "/filters/test", body | {"application_id": shop}, applications="another")[0] == 404
    assert call(aws, "POST", "/filters/test", {"filter": "type", "event": GIVEN}, role="reporter")[0] == 403


@pytest.mark.parametrize(
    "about",
    [
        {},
        {"application_id": "shop"},
        {"event": GIVEN, "last": 1, "application_id": "shop"},
        {"event": GIVEN, "last": 1},
        {"event": GIVEN, "application_id": "shop"},
        {"last": 1},
        {"application_id": "*", "last": 1},
        {"application_id": "shop", "last": 0},
        {"application_id": "shop", "last": 101},
    ],
)
def test_it_is_about_a_given_event_or_the_last_of_one_application(aws: Aws, about: dict[str, Any]) -> None:
    status, problem = call(aws, "POST", "/filters/test", {"filter": "type", **about})
    assert (status, problem["id"]) == (422, "validation_failed")


@pytest.mark.parametrize("held", ["[" * 65 + "]" * 65, "NaN", '"\\ud800"'], ids=["deep", "NaN", "half a character"])
def test_a_given_event_that_could_be_none_is_refused(aws: Aws, held: str) -> None:
    body = f'{{"filter": "type", "event": {{"type": "a", "data": {{"held": {held}}}}}}}'
    status, problem = call(aws, "POST", "/filters/test", body)
    assert (status, problem["errors"][0]["loc"]) == (422, ["event"])


def test_bad_input_in_a_given_event_is_refused_or_does_no_harm_and_is_not_logged(aws: Aws) -> None:
    event = GIVEN | {"event_id": "evt_1", "quiet": False, "data": {"severity": "error", "n": 7, "list": [1]}}
    good = Request("POST", "/filters/test", json.dumps({"filter": "data", "event": event}))
    assert good.ask(aws)["statusCode"] == 200
    with aws.log_of("api") as log:
        for bad in bad_input.with_bad_values(good):
            answer = bad.ask(aws)
            assert answer["statusCode"] in (200, 422), bad.place
            assert len(answer["body"]) < 50_000, bad.place
            json.loads(answer["body"], parse_constant=pytest.fail)
    assert MARK not in log.getvalue()
