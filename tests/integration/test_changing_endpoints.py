"""PUT, PATCH and DELETE of operational endpoints: what is merged, what is cleared, and who loses a race."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookwatch.api.merge_patch import merged
from tests.in_process.api import ask, call
from tests.in_process.aws import Aws
from tests.in_process.deliveries import deliver, owed, received
from tests.in_process.signals import unique
from tests.integration.test_api import create, endpoint_body
from tests.local_cloud.receiver import Receiver

FULL: dict[str, Any] = {
    "description": "on-call",
    "filter_types": ["endpoint.failing"],
    "message_events": "all",
    "rate_limit": 5,
    "retry": {"schedule_seconds": [1, 2]},
    "headers": {"X-Token": "a-value", "X-Other": "b"},
    "metadata": {"team": "payments", "tier": "gold"},
}


def path_of(endpoint: dict[str, Any]) -> str:
    return f"/{endpoint['operational_endpoint_id']}"


def etag(answer: dict[str, Any]) -> str:
    [tag] = answer["multiValueHeaders"]["ETag"]
    return str(tag)


# ── PATCH ──


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        pytest.param({"description": "night"}, {"description": "night"}, id="a field is changed, the others stay"),
        pytest.param({}, {}, id="nothing is asked for"),
        pytest.param({"description": None}, {"description": ""}, id="null clears a text"),
        pytest.param({"rate_limit": None}, {"rate_limit": None}, id="null clears a limit"),
        pytest.param({"retry": None}, {"retry": None}, id="null clears a schedule"),
        pytest.param({"filter_types": None}, {"filter_types": []}, id="null clears a filter"),
        pytest.param({"metadata": {"team": None}}, {"metadata": {"tier": "gold"}}, id="null clears a key of metadata"),
        pytest.param(
            {"metadata": {"area": "eu"}},
            {"metadata": {"team": "payments", "tier": "gold", "area": "eu"}},
            id="a key of metadata is added",
        ),
        pytest.param({"headers": {"X-Other": None}}, {"headers": {"X-Token": "***"}}, id="null clears a header"),
        pytest.param({"headers": None}, {"headers": {}}, id="null clears all headers"),
        pytest.param({"is_enabled": False}, {"is_enabled": False}, id="it is switched off"),
    ],
)
def test_a_patch_changes_what_it_names_and_null_clears(
    aws: Aws, patch: dict[str, Any], expected: dict[str, Any]
) -> None:
    endpoint = create(aws, **FULL)
    del endpoint["secret"]
    status, patched = call(aws, "PATCH", path_of(endpoint), patch)
    assert status == 200
    assert patched.pop("updated_at") > endpoint.pop("updated_at")
    assert patched == endpoint | expected


def test_a_patch_keeps_a_headers_value(aws: Aws) -> None:
    with Receiver() as receiver:
        endpoint = create(aws, **FULL | {"url": receiver.url, "rate_limit": None})
        call(aws, "PATCH", path_of(endpoint), {"headers": {"X-Other": "c"}})
        deliver(aws, received(aws, owed(endpoint["operational_endpoint_id"]), "Retries"))
    [receipt] = receiver.receipts
    assert (receipt.headers["x-token"], receipt.headers["x-other"]) == ("a-value", "c")


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": None},
        {"application_id": None},
        {"application_id": "another"},
        {"is_enabled": None} | {"url": "ftp://example.com"},
        {"rate_limit": 0},
        {"secret": "whsec_mine"},
        {"failing_since": None} | {"operational_endpoint_id": "mine"},
        {"headers": {"Host": "x"}},
        {"filter_types": ["endpoint.exploded"]},
        {"fliter": None},
        {"": None},
        {"retry": {"schedule_seconds": [1], "schedule": None}},
        {"batch": {"max_event": None}},
    ],
    ids=json.dumps,
)
def test_a_patch_to_what_cannot_be_is_refused_and_changes_nothing(aws: Aws, wrong: dict[str, Any]) -> None:
    endpoint = create(aws, **FULL)
    del endpoint["secret"]
    status, problem = call(aws, "PATCH", path_of(endpoint), wrong)
    assert (status, problem["id"]) == (422, "validation_failed")
    assert problem["errors"][0]["loc"][0] in wrong
    assert call(aws, "GET", path_of(endpoint)) == (200, endpoint)


@pytest.mark.parametrize("body", [None, "", "[]", "null", "7", '"text"', "{nope", '{"a": NaN}', "[" * 50_000])
def test_a_patch_that_is_none_is_refused(aws: Aws, body: str | None) -> None:
    assert call(aws, "PATCH", path_of(create(aws)), body)[0] == 422


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=200)
@given(documents, documents)
def test_a_merge_is_what_rfc_7396_says(target: Any, patch: Any) -> None:
    result = merged(target, patch)
    if not isinstance(patch, dict):
        assert result == patch
        return
    assert merged(result, patch) == result  # asked twice it is as asked once
    kept = target if isinstance(target, dict) else {}
    assert {name: value for name, value in result.items() if name not in patch} == {
        name: value for name, value in kept.items() if name not in patch
    }
    assert not [name for name, value in patch.items() if value is None and name in result]


# ── ETag and If-Match ──


def test_the_etag_is_of_what_was_configured_and_changes_with_it(aws: Aws) -> None:
    created = ask(aws, "POST", "/", endpoint_body(unique("shop")))
    path = path_of(json.loads(created["body"]))
    assert etag(ask(aws, "GET", path)) == etag(created)
    patched = ask(aws, "PATCH", path, {"description": "x"})
    assert etag(patched) != etag(created)
    assert etag(ask(aws, "GET", path)) == etag(patched)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_what_was_changed_meanwhile_is_not_changed(aws: Aws, method: str) -> None:
    endpoint = create(aws)
    path, body = path_of(endpoint), endpoint_body(endpoint["application_id"])
    first = etag(ask(aws, "GET", path))
    call(aws, "PATCH", path, {"description": "somebody was first"})
    sent = None if method == "DELETE" else body
    status, problem = call(aws, method, path, sent, headers={"If-Match": first})
    assert (status, problem["id"]) == (412, "precondition_failed")
    assert call(aws, "GET", path)[1]["description"] == "somebody was first"
    now = etag(ask(aws, "GET", path))
    assert call(aws, method, path, sent, headers={"If-Match": f'"none", {now}'})[0] in (200, 204)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_star_matches_whatever_is_there(aws: Aws, method: str) -> None:
    endpoint = create(aws)
    sent = None if method == "DELETE" else endpoint_body(endpoint["application_id"])
    assert call(aws, method, path_of(endpoint), sent, headers={"If-Match": "*"})[0] in (200, 204)


@pytest.mark.parametrize(("sent", "status"), [('W/"1"', 412), ('"1"', 412), ("1", 422), ('"1" "2"', 422), ("", 422)])
def test_an_if_match_that_fits_nothing_or_is_none(aws: Aws, sent: str, status: int) -> None:
    assert call(aws, "PATCH", path_of(create(aws)), {}, headers={"If-Match": sent})[0] == status


def test_an_application_has_so_many_endpoints_and_no_more(aws: Aws) -> None:
    shop = unique("shop")
    for _ in range(int(aws.environment("ENDPOINTS_PER_APPLICATION"))):
        last = create(aws, application_id=shop)
    status, problem = call(aws, "POST", "/", endpoint_body(shop))
    assert (status, problem["id"]) == (409, "limit_reached")
    assert call(aws, "POST", "/", endpoint_body(unique("shop")))[0] == 201
    call(aws, "DELETE", path_of(last))
    assert call(aws, "POST", "/", endpoint_body(shop))[0] == 201
