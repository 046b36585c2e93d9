"""Bad input and bad keys at the deployed API: a clear answer each, and nothing half-written."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.local_cloud.receiver import Receiver


def test_health_needs_no_key(stack: Stack) -> None:
    answer = requests.get(f"{stack.api_url}/operational_webhooks/health", timeout=30)
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


@pytest.mark.parametrize("path", ["", "/", "/events", "/event_types", "/monitored_endpoints", "/sources/src_1"])
def test_without_a_key_there_is_no_answer(stack: Stack, path: str) -> None:
    assert requests.get(f"{stack.api_url}/operational_webhooks{path}", timeout=30).status_code == 401


@pytest.mark.parametrize("key", ["garbage", "hwk_admin_" + "x" * 43, "hwk_root_" + "x" * 43])
def test_a_wrong_key_gets_no_answer(stack: Stack, key: str) -> None:
    # On AWS the template's gateway response makes this a 401; the local cloud has no gateway responses.
    assert Api(stack, key).get("/event_types").status_code in (401, 403)


@pytest.mark.parametrize(
    ("body", "status", "problem_id"),
    [
        pytest.param("{nope", 422, "validation_failed", id="malformed JSON"),
        pytest.param('{"application_id": "shop", "signals": 7}', 422, "validation_failed", id="wrong type"),
        pytest.param('{"application_id": "", "signals": [{}]}', 422, "validation_failed", id="no application"),
        pytest.param("x" * 1_100_000, 413, "too_large", id="oversized"),
    ],
)
def test_a_request_that_reports_nothing_is_told_why(api: Api, body: str, status: int, problem_id: str) -> None:
    answer = api.request("POST", "/signals", data=body)
    assert (answer.status_code, answer.json()["id"]) == (status, problem_id)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_batch_with_one_bad_signal_is_accepted_but_for_that(api: Api) -> None:
    good: dict[str, Any] = {"type": "endpoint.deleted", "endpoint_id": "x", "occurred_at": "2020-01-01T00:00:00Z"}
    answer = api.post_signals("shop", [good, good | {"occurred_at": "yesterday"}])
    assert answer.status_code == 202
    assert [item["index"] for item in answer.json()["rejected"]] == [1]
    assert [item["index"] for item in answer.json()["ignored"]] == [0]


def test_a_webhook_with_a_wrong_signature_is_refused(api: Api) -> None:
    body = {"application_id": None, "kind": "hook0", "secret": "the-right-secret"}
    source_id = api.post("/sources", body).json()["source_id"]
    answer = api.post_as_hook0(source_id, "api.subscription.created", "evt", b"{}", secret="the-wrong-secret")
    assert (answer.status_code, answer.json()["id"]) == (401, "unauthorized")


def test_an_operational_endpoint_is_created_read_replaced_and_deleted(api: Api) -> None:
    with Receiver() as receiver:
        body = {"application_id": "door", "url": receiver.url, "headers": {"X-Token": "t"}}
        endpoint = api.post("", body).json()
        path = f"/{endpoint['operational_endpoint_id']}"
        assert api.get(path).json()["headers"] == {"X-Token": "***"}
        replaced = api.put(path, body | {"headers": {"X-Token": "***"}, "description": "on-call"})
        assert replaced.json()["description"] == "on-call"
        assert api.get(path + "/").json() == replaced.json()
        assert api.delete(path).status_code == 204
        assert api.get(path).status_code == 404


def test_an_unknown_route_is_a_problem(api: Api) -> None:
    answer = api.get("/no/such/route")
    assert (answer.status_code, answer.json()["id"]) == (404, "not_found")


def test_of_two_puts_at_once_with_the_same_if_match_one_wins_and_one_is_told(api: Api) -> None:
    body = {"application_id": "door", "url": "https://ops.example.com/"}
    created = api.post("", body)
    path, tag = f"/{created.json()['operational_endpoint_id']}", created.headers["ETag"]

    def put(description: str) -> int:
        sent = {"json": body | {"description": description}, "headers": {"If-Match": tag}}
        return api.request("PUT", path, **sent).status_code

    with ThreadPoolExecutor(2) as both:
        assert sorted(both.map(put, ("one", "two"))) == [200, 412]
    assert api.request("PATCH", path, json={"description": None}).json()["description"] == ""
