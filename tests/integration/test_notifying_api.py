"""HTTP → what a receiver's author needs: secrets, a test, attempts, limits, a schedule."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest

from hookwatch.catalogue import CATALOGUE
from hookwatch.notifying import endpoints
from tests.in_process.api import call
from tests.in_process.auditing import BY_A_TEST
from tests.in_process.aws import Aws
from tests.in_process.deliveries import attempts, deliver, owed, received, record
from tests.in_process.signals import unique
from tests.integration.test_api import create, endpoint_body
from tests.integration.test_custom_events import stream_record
from tests.integration.test_delivery import due_now
from tests.integration.test_emitter import emit
from tests.local_cloud.receiver import Receiver


def path_of(endpoint: dict[str, Any]) -> str:
    return f"/{endpoint['operational_endpoint_id']}"


# ── secrets ──


def test_the_secret_is_shown_on_request_and_after_a_rotation_another_one(aws: Aws) -> None:
    endpoint = create(aws)
    path = f"{path_of(endpoint)}/secret"
    assert call(aws, "GET", path) == (200, {"secret": endpoint["secret"], "retiring": []})
    status, rotated = call(aws, "POST", f"{path}/rotate", {"grace_period_seconds": 3600})
    assert status == 200
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != endpoint["secret"]
    assert len(rotated["retiring"]) == 1
    assert call(aws, "GET", path) == (200, rotated)
    assert endpoint["secret"] not in json.dumps(rotated)


@pytest.mark.parametrize(("body", "seconds"), [(None, 86400), ({}, 86400), ({"grace_period_seconds": 604800}, 604800)])
def test_the_grace_is_a_day_where_nothing_else_is_asked_for(aws: Aws, body: Any, seconds: int) -> None:
    status, rotated = call(aws, "POST", f"{path_of(create(aws))}/secret/rotate", body)
    assert status == 200
    ends_at = datetime.fromisoformat(rotated["retiring"][0]["expires_at"])
    assert abs(ends_at - datetime.now(UTC) - timedelta(seconds=seconds)) < timedelta(seconds=30)


@pytest.mark.parametrize("grace", [-1, 604801, "3600", 1.5, None, True])
def test_a_grace_that_is_none_is_refused_and_nothing_rotates(aws: Aws, grace: Any) -> None:
    endpoint = create(aws)
    path = f"{path_of(endpoint)}/secret"
    status, problem = call(aws, "POST", f"{path}/rotate", {"grace_period_seconds": grace})
    assert (status, problem["errors"][0]["loc"]) == (422, ["grace_period_seconds"])
    assert call(aws, "GET", path)[1]["secret"] == endpoint["secret"]


def test_a_sixth_live_secret_is_refused_unless_the_others_end_at_once(aws: Aws) -> None:
    path = f"{path_of(create(aws))}/secret/rotate"
    for _ in range(4):
        assert call(aws, "POST", path)[0] == 200
    status, problem = call(aws, "POST", path)
    assert (status, problem["id"]) == (409, "limit_reached")
    assert call(aws, "POST", path, {"grace_period_seconds": 0}) == (
        200,
        call(aws, "GET", path.removesuffix("/rotate"))[1],
    )


def test_during_the_grace_a_receiver_with_either_secret_verifies_and_after_it_with_the_new_one(aws: Aws) -> None:
    with Receiver() as receiver:
        endpoint = create(aws, url=receiver.url)
        endpoints.succeed(endpoints.get(endpoint["operational_endpoint_id"]))
        rotated = call(aws, "POST", f"{path_of(endpoint)}/secret/rotate")[1]
        for receiver.secret in (endpoint["secret"], rotated["secret"]):
            deliver(aws, record(owed(endpoint["operational_endpoint_id"])))
        call(aws, "POST", f"{path_of(endpoint)}/secret/rotate", {"grace_period_seconds": 0})
        deliver(aws, record(owed(endpoint["operational_endpoint_id"])))
    assert [receipt.is_verified for receipt in receiver.receipts] == [True, True, False]
    assert [len(receipt.headers["webhook-signature"].split(" ")) for receipt in receiver.receipts] == [2, 2, 1]


def test_a_put_keeps_the_secrets_and_their_grace(aws: Aws) -> None:
    endpoint = create(aws)
    rotated = call(aws, "POST", f"{path_of(endpoint)}/secret/rotate")[1]
    call(aws, "PUT", path_of(endpoint), endpoint_body(endpoint["application_id"], description="moved"))
    assert call(aws, "GET", f"{path_of(endpoint)}/secret") == (200, rotated)


def test_of_two_rotations_of_the_same_secret_one_is_refused(aws: Aws) -> None:
    old = endpoints.get(create(aws)["operational_endpoint_id"])
    call(aws, "POST", f"/{old.operational_endpoint_id}/secret/rotate")
    assert not endpoints.replace(old, old, BY_A_TEST)


@pytest.mark.parametrize("method", ["GET secret", "POST secret/rotate", "POST test", "GET attempts"])
def test_an_endpoint_of_another_application_is_not_found(aws: Aws, method: str) -> None:
    verb, _, rest = method.partition(" ")
    assert call(aws, verb, f"{path_of(create(aws))}/{rest}", applications="another")[0] == 404


# ── a test ──


def test_a_test_reaches_its_endpoint_alone_whatever_types_that_asked_for(aws: Aws) -> None:
    aws.take("Deliveries")
    shop = unique("shop")
    create(aws, application_id=shop)
    endpoint = create(aws, application_id=shop, filter_types=["endpoint.failing"])
    status, answer = call(aws, "POST", f"{path_of(endpoint)}/test")
    assert status == 202
    [delivery] = emit(aws, stream_record(aws, answer["event_id"]))
    assert delivery.operational_endpoint_id == endpoint["operational_endpoint_id"]
    jsonschema.validate(json.loads(delivery.body), CATALOGUE["webhook.test"].schema)
    shown = call(aws, "GET", f"/events/{answer['event_id']}")[1]
    assert (shown["type"], shown["data"]["severity"]) == ("webhook.test", "info")


def test_a_test_of_a_disabled_endpoint_is_refused(aws: Aws) -> None:
    status, problem = call(aws, "POST", f"{path_of(create(aws, is_enabled=False))}/test")
    assert (status, problem["id"]) == (409, "disabled")


def test_a_test_with_the_same_idempotency_key_is_one_event_and_without_one_another(aws: Aws) -> None:
    path = f"{path_of(create(aws))}/test"
    ids = [call(aws, "POST", path, idempotency_key=key)[1]["event_id"] for key in ("a", "a", "b", "", "")]
    assert len(set(ids)) == 4
    assert ids[0] == ids[1]


def test_a_test_goes_to_the_url_as_it_is_now_though_the_function_remembers_another(aws: Aws) -> None:
    endpoint = create(aws)
    path = path_of(endpoint)
    with Receiver() as receiver:
        call(aws, "PUT", path, endpoint_body(endpoint["application_id"], url=receiver.url))
        event_id = call(aws, "POST", f"{path}/test")[1]["event_id"]
        aws.take("Deliveries")
        [delivery] = emit(aws, stream_record(aws, event_id))
        assert deliver(aws, record(delivery)) == []
    assert [receipt.type for receipt in receiver.receipts] == ["webhook.test"]


# ── attempts ──


def test_attempts_are_listed_by_endpoint_newest_first_by_page_and_by_status(aws: Aws) -> None:
    with Receiver(lambda _body, attempt: 500 if attempt == 1 else 200) as receiver:
        endpoint = create(aws, url=receiver.url)
        endpoints.succeed(endpoints.get(endpoint["operational_endpoint_id"]))
        deliveries = [owed(endpoint["operational_endpoint_id"]) for _ in range(3)]
        deliver(aws, *(record(delivery) for delivery in deliveries))
        due_now(aws, deliveries[0].event_id, attempts(aws, deliveries[0])[0]["attempt_key"])
        deliver(aws, received(aws, deliveries[0], "Retries"))
    path, found, cursor = f"{path_of(endpoint)}/attempts", list[dict[str, Any]](), None
    while True:
        page = call(aws, "GET", path, limit="2", **({"cursor": cursor} if cursor else {}))[1]
        found, cursor = [*found, *page["data"]], page["next_cursor"]
        if cursor is None:
            break
    assert [attempt["number"] for attempt in found] == [2, 1, 1, 1]
    assert [attempt["attempted_at"] for attempt in found] == sorted(
        (attempt["attempted_at"] for attempt in found), reverse=True
    )
    assert found[0]["event_id"] == deliveries[0].event_id
    assert call(aws, "GET", path, status="delivered")[1]["data"] == found[:1]
    assert len(call(aws, "GET", path, status="retrying")[1]["data"]) == 3
    assert call(aws, "GET", path, status="lost")[0] == 422
    assert call(aws, "GET", path, cursor="bm8=")[0] == 422


def test_an_events_attempts_are_paged_filtered_and_those_to_others_hidden(aws: Aws) -> None:
    shop = unique("shop")
    own, every = create(aws, application_id=shop), create(aws, application_id="*")
    event_id = call(aws, "POST", f"{path_of(own)}/test")[1]["event_id"]
    with Receiver(lambda _body, _attempt: 500) as receiver:
        for endpoint in (own, every):
            body = endpoint_body(endpoint["application_id"], url=receiver.url)
            call(aws, "PUT", path_of(endpoint), body)
            endpoints.succeed(endpoints.get(endpoint["operational_endpoint_id"]))
            deliver(aws, record(owed(endpoint["operational_endpoint_id"], event_id, endpoint["application_id"])))
    path = f"/events/{event_id}/attempts"
    everything = call(aws, "GET", path)[1]
    assert len(everything["data"]) == 2
    first = call(aws, "GET", path, limit="1")[1]
    second = call(aws, "GET", path, limit="1", cursor=first["next_cursor"])[1]
    assert first["data"] + second["data"] == everything["data"]
    assert second["next_cursor"] is None
    [seen] = call(aws, "GET", path, applications=shop)[1]["data"]
    assert seen["operational_endpoint_id"] == own["operational_endpoint_id"]
    assert call(aws, "GET", path, status="delivered")[1]["data"] == []
    call(aws, "DELETE", path_of(every))


# ── limits and a schedule ──


def test_limit_and_schedule_are_kept_shown_and_cleared(aws: Aws) -> None:
    endpoint = create(aws, rate_limit=5, retry={"schedule_seconds": [1, 39600]})
    assert (endpoint["rate_limit"], endpoint["retry"]) == (5, {"schedule_seconds": [1, 39600]})
    del endpoint["secret"]
    assert call(aws, "GET", path_of(endpoint)) == (200, endpoint)
    replaced = call(aws, "PUT", path_of(endpoint), endpoint_body(endpoint["application_id"]))[1]
    assert (replaced["rate_limit"], replaced["retry"]) == (None, None)
    assert call(aws, "GET", path_of(endpoint)) == (200, replaced)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate_limit": 0},
        {"rate_limit": -1},
        {"rate_limit": 501},
        {"rate_limit": 1.5},
        {"rate_limit": "5"},
        {"rate_limit": True},
        {"retry": {}},
        {"retry": {"schedule_seconds": [0]}},
        {"retry": {"schedule_seconds": [39601]}},
        {"retry": {"schedule_seconds": [1, 2, 3, 4, 5]}},
        {"retry": {"schedule_seconds": ["1"]}},
        {"retry": {"schedule_seconds": None}},
        {"retry": {"schedule_seconds": [], "attempts": 3}},
        {"retry": [1]},
        {"failing_since": "2026-01-01T00:00:00Z"},
    ],
    ids=json.dumps,
)
def test_a_limit_or_a_schedule_that_is_none_is_refused(aws: Aws, wrong: dict[str, Any]) -> None:
    status, problem = call(aws, "POST", "/", endpoint_body("shop") | wrong)
    assert (status, problem["errors"][0]["loc"][0]) == (422, next(iter(wrong)))
