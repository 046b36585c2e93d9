"""Of one application nothing is seen, and nothing changed, with a key of another: whatever is asked, and however."""

import json
from typing import Any

import pytest

from hookwatch.access.roles import NEEDS, ROLES, Need
from tests.in_process import bad_input
from tests.in_process.api import ask, call
from tests.in_process.aws import Aws
from tests.in_process.bad_input import Request, Route
from tests.in_process.signals import unique
from tests.integration.test_bad_input import contents

ROUTES = [route for route in NEEDS if route != ("POST", "/signals")]  # Ingest's: see test_ingest.py
OF_NO_APPLICATION = {("GET", "/keys")}
# What needs no application named in it, in the path, the query or the body.
LISTS = [
    route
    for route in ROUTES
    if route[0] == "GET" and "{" not in route[1] and NEEDS[route] is not Need.KNOW and route not in OF_NO_APPLICATION
]


def of(routes: list[Route]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("route", [pytest.param(route, id=" ".join(route)) for route in routes])


def sent(aws: Aws, request: Request, **identity: Any) -> dict[str, Any]:
    query: dict[str, Any] = {name: value for name, value in request.query.items() if isinstance(value, str)}
    body = request.content.decode() or None
    return ask(aws, request.method, request.path, body, **identity, **query)


def shop_of(request: Request) -> str:
    """The application that a good request is about, which has one of what the request needs."""
    named = json.loads(request.content or b"{}") | request.query
    return str(named.get("application_id") or named["application_ids"][0])


@of(ROUTES)
def test_a_guessed_id_is_the_id_of_nothing(aws: Aws, route: Route) -> None:
    request, before = bad_input.good(aws, route), contents()
    for role in ROLES:
        answer = sent(aws, request, applications=unique("other"), role=role, key_id="k2")
        if route in OF_NO_APPLICATION and answer["statusCode"] == 200:
            assert json.loads(answer["body"])["data"] == []
        else:
            assert answer["statusCode"] == (404 if role in NEEDS[route].value else 403)
    assert contents() == before


@of(LISTS)
def test_without_a_scope_a_key_lists_what_is_its_own_or_nothing(aws: Aws, route: Route) -> None:
    good = bad_input.good(aws, route)
    shop, other = shop_of(good), unique("other")
    status, listed = call(aws, *route, applications=other)
    assert status == 200
    assert listed["data"] == []
    assert shop not in json.dumps(listed)
    for several in (f"{other} {unique('another')}", "*"):
        status, problem = call(aws, *route, applications=several)
        assert (status, problem["errors"][0]["loc"]) == (422, ["application_id"])


@of([route for route in ROUTES if route[0] == "POST"])
def test_an_idempotency_key_repeats_no_answer_to_another_tenant(aws: Aws, route: Route) -> None:
    request, idempotency_key = bad_input.good(aws, route), unique("key")
    first = sent(aws, request, key_id="k1", idempotency_key=idempotency_key)
    assert first["statusCode"] in (200, 201, 202)
    answer = sent(aws, request, key_id="k2", applications=unique("other"), idempotency_key=idempotency_key)
    assert answer["statusCode"] == 404
