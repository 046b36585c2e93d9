"""A change and its audit item: both, or neither, whatever befalls their transaction."""

from typing import Any, Literal

import pytest
from msgspec.structs import replace
from pynamodb.models import Model

from hookwatch import custom_types, tables
from hookwatch.custom_types import CustomType
from hookwatch.notifying import endpoints
from hookwatch.observing import policies
from tests.faults.cancelling import cancelled, interrupted, refused
from tests.faults.killing import Killed, killed
from tests.in_process import bad_input
from tests.in_process.api import ask, call
from tests.in_process.auditing import ACTIONS, BY_A_TEST, CHANGES, actions, configuration, on_record
from tests.in_process.aws import Aws
from tests.in_process.bad_input import Route
from tests.in_process.deliveries import deliver, owed, received, register, register_receiver
from tests.in_process.signals import unique
from tests.integration.test_api import create, endpoint_body
from tests.integration.test_authorizer import authorize
from tests.local_cloud.receiver import Receiver

# By how the paths of its routes begin.
TABLES: dict[str, type[Model]] = {
    "event_types": tables.OperationalEventType,
    "applications": tables.Application,
    "monitored_endpoints": tables.Application,
    "policies": tables.Application,
    "sources": tables.Source,
    "keys": tables.ApiKey,
    "replays": tables.Replay,
}
BEGINNING = {("POST", "/{operational_endpoint_id}/replay"), ("POST", "/events/{event_id}/resend")}
CANCELLING = ("DELETE", "/replays/{replay_id}")  # who loses to a step looks again: see test_replaying.py
DELETION = ("DELETE", "/applications/{application_id}")  # whose loser is told of the winner's: see test_erasing.py
each_change = pytest.mark.parametrize("route", CHANGES, ids=" ".join)


def client_of(route: Route) -> Any:
    otherwise = tables.Replay if route in BEGINNING else tables.OperationalEndpoint
    table = TABLES.get(route[1].split("/")[1], otherwise)
    return tables.connection_of(table).client


def state() -> tuple[list[str], list[dict[str, Any]]]:
    return configuration(), on_record()


@each_change
@pytest.mark.parametrize(
    "reasons",
    [
        pytest.param(["TransactionConflict", "None"], id="somebody writes the same"),
        pytest.param(["None", "ThrottlingError"], id="the audit is throttled"),
        pytest.param(["None", "ValidationError"], id="the audit cannot be written"),
    ],
)
def test_what_cannot_be_put_on_record_is_not_done_and_can_be_sent_again(
    aws: Aws, route: Route, reasons: list[str]
) -> None:
    request = bad_input.good(aws, route)
    before = state()
    with cancelled(client_of(route), *reasons) as cancellations:
        answer = request.ask(aws)
    assert cancellations
    assert answer["statusCode"] == 503
    assert answer["multiValueHeaders"]["Retry-After"] == ["1"]
    assert state() == before
    assert request.ask(aws)["statusCode"] < 300
    assert actions()[len(before[1]) :] == [ACTIONS[route]]


@each_change
def test_a_conflict_that_passes_is_not_seen(aws: Aws, route: Route) -> None:
    request = bad_input.good(aws, route)
    before = on_record()
    with cancelled(client_of(route), "TransactionConflict", "None", times=3) as cancellations:
        assert request.ask(aws)["statusCode"] < 300
    assert len(cancellations) == 3
    assert actions()[len(before) :] == [ACTIONS[route]]


@pytest.mark.parametrize("route", [route for route in CHANGES if route not in (DELETION, CANCELLING)], ids=" ".join)
def test_who_loses_a_race_is_told_so_and_is_not_on_record(aws: Aws, route: Route) -> None:
    """The other one took what was to be changed, between the look and the change."""
    request = bad_input.good(aws, route)
    before = state()
    with cancelled(client_of(route), "ConditionalCheckFailed", "None") as cancellations:
        status = request.ask(aws)["statusCode"]
    assert (status, len(cancellations)) == (
        404 if route in {("DELETE", "/sources/{source_id}"), ("DELETE", "/keys/{key_id}")} else 409,
        1,
    )
    assert state() == before


@each_change
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_the_transaction_it_leaves_both_or_neither(
    aws: Aws, route: Route, when: Literal["before", "after"]
) -> None:
    request = bad_input.good(aws, route)
    before = state()
    with killed(client_of(route), when, "dynamodb.TransactWriteItems") as kills, pytest.raises(Killed):
        request.ask(aws)
    assert kills
    configured, recorded = state()
    assert (configured != before[0]) == (recorded != before[1]) == (when == "after")


# ── who reads a secret ──


def test_a_secret_whose_reading_cannot_be_put_on_record_is_not_shown(aws: Aws) -> None:
    shop = unique("shop")
    endpoint = call(aws, "POST", "/", endpoint_body(shop), idempotency_key=shop)[1]
    path = f"/{endpoint['operational_endpoint_id']}/secret"
    rotated = call(aws, "POST", f"{path}/rotate", idempotency_key=shop)[1]
    before = on_record(shop)
    with refused(tables.connection_of(tables.Audit).client, "PutItem", "ProvisionedThroughputExceededException"):
        answers = [
            ask(aws, "GET", path),
            ask(aws, "POST", "/", endpoint_body(shop), idempotency_key=shop),
            ask(aws, "POST", f"{path}/rotate", idempotency_key=shop),
        ]
    for answer in answers:
        assert answer["statusCode"] == 503
        assert endpoint["secret"] not in answer["body"]
        assert rotated["secret"] not in answer["body"]
    assert on_record(shop) == before


# ── who writes the same item alone, while somebody's transaction is under way ──


def test_a_key_that_is_being_revoked_is_judged_all_the_same(aws: Aws) -> None:
    key = call(aws, "POST", "/keys", {"role": "viewer", "application_ids": [unique("shop")]})[1]["key"]
    client = tables.connection_of(tables.ApiKey).client
    with refused(client, "UpdateItem", "TransactionConflictException", times=3) as refusals:
        answer = authorize(aws, f"Bearer {key}")
    assert (len(refusals), answer["policyDocument"]["Statement"][0]["Effect"]) == (3, "Allow")


def test_what_a_delivery_teaches_of_an_endpoint_that_is_being_changed_is_noted(aws: Aws) -> None:
    client = tables.connection_of(tables.OperationalEndpoint).client
    with Receiver() as receiver:
        name = register_receiver(aws, receiver, has_succeeded=False)
        with refused(client, "UpdateItem", "TransactionConflictException", times=3) as refusals:
            assert deliver(aws, received(aws, owed(name), "Retries")) == []
    assert (len(refusals), endpoints.get(name).has_succeeded) == (3, True)


# ── races that are really run: what is to be changed changes between the look and the transaction ──


def change(name: str) -> None:
    old = endpoints.get(name)
    new = replace(old, description="theirs", updated_at=endpoints.next_update(old))
    assert endpoints.replace(old, new, BY_A_TEST)


@pytest.mark.parametrize(
    ("method", "is_as_read", "status"),
    [("PATCH", False, 409), ("PATCH", True, 412), ("DELETE", False, 409), ("DELETE", True, 412)],
)
def test_before_is_what_was_there_or_nothing_is_done(aws: Aws, method: str, is_as_read: bool, status: int) -> None:
    endpoint = create(aws)
    name = endpoint["operational_endpoint_id"]
    tag = ask(aws, "GET", f"/{name}")["multiValueHeaders"]["ETag"][0]
    headers = {"If-Match": tag} if is_as_read else {}
    body = {"description": "mine"} if method == "PATCH" else None
    with interrupted(client_of((method, "/{operational_endpoint_id}")), lambda: change(name)):
        assert call(aws, method, f"/{name}", body, headers=headers)[0] == status
    assert endpoints.get(name).description == "theirs"
    assert actions(endpoint["application_id"]) == ["operational_endpoint.created"]


def test_who_deletes_what_another_deletes_is_told_that_it_is_gone(aws: Aws) -> None:
    endpoint = create(aws)
    name = endpoint["operational_endpoint_id"]

    def delete() -> None:
        assert endpoints.delete(endpoints.get(name), BY_A_TEST)

    with interrupted(client_of(("DELETE", "/{operational_endpoint_id}")), delete):
        assert call(aws, "DELETE", f"/{name}")[0] == 404
    assert actions(endpoint["application_id"]) == ["operational_endpoint.created"]


@pytest.mark.parametrize("old", [{}, {"opens_at_share": 0.1}], ids=["the first", "another"])
def test_of_two_policies_put_at_the_same_moment_one_is_refused(aws: Aws, old: dict[str, Any]) -> None:
    shop, theirs = unique("shop"), {"opens_at_share": 0.2}
    policies.put(shop, {}, old, BY_A_TEST)
    route = ("PUT", "/policies/{application_id}")
    with interrupted(client_of(route), lambda: policies.put(shop, old, theirs, BY_A_TEST)):
        status, problem = call(aws, "PUT", f"/policies/{shop}", {"opens_at_share": 0.3})
    assert (status, problem["id"]) == (409, "conflict")
    assert policies.own_numbers(shop) == theirs
    assert actions(shop) == []


@pytest.mark.parametrize(("method", "is_new"), [("POST", True), ("POST", False), ("DELETE", False)])
def test_of_two_changes_to_a_type_at_the_same_moment_one_is_refused(aws: Aws, method: str, is_new: bool) -> None:
    shop, name = unique("shop"), "invoice.due"
    if not is_new:
        custom_types.put(CustomType(shop, name, "x", {}), None, BY_A_TEST)
    old, theirs = custom_types.get(shop, name), CustomType(shop, name, "theirs", {})
    body = {"application_id": shop, "description": "mine", "schema": {}} if method == "POST" else None
    query = {} if body else {"application_id": shop}
    with interrupted(client_of((method, "/event_types/{name}")), lambda: custom_types.put(theirs, old, BY_A_TEST)):
        status, problem = call(aws, method, f"/event_types/{name}", body, **query)
    assert (status, problem["id"]) == (409, "conflict")
    found = custom_types.get(shop, name)
    assert found
    assert found.description == "theirs"
    assert actions(shop) == []


def test_what_is_changed_while_hookwatch_disables_it_stays_as_it_was_changed(aws: Aws) -> None:
    shop = unique("shop")
    name = register(aws, "https://ops.example.com/", application_id=shop)
    with interrupted(client_of(("PATCH", "/{operational_endpoint_id}")), lambda: change(name)):
        assert not endpoints.disable(endpoints.get(name), "gone")
    assert (endpoints.get(name).is_enabled, endpoints.get(name).description) == (True, "theirs")
    assert actions(shop) == []
    assert endpoints.disable(endpoints.get(name), "gone")  # the next attempt says so again
