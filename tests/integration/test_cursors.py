"""A cursor is opaque, cannot be made up, and goes on with its own list for its own key."""

import base64
import json
from typing import Any

import pytest

from tests.in_process.api import call
from tests.in_process.aws import Aws
from tests.in_process.signals import created, messages, unique


@pytest.fixture
def shop(aws: Aws) -> str:
    shop = unique("shop")
    aws.invoke("observer", {"Records": messages(shop, *(created(f"e{n}") for n in range(4)))})
    return shop


def first(aws: Aws, shop: str, **arguments: Any) -> str:
    status, page = call(aws, "GET", "/events", application_id=shop, limit="2", **arguments)
    assert status == 200
    return str(page["next_cursor"])


def test_it_goes_on_and_the_length_of_a_page_may_change(aws: Aws, shop: str) -> None:
    status, page = call(aws, "GET", "/events", application_id=shop, limit="50", cursor=first(aws, shop))
    assert (status, len(page["data"])) == (200, 2)


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        pytest.param("/events", {"type": "endpoint.created"}, id="another query"),
        pytest.param("/events", {"application_id": "another"}, id="another application"),
        pytest.param("/events", {"key_id": "k2"}, id="another key"),
        pytest.param("/monitored_endpoints", {}, id="another list"),
    ],
)
def test_it_goes_on_with_nothing_else(aws: Aws, shop: str, path: str, changed: dict[str, Any]) -> None:
    query = {"application_id": shop, "cursor": first(aws, shop)} | changed
    status, problem = call(aws, "GET", path, **query)
    assert (status, problem["errors"][0]["loc"]) == (422, ["cursor"])


def made_up(cursor: str) -> list[str]:
    seal, *values = json.loads(base64.urlsafe_b64decode(cursor))
    documents: list[Any] = [
        [seal, *reversed(values)],
        [seal, "2030" + values[0][4:], *values[1:]],
        ["0" * 32, *values],
        ["é" * 32, *values],
        [seal],
        [seal, *values, ""],
        values,
        [],
        {},
        [1, 2],
        None,
    ]
    return [base64.urlsafe_b64encode(json.dumps(document).encode()).decode() for document in documents]


def test_it_cannot_be_made_up(aws: Aws, shop: str) -> None:
    cursor = first(aws, shop)
    for sent in [*made_up(cursor), cursor[:-1], cursor + "A", "é", "%%%", "", "=", "x" * 1024]:
        assert call(aws, "GET", "/events", application_id=shop, limit="2", cursor=sent)[0] == 422, sent
