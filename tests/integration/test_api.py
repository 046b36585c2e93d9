"""HTTP → tables."""

import json
from typing import Any

import jsonschema
import pytest

from hookwatch.catalogue import CATALOGUE
from tests.in_process.api import BASE, call
from tests.in_process.aws import Aws
from tests.in_process.deliveries import deliver, owed, received
from tests.in_process.signals import attempt, created, messages, unique
from tests.local_cloud.receiver import Receiver


def endpoint_body(application_id: str, **fields: Any) -> dict[str, Any]:
    return {"application_id": application_id, "url": "https://ops.example.com/hooks"} | fields


def create(aws: Aws, **fields: Any) -> dict[str, Any]:
    status, answer = call(aws, "POST", "/", endpoint_body(fields.pop("application_id", unique("shop")), **fields))
    assert status == 201
    return answer


def test_the_secret_is_in_the_answer_to_the_creation_and_in_no_other(aws: Aws) -> None:
    endpoint = create(aws)
    secret = endpoint.pop("secret")
    assert secret.startswith("whsec_")
    path = f"/{endpoint['operational_endpoint_id']}"
    assert call(aws, "GET", path) == (200, endpoint)
    assert call(aws, "GET", "/", application_id=endpoint["application_id"])[1]["data"] == [endpoint]
    assert secret not in json.dumps(aws.items("OperationalEndpoint"), default=str)


def test_a_headers_value_is_never_returned_and_a_put_with_stars_keeps_it(aws: Aws) -> None:
    with Receiver() as receiver:
        endpoint = create(aws, url=receiver.url, headers={"X-Token": "a-value", "X-Other": "b"})
        assert endpoint["headers"] == {"X-Token": "***", "X-Other": "***"}
        path = f"/{endpoint['operational_endpoint_id']}"
        body = endpoint_body(endpoint["application_id"], url=receiver.url, headers={"x-token": "***"})
        status, answer = call(aws, "PUT", path, body)
        assert (status, answer["headers"]) == (200, {"x-token": "***"})
        deliver(aws, received(aws, owed(endpoint["operational_endpoint_id"]), "Retries"))
    [receipt] = receiver.receipts
    assert receipt.headers["x-token"] == "a-value"
    assert "x-other" not in receipt.headers


def test_stars_for_a_header_that_is_not_stored_are_refused(aws: Aws) -> None:
    shop = unique("shop")
    assert call(aws, "POST", "/", endpoint_body(shop, headers={"X-Token": "***"}))[0] == 422
    path = f"/{create(aws, application_id=shop)['operational_endpoint_id']}"
    assert call(aws, "PUT", path, endpoint_body(shop, headers={"X-Token": "***"}))[0] == 422


def test_a_put_replaces(aws: Aws) -> None:
    endpoint = create(aws, description="on-call", filter_types=["endpoint.failing"])
    path = f"/{endpoint['operational_endpoint_id']}"
    status, answer = call(aws, "PUT", path, endpoint_body(endpoint["application_id"], is_enabled=False))
    assert status == 200
    assert (answer["description"], answer["filter_types"], answer["is_enabled"]) == ("", [], False)
    assert answer["created_at"] == endpoint["created_at"]
    assert call(aws, "GET", path) == (200, answer)


def test_an_endpoint_stays_in_its_application(aws: Aws) -> None:
    path = f"/{create(aws)['operational_endpoint_id']}"
    assert call(aws, "PUT", path, endpoint_body("another"))[0] == 422


def test_what_is_deleted_is_gone(aws: Aws) -> None:
    path = f"/{create(aws)['operational_endpoint_id']}"
    assert call(aws, "DELETE", path) == (204, {})
    assert call(aws, "GET", path)[0] == 404
    assert call(aws, "DELETE", path)[0] == 404


def test_a_list_is_newest_first_and_goes_on_at_its_cursor(aws: Aws) -> None:
    shop = unique("shop")
    ids = [create(aws, application_id=shop)["operational_endpoint_id"] for _ in range(5)]
    found, cursor = [], None
    while True:
        query = {"application_id": shop, "limit": "2"} | ({"cursor": cursor} if cursor else {})
        status, page = call(aws, "GET", "/", **query)
        assert status == 200
        assert len(page["data"]) <= 2
        found += [endpoint["operational_endpoint_id"] for endpoint in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(found) == sorted(ids)
    assert found[0] == ids[-1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://example.com"} | {"url": "ftp://example.com"},
        {"url": "https://user:password@example.com"},
        {"url": "https://169.254.169.254/"},
        {"url": "https://[::1]/"},
        {"url": "https://"},
        {"url": "https://example.com:99999/"},
        {"url": "https://exa mple.com/"},
        {"url": "https://example.com/" + "x" * 2048},
        {"url": 7},
        {"description": "x" * 257},
        {"is_enabled": "yes"},
        {"filter_types": ["endpoint.exploded"]},
        {"filter_types": "endpoint.failing"},
        {"message_events": "some"},
        {"headers": {"webhook-id": "mine"}},
        {"headers": {"Content-Type": "text/plain"}},
        {"headers": {"Host": "example.com"}},
        {"headers": {"X-Amz-Date": "now"}},
        {"headers": {"X-Token": "a\r\nInjected: yes"}},
        {"headers": {"X Token": "a"}},
        {"headers": {"X-Token": " a"}},
        {"headers": {f"X-{n}": "a" for n in range(11)}},
        {"headers": {"X-Token": "x" * 501}},
        {"headers": {"X-Token": "a", "x-token": "b"}},
        {"metadata": {str(n): "a" for n in range(51)}},
        {"metadata": {"a": 1}},
        {"secret": "whsec_mine"},
        {"operational_endpoint_id": "mine"},
        {"application_id": ""},
    ],
    ids=lambda wrong: json.dumps(wrong)[:40],
)
def test_bad_input_is_refused_with_its_place_and_nothing_is_written(aws: Aws, wrong: dict[str, Any]) -> None:
    before = len(aws.items("OperationalEndpoint"))
    status, problem = call(aws, "POST", "/", endpoint_body("shop") | wrong)
    assert (status, problem["id"]) == (422, "validation_failed")
    assert problem["errors"][0]["loc"][0] in wrong
    assert "pydantic" not in json.dumps(problem)
    assert len(aws.items("OperationalEndpoint")) == before


@pytest.mark.parametrize("body", ["{nope", "[]", "null", '"text"', "7", None])
def test_a_body_that_is_no_object_is_refused(aws: Aws, body: str | None) -> None:
    assert call(aws, "POST", "/", body)[0] == 422


def test_nothing_is_listed_without_an_application(aws: Aws) -> None:
    for path in ("/", "/events", "/monitored_endpoints"):
        assert call(aws, "GET", path)[0] == 422
        assert call(aws, "GET", path, applications="shop crm")[0] == 422
        assert call(aws, "GET", path, applications="shop")[0] == 200


def test_what_is_of_another_application_is_not_found(aws: Aws) -> None:
    endpoint = create(aws)
    path, other = f"/{endpoint['operational_endpoint_id']}", "another"
    assert call(aws, "GET", path, applications=other)[0] == 404
    assert call(aws, "PUT", path, endpoint_body(other), applications=other)[0] == 404
    assert call(aws, "DELETE", path, applications=other)[0] == 404
    assert call(aws, "GET", "/", applications=other, application_id=endpoint["application_id"])[0] == 404
    assert call(aws, "POST", "/", endpoint_body("*"), applications=other)[0] == 404


def test_the_event_types_are_listed_with_schema_and_example(aws: Aws) -> None:
    status, answer = call(aws, "GET", "/event_types")
    assert status == 200
    assert {event_type["name"] for event_type in answer["data"]} == set(CATALOGUE)
    for event_type in answer["data"]:
        jsonschema.validate(event_type["example"], event_type["schema"])
        assert call(aws, "GET", f"/event_types/{event_type['name']}") == (200, event_type)
    assert call(aws, "GET", "/event_types/endpoint.exploded")[0] == 404


def test_events_are_listed_newest_first_and_filtered(aws: Aws) -> None:
    shop = unique("shop")
    given_up = [attempt("erp", second, will_retry=False) for second in (5, 10)]
    aws.invoke("observer", {"Records": messages(shop, created("crm"), created("erp"), *given_up)})

    def listed(**query: str) -> list[str]:
        status, answer = call(aws, "GET", "/events", application_id=shop, **query)
        assert status == 200
        for event in answer["data"]:
            jsonschema.validate(event, CATALOGUE[event["type"]].schema)
        return [
            f"{event['type']} {event['data']['endpoint_id']} {event['timestamp'][17:19]}" for event in answer["data"]
        ]

    exhausted = ["message.attempt.exhausted erp 10", "message.attempt.exhausted erp 05"]
    assert listed()[:2] == exhausted
    assert len(listed()) == 4
    assert listed(type="message.attempt.exhausted") == exhausted
    assert listed(endpoint_id="crm") == ["endpoint.created crm 00"]
    assert listed(since="2026-11-23T10:00:10Z") == exhausted[:1]
    assert listed(since="2026-11-23T10:00:05Z", until="2026-11-23T10:00:10Z") == exhausted[1:]
    assert listed(until="2026-11-23T12:00:10+02:00")[0] == exhausted[1]
    assert listed(since="2026-11-23T11:00:00Z", until="2026-11-23T10:00:00Z") == []
    assert call(aws, "GET", "/events", application_id=shop, since="yesterday")[0] == 422
    assert call(aws, "GET", "/events", application_id=shop, limit="101")[0] == 422
    assert call(aws, "GET", "/events", application_id=shop, cursor="%%%")[0] == 422


def test_an_event_its_attempts_and_whose_they_are(aws: Aws) -> None:
    shop = unique("shop")
    aws.invoke("observer", {"Records": messages(shop, created("erp"))})
    [event] = call(aws, "GET", "/events", application_id=shop)[1]["data"]
    path = f"/events/{event['event_id']}"
    assert call(aws, "GET", path) == (200, event)
    assert call(aws, "GET", f"{path}/attempts") == (200, {"data": [], "next_cursor": None})
    for of_another in (path, f"{path}/attempts"):
        assert call(aws, "GET", of_another, applications="another")[0] == 404
    assert call(aws, "GET", "/events/evt_none")[0] == 404


def test_attempts_are_shown_newest_first_with_what_the_receiver_said(aws: Aws) -> None:
    shop = unique("shop")
    aws.invoke("observer", {"Records": messages(shop, created("erp"))})
    [event] = call(aws, "GET", "/events", application_id=shop)[1]["data"]
    with Receiver(lambda _body, _attempt: 500) as receiver:
        endpoint = create(aws, url=receiver.url, application_id=shop)
        deliver(aws, received(aws, owed(endpoint["operational_endpoint_id"], event["event_id"]), "Retries"))
    [shown] = call(aws, "GET", f"/events/{event['event_id']}/attempts")[1]["data"]
    assert (shown["number"], shown["status"], shown["response_status_code"]) == (1, "retrying", 500)
    assert shown["next_attempt_at"] > shown["attempted_at"]


def test_what_is_failing_now(aws: Aws) -> None:
    shop = unique("shop")
    failing = [attempt("erp", second) for second in range(0, 60, 5)]
    aws.invoke("observer", {"Records": messages(shop, created("crm"), *failing)})
    status, answer = call(aws, "GET", "/monitored_endpoints", application_id=shop, state="failing")
    assert status == 200
    [erp] = answer["data"]
    assert (erp["endpoint_id"], erp["consecutive_failures"]) == ("erp", 12)
    assert erp["incident"]["failures_by_cause"] == {"503": 12}
    assert call(aws, "GET", "/monitored_endpoints/erp", application_id=shop) == (200, erp)
    assert len(call(aws, "GET", "/monitored_endpoints", application_id=shop)[1]["data"]) == 2
    assert call(aws, "GET", "/monitored_endpoints/none", application_id=shop)[0] == 404
    assert call(aws, "GET", "/monitored_endpoints", application_id=shop, state="tired")[0] == 422


def test_a_source_is_created_shown_without_its_secret_and_deleted(aws: Aws) -> None:
    body = {"application_id": "shop", "kind": "hook0", "secret": "a-subscription-secret"}
    status, source = call(aws, "POST", "/sources", body)
    assert status == 201
    assert source["url"].endswith(f"{BASE}/sources/{source['source_id']}")
    assert "secret" not in source
    assert "a-subscription-secret" not in json.dumps(aws.items("Source"), default=str)
    path = f"/sources/{source['source_id']}"
    assert call(aws, "GET", path) == (200, source)
    assert call(aws, "GET", path, applications="another")[0] == 404
    assert call(aws, "DELETE", path)[0] == 204
    assert call(aws, "GET", path)[0] == 404


@pytest.mark.parametrize(
    "wrong", [{"kind": "svixx"}, {"secret": "short"}, {"secret": None}, {"application_id": "*"}, {"extra": 1}]
)
def test_a_source_that_is_none_is_refused(aws: Aws, wrong: dict[str, Any]) -> None:
    body = {"application_id": None, "kind": "hook0", "secret": "a-subscription-secret"} | wrong
    assert call(aws, "POST", "/sources", body)[0] == 422


@pytest.mark.parametrize("secret", ["a-secret-of-another-form", "whsec_not/base64/é!", "whsec_", 5])
def test_a_source_of_svix_takes_a_secret_of_svix_only(aws: Aws, secret: Any) -> None:
    body = {"application_id": None, "kind": "svix", "secret": secret}
    status, problem = call(aws, "POST", "/sources", body)
    assert (status, problem["errors"][0]["loc"]) == (422, ["secret"])
    assert "another-form" not in json.dumps(problem)
    assert call(aws, "POST", "/sources", body | {"secret": "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ="})[0] == 201


def test_a_source_for_every_application_needs_a_key_for_every_application(aws: Aws) -> None:
    body = {"application_id": None, "kind": "hook0", "secret": "a-subscription-secret"}
    assert call(aws, "POST", "/sources", body, applications="shop")[0] == 404


@pytest.mark.parametrize("until", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00"])
def test_a_far_off_time_is_refused_or_matches_nothing(aws: Aws, until: str) -> None:
    assert call(aws, "GET", "/events", application_id="shop", until=until)[0] in (200, 422)
    assert call(aws, "GET", "/events", application_id="shop", since=until)[0] in (200, 422)


def test_a_body_that_is_nested_too_deeply_is_refused(aws: Aws) -> None:
    assert call(aws, "POST", "/", "[" * 100_000)[0] == 422


def test_an_unknown_route_is_a_problem(aws: Aws) -> None:
    status, problem = call(aws, "GET", "/no/such/route")
    assert (status, problem["id"]) == (404, "not_found")
