"""A POST that is sent again with its Idempotency-Key, within a day."""

import json
from typing import Any

import pytest

from hookwatch import times
from tests.in_process.api import ask, call
from tests.in_process.aws import Aws
from tests.in_process.signals import unique
from tests.integration.test_api import endpoint_body

KEY = "an-idempotency-key"


def listed(aws: Aws, shop: str) -> list[str]:
    page = call(aws, "GET", "/", application_id=shop)[1]
    return [endpoint["operational_endpoint_id"] for endpoint in page["data"]]


def test_a_post_that_is_sent_again_makes_one_thing_and_gets_the_same_answer(aws: Aws) -> None:
    shop = unique("shop")
    first, again = (
        ask(aws, "POST", "/", endpoint_body(shop), idempotency_key=unique("k")[:1] + shop) for _ in range(2)
    )
    assert (first["statusCode"], first["body"]) == (again["statusCode"], again["body"])
    assert first["multiValueHeaders"]["ETag"] == again["multiValueHeaders"]["ETag"]
    assert json.loads(again["body"])["secret"].startswith("whsec_")
    assert len(listed(aws, shop)) == 1


def test_no_secret_is_kept_for_the_second_answer(aws: Aws) -> None:
    shop = unique("shop")
    endpoint = call(aws, "POST", "/", endpoint_body(shop), idempotency_key=shop)[1]
    path = f"/{endpoint['operational_endpoint_id']}/secret/rotate"
    rotated = call(aws, "POST", path, {}, idempotency_key=shop)[1]
    assert call(aws, "POST", path, {}, idempotency_key=shop)[1] == rotated
    key = call(aws, "POST", "/keys", {"role": "viewer", "application_ids": [shop]}, idempotency_key=shop)[1]
    again = call(aws, "POST", "/keys", {"role": "viewer", "application_ids": [shop]}, idempotency_key=shop)[1]
    assert again == key | {"key": None}
    kept = json.dumps(aws.items("Idempotency"), default=str)
    assert endpoint["operational_endpoint_id"] in kept
    for secret in (endpoint["secret"], rotated["secret"], key["key"].rpartition("_")[2], "a-value"):
        assert secret not in kept


def test_the_second_answer_has_no_secret_of_an_endpoint_that_is_gone(aws: Aws) -> None:
    shop = unique("shop")
    endpoint = call(aws, "POST", "/", endpoint_body(shop), idempotency_key=shop)[1]
    call(aws, "DELETE", f"/{endpoint['operational_endpoint_id']}")
    assert call(aws, "POST", "/", endpoint_body(shop), idempotency_key=shop) == (201, endpoint | {"secret": None})
    assert listed(aws, shop) == []


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"key_id": "k2"}, id="of another key"),
        pytest.param({"idempotency_key": "another"}, id="another Idempotency-Key"),
        pytest.param({"idempotency_key": ""}, id="none"),
    ],
)
def test_what_is_another_request_is_done(aws: Aws, changed: dict[str, Any]) -> None:
    shop = unique("shop")
    for arguments in ({}, changed):
        sent = {"idempotency_key": f"{shop}-{KEY}"} | arguments
        assert call(aws, "POST", "/", endpoint_body(shop), **sent)[0] == 201
    assert len(listed(aws, shop)) == 2


def test_the_same_key_at_another_path_is_another_request(aws: Aws) -> None:
    shop = unique("shop")
    names = [call(aws, "POST", "/", endpoint_body(shop))[1]["operational_endpoint_id"] for _ in range(2)]
    events = {call(aws, "POST", f"/{name}/test", idempotency_key=shop)[1]["event_id"] for name in names}
    assert len(events) == 2


def test_another_body_under_the_same_key_is_refused(aws: Aws) -> None:
    shop = unique("shop")
    call(aws, "POST", "/", endpoint_body(shop), idempotency_key=shop)
    status, problem = call(aws, "POST", "/", endpoint_body(shop, description="x"), idempotency_key=shop)
    assert (status, problem["id"]) == (409, "idempotency_conflict")
    assert len(listed(aws, shop)) == 1


def test_what_was_refused_is_not_kept(aws: Aws) -> None:
    shop = unique("shop")
    assert call(aws, "POST", "/", endpoint_body(shop, rate_limit=0), idempotency_key=shop)[0] == 422
    assert call(aws, "POST", "/", endpoint_body(shop), idempotency_key=shop)[0] == 201


def test_while_the_first_is_under_way_the_second_is_told_to_wait(aws: Aws) -> None:
    shop = unique("shop")
    call(aws, "POST", "/", endpoint_body(shop), idempotency_key=shop)
    [item] = [item for item in aws.items("Idempotency") if shop in json.dumps(item)]
    aws.client("dynamodb").update_item(
        TableName="Idempotency",
        Key={"id": item["id"]},
        UpdateExpression="SET #status = :running, in_progress_expiration = :later REMOVE #data",
        ExpressionAttributeNames={"#status": "status", "#data": "data"},
        ExpressionAttributeValues={":running": {"S": "INPROGRESS"}, ":later": {"N": "9999999999999"}},
    )
    answer = ask(aws, "POST", "/", endpoint_body(shop), idempotency_key=shop)
    assert (answer["statusCode"], json.loads(answer["body"])["id"]) == (409, "in_progress")
    assert answer["multiValueHeaders"]["Retry-After"] == ["1"]


@pytest.mark.parametrize("sent", [" ", "a b", "x" * 256, "é", "\x07"])
def test_a_key_that_is_none_is_refused(aws: Aws, sent: str) -> None:
    status, problem = call(aws, "POST", "/", endpoint_body(unique("shop")), idempotency_key=sent)
    assert (status, problem["errors"][0]["loc"]) == (422, ["Idempotency-Key"])


def report(aws: Aws, shop: str, *more: dict[str, Any]) -> dict[str, Any]:
    """A request to /signals with one good signal, of now, and `more`."""
    event, now = aws.sample("ingest"), times.to_text(times.now())
    good = {"type": "endpoint.created", "endpoint_id": "erp", "occurred_at": now}
    event["body"] = json.dumps({"application_id": shop, "signals": [good, *more]})
    event["headers"]["Idempotency-Key"] = shop
    return event


def test_signals_that_are_reported_again_are_queued_once(aws: Aws) -> None:
    aws.take("Signals")
    event = report(aws, unique("shop"))
    first, again = (aws.invoke("ingest", event) for _ in range(2))
    assert first["statusCode"] == 202
    assert first["body"] == again["body"]
    assert len(aws.take("Signals")) > 0
    aws.invoke("ingest", event)
    assert aws.take("Signals") == []


def test_a_report_with_very_many_bad_signals_is_kept_too_with_the_first_of_them(aws: Aws) -> None:
    bad = {"type": "endpoint.updated", "endpoint_id": "e", "occurred_at": "yesterday", "labels": {"n" * 900: "x"}}
    event = report(aws, unique("shop"), *[bad] * 700)
    aws.take("Signals")
    first, again = (aws.invoke("ingest", event) for _ in range(2))
    assert (first["statusCode"], again["statusCode"]) == (202, 202)
    told, kept = json.loads(first["body"]), json.loads(again["body"])
    assert (told["accepted"], kept["accepted"], kept["batch_id"]) == (1, 1, told["batch_id"])
    assert kept["rejected"] == told["rejected"][:100]
    assert len(aws.take("Signals")) == 1
