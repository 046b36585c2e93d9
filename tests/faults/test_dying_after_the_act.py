"""A POST with an Idempotency-Key whose function dies when the thing is made and its answer is not kept: sent again, it
finds what it made."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pynamodb.models import Model

from hookwatch import tables, times
from tests.faults.cancelling import cancelled
from tests.faults.killing import Killed, killed
from tests.in_process.api import ask, call
from tests.in_process.auditing import actions
from tests.in_process.aws import Aws
from tests.in_process.signals import unique
from tests.integration.test_api import create, endpoint_body


@dataclass(frozen=True)
class Maker:
    """A route that makes a thing with an id: how it is asked, for what else, and what it puts on record."""

    path: str
    table: type[Model]
    id_name: str
    id_format: str
    body: Callable[[str], dict[str, Any]]
    another: tuple[dict[str, Any], ...]
    created: str
    when_again: tuple[str, ...] = ()
    shown_once: dict[str, Any] = field(default_factory=dict)

    def ids(self, aws: Aws, shop: str) -> list[str]:
        items = [item for item in aws.items(self.table.Meta.table_name) if shop in json.dumps(item, default=str)]
        return [item[self.id_name]["S"] for item in items]


MAKERS = [
    Maker(
        path="/",
        table=tables.OperationalEndpoint,
        id_name="operational_endpoint_id",
        id_format=r"oep_[0-9a-f]{24}",
        body=lambda shop: endpoint_body(shop, headers={"X-Token": "a-value"}),
        another=({"description": "x"}, {"headers": {"X-Token": "another"}}, {"headers": {}}),
        created="operational_endpoint.created",
        when_again=("operational_endpoint.secret_read",),
    ),
    Maker(
        path="/sources",
        table=tables.Source,
        id_name="source_id",
        id_format=r"src_[0-9a-f]{24}",
        body=lambda shop: {"application_id": shop, "kind": "hook0", "secret": "a-subscription-secret"},
        another=({"secret": "another-subscription-secret"},),
        created="source.created",
    ),
    Maker(
        path="/keys",
        table=tables.ApiKey,
        id_name="key_id",
        id_format=r"[0-9a-f]{16}",
        body=lambda shop: {"role": "viewer", "application_ids": [shop], "description": "CI"},
        another=({"role": "editor"}, {"description": "x"}),
        created="key.created",
        shown_once={"key": None},
    ),
]
each = pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.path)


def record_client(aws: Aws) -> Any:
    """With which Powertools keeps what was answered."""
    _, remembers = aws.function("api").app._router_middlewares
    return remembers.__self__._store.client


def die(aws: Aws, maker: Maker, body: dict[str, Any], key: str) -> None:
    """The thing is made, and then time is up."""
    with (
        killed(tables.connection_of(maker.table).client, "after", "dynamodb.TransactWriteItems") as kills,
        pytest.raises(Killed),
    ):
        call(aws, "POST", maker.path, body, idempotency_key=key)
    assert kills


def let_half_a_minute_pass(aws: Aws) -> None:
    """No function can be under way any more that was when it died."""
    for item in aws.items("Idempotency"):
        if item["status"]["S"] == "INPROGRESS":
            aws.client("dynamodb").update_item(
                TableName="Idempotency",
                Key={"id": item["id"]},
                UpdateExpression="SET in_progress_expiration = :past",
                ExpressionAttributeValues={":past": {"N": "1"}},
            )


@each
def test_sent_again_it_finds_what_it_made(aws: Aws, maker: Maker) -> None:
    shop = unique("shop")
    body = maker.body(shop)
    die(aws, maker, body, shop)
    [made] = maker.ids(aws, shop)
    assert call(aws, "POST", maker.path, body, idempotency_key=shop)[1]["id"] == "in_progress"
    let_half_a_minute_pass(aws)
    status, answer = call(aws, "POST", maker.path, body, idempotency_key=shop)
    assert (status, answer[maker.id_name], maker.ids(aws, shop)) == (201, made, [made])
    assert actions(shop) == [maker.created, *maker.when_again]
    path = f"{maker.path.rstrip('/')}/{made}"
    shown = call(aws, "GET", path)[1] | maker.shown_once
    assert {name: value for name, value in answer.items() if name != "secret"} == shown
    if "secret" in answer:
        assert call(aws, "GET", f"{path}/secret")[1]["secret"] == answer["secret"]
    # What is answered now is kept, as ever.
    assert call(aws, "POST", maker.path, body, idempotency_key=shop) == (201, answer)
    assert maker.ids(aws, shop) == [made]


@each
def test_the_answer_that_could_not_be_kept_is_the_one_that_is_given_again(aws: Aws, maker: Maker) -> None:
    shop = unique("shop")
    with killed(record_client(aws), "before", "dynamodb.UpdateItem") as kills, pytest.raises(Killed):
        call(aws, "POST", maker.path, maker.body(shop), idempotency_key=shop)
    assert kills
    [made] = maker.ids(aws, shop)
    let_half_a_minute_pass(aws)
    again = ask(aws, "POST", maker.path, maker.body(shop), idempotency_key=shop)
    assert (again["statusCode"], json.loads(again["body"])[maker.id_name]) == (201, made)
    assert ("ETag" in again["multiValueHeaders"]) == (maker.path == "/")
    assert maker.ids(aws, shop) == [made]


@each
def test_what_was_not_made_is_made_when_it_is_sent_again(aws: Aws, maker: Maker) -> None:
    shop = unique("shop")
    client = tables.connection_of(maker.table).client
    with killed(client, "before", "dynamodb.TransactWriteItems"), pytest.raises(Killed):
        call(aws, "POST", maker.path, maker.body(shop), idempotency_key=shop)
    assert maker.ids(aws, shop) == []
    let_half_a_minute_pass(aws)
    answer = call(aws, "POST", maker.path, maker.body(shop), idempotency_key=shop)[1]
    assert maker.ids(aws, shop) == [answer[maker.id_name]]
    assert actions(shop) == [maker.created]


@pytest.mark.parametrize(
    ("maker", "change"),
    [pytest.param(maker, change, id=f"{maker.path} {change}") for maker in MAKERS for change in maker.another],
)
def test_another_body_does_not_find_it(aws: Aws, maker: Maker, change: dict[str, Any]) -> None:
    shop = unique("shop")
    die(aws, maker, maker.body(shop), shop)
    let_half_a_minute_pass(aws)
    status, problem = call(aws, "POST", maker.path, maker.body(shop) | change, idempotency_key=shop)
    assert (status, problem["id"]) == (409, "idempotency_conflict")
    assert len(maker.ids(aws, shop)) == 1
    assert actions(shop) == [maker.created]


@each
def test_what_was_made_more_than_a_day_ago_is_another_matter(aws: Aws, maker: Maker) -> None:
    shop = unique("shop")
    die(aws, maker, maker.body(shop), shop)
    let_half_a_minute_pass(aws)
    [made] = maker.ids(aws, shop)
    yesterday = times.to_text(datetime.now(UTC) - timedelta(hours=24))
    created_at = maker.table.get_attributes()["created_at"]
    maker.table(made).update(actions=[created_at.set(yesterday)])
    status, answer = call(aws, "POST", maker.path, maker.body(shop), idempotency_key=shop)
    assert status == 201
    assert sorted(maker.ids(aws, shop)) == sorted([made, answer[maker.id_name]])
    assert made != answer[maker.id_name]
    assert actions(shop) == [maker.created] * 2


@each
def test_what_was_deleted_meanwhile_is_not_shown_as_if_it_were_there(aws: Aws, maker: Maker) -> None:
    shop = unique("shop")
    die(aws, maker, maker.body(shop), shop)
    let_half_a_minute_pass(aws)
    [made] = maker.ids(aws, shop)
    path = f"{maker.path.rstrip('/')}/{made}"
    assert call(aws, "DELETE", path)[0] == 204
    answer = call(aws, "POST", maker.path, maker.body(shop), idempotency_key=shop)[1]
    assert call(aws, "GET", path)[1] | maker.shown_once == {
        name: value for name, value in answer.items() if name != "secret"
    }  # it was made anew; but a key that is revoked stays revoked


@each
def test_ids_look_the_same_with_an_idempotency_key_and_without(aws: Aws, maker: Maker) -> None:
    shop = unique("shop")
    for key in ("", shop):
        named = call(aws, "POST", maker.path, maker.body(shop), idempotency_key=key)[1][maker.id_name]
        assert re.fullmatch(maker.id_format, named)
    assert len(set(maker.ids(aws, shop))) == 2


@each
def test_whoever_comes_in_the_same_moment_is_told_to_wait(aws: Aws, maker: Maker) -> None:
    """Powertools lets it pass when the first takes longer than it may; the id is taken by the time of the write."""
    shop = unique("shop")
    with cancelled(tables.connection_of(maker.table).client, "ConditionalCheckFailed", "None"):
        status, problem = call(aws, "POST", maker.path, maker.body(shop), idempotency_key=shop)
    assert (status, problem["id"]) == (409, "in_progress")


# ── operational endpoints: what may have happened to them since ──


ENDPOINTS = MAKERS[0]


def test_the_last_one_that_an_application_may_have_is_found_again(aws: Aws) -> None:
    shop = unique("shop")
    for _ in range(19):
        create(aws, application_id=shop)
    die(aws, ENDPOINTS, ENDPOINTS.body(shop), shop)
    let_half_a_minute_pass(aws)
    assert call(aws, "POST", "/", endpoint_body(shop))[1]["id"] == "limit_reached"
    assert call(aws, "POST", "/", ENDPOINTS.body(shop), idempotency_key=shop)[0] == 201
    assert len(ENDPOINTS.ids(aws, shop)) == 20


def test_an_endpoint_that_was_changed_and_rotated_since_is_shown_as_it_is_now(aws: Aws) -> None:
    shop = unique("shop")
    die(aws, ENDPOINTS, ENDPOINTS.body(shop), shop)
    let_half_a_minute_pass(aws)
    [made] = ENDPOINTS.ids(aws, shop)
    call(aws, "PATCH", f"/{made}", {"description": "theirs", "headers": {"X-Token": "theirs"}}, key_id="k2")
    rotated = call(aws, "POST", f"/{made}/secret/rotate", key_id="k2")[1]
    answer = call(aws, "POST", "/", ENDPOINTS.body(shop), idempotency_key=shop)[1]
    assert (answer["operational_endpoint_id"], answer["description"]) == (made, "theirs")
    assert answer["secret"] == rotated["secret"]
