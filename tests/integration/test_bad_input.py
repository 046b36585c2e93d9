"""Bad input at every route of the table of roles: a clear 4xx, nothing written, and nothing of it in the log."""

import gzip
import json
import re
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto.dynamodb.models import dynamodb_backends
from moto.sqs.models import sqs_backends

from hookwatch.access import roles
from tests.in_process import bad_input
from tests.in_process.api import BASE
from tests.in_process.aws import ROOT, Aws
from tests.in_process.bad_input import MARK, Request, Route

Refused = Callable[[Request], dict[str, Any]]

pytestmark = pytest.mark.usefixtures("nothing_raw_is_logged")

ROUTES = sorted([*roles.NEEDS, *roles.OPEN])
OF_ANY_MEDIA_TYPE = {("POST", "/signals"), ("POST", "/sources/{source_id}")}
NO_BODY_AT_ALL = ("POST", "/{operational_endpoint_id}/test")
WITH_BODY = [route for route in ROUTES if route[0] in ("POST", "PUT", "PATCH") and route != NO_BODY_AT_ALL]
DOCUMENTED = {
    id_: int(status) for id_, status in re.findall(r"^\| `(\w+)` \| (\d+) \|", (ROOT / "docs/api.md").read_text(), re.M)
}
OUR_OWN_BUSINESS = re.compile(
    r"pydantic|powertools|pynamo|msgspec|boto|dynamo|moto|lambda|traceback|exception|\w+Error\b|site-packages|\.py\b"
    r"|jsonschema|function-|constrained|codec|surrogate|'(?:str|int|dict|list)'",
    re.IGNORECASE,
)


def of(routes: Iterable[Route]) -> pytest.MarkDecorator:
    """A test for each of them."""
    return pytest.mark.parametrize("route", [pytest.param(route, id=" ".join(route)) for route in routes])


def contents() -> dict[str, Any]:
    """All that is in the tables and on the queues: looked up in moto itself, for it is asked hundreds of times."""
    tables = dynamodb_backends["123456789012"]["eu-central-1"].tables
    queues = sqs_backends["123456789012"]["eu-central-1"].queues
    items = {name: sorted(str(item.to_json()) for item in table.all_items()) for name, table in tables.items()}
    return items | {name: len(queue._messages) for name, queue in queues.items()}


def problem_of(answer: dict[str, Any], request: Request) -> dict[str, Any]:
    """The problem, once it is found to be one that a stranger can read and learns nothing from."""
    where = f"{request.method} {request.path[:80]} {request.place[:80]!r} {answer['statusCode']} {answer['body'][:500]}"
    assert 400 <= answer["statusCode"] < 500, where
    assert answer["multiValueHeaders"]["Content-Type"] == ["application/problem+json"], where
    problem: dict[str, Any] = json.loads(answer["body"])
    assert problem["status"] == answer["statusCode"] == DOCUMENTED[problem["id"]], where
    assert re.fullmatch(r".+\.", problem["detail"]), where
    assert not OUR_OWN_BUSINESS.search(answer["body"]), where
    assert len(answer["body"]) < 50_000, where
    is_about_the_whole = request.path.startswith(("/signals", "/sources/"))  # a signal, or somebody else's webhook
    for error in problem.get("errors", ()):
        assert error["msg"], where
        assert error["loc"] != [""], where
        assert error["loc"] or is_about_the_whole, where
    return problem


@pytest.fixture(scope="module", autouse=True)
def empty_queue_afterwards(aws: Aws) -> Iterator[None]:
    yield
    aws.take("Signals")


@pytest.fixture
def nothing_raw_is_logged(aws: Aws) -> Iterator[None]:
    with aws.log_of("api") as api, aws.log_of("ingest") as ingest:
        yield
    for log in (api.getvalue(), ingest.getvalue()):
        assert MARK not in log
        assert "X-Injected" not in log


@pytest.fixture
def refused(aws: Aws) -> Iterator[Refused]:
    """Asks, and expects a problem. From the first request on nothing is written."""
    before: dict[str, Any] = {}

    def ask(bad: Request) -> dict[str, Any]:
        before.update({} if before else contents())
        return problem_of(bad.ask(aws), bad)

    yield ask
    assert not before or contents() == before


@of(ROUTES)
def test_every_route_has_a_request_that_it_takes(aws: Aws, route: Route) -> None:
    answer = bad_input.good(aws, route).ask(aws)
    assert answer["statusCode"] in (200, 201, 202, 204), answer["body"]


# ── Bodies ──

# Where the body may be left out.
NO_BODY = {
    ("POST", "/{operational_endpoint_id}/secret/rotate"): ("empty", "null"),
    ("POST", "/events/{event_id}/resend"): ("empty", "null"),
}


@of(WITH_BODY)
def test_what_is_no_object_of_json_is_refused(aws: Aws, refused: Refused, route: Route) -> None:
    request = bad_input.good(aws, route)
    for name, body in bad_input.NO_JSON.items():
        if name not in NO_BODY.get(route, ()):
            bad = replace(request, body=body, headers={"Idempotency-Key": MARK}, place=name)
            assert refused(bad)["status"] == 422


@of(WITH_BODY)
def test_a_list_of_one_good_object_is_no_object(aws: Aws, refused: Refused, route: Route) -> None:
    request = bad_input.good(aws, route)
    refused(replace(request, body=f" [{request.body!s}]"))


@of(WITH_BODY)
def test_another_media_type_than_json_is_a_415(aws: Aws, refused: Refused, route: Route) -> None:
    request = bad_input.good(aws, route)
    requests = [replace(request, headers={"Content-Type": name}, place=name) for name in bad_input.MEDIA_TYPES]
    if route in OF_ANY_MEDIA_TYPE:  # there a body is JSON, whatever it is called, or it is refused as none
        assert {bad.ask(aws)["statusCode"] for bad in requests} <= {202, 422}
        return
    for bad in requests:
        assert refused(bad)["status"] == 415


@of(WITH_BODY)
def test_json_is_taken_under_its_names_and_under_none(aws: Aws, route: Route) -> None:
    names = ["application/json", "Application/JSON", "application/json; charset=UTF-8", ""]
    names += ['application/json;charset="utf-8"', "APPLICATION/JSON;Charset=Utf-8"]
    for name in [*names, "application/merge-patch+json"] if route[0] == "PATCH" else names:
        request = replace(bad_input.good(aws, route), headers={"Content-Type": name})
        assert request.ask(aws)["statusCode"] in (200, 201, 202), name


# What is accepted of the bad values, since it does no harm: a text for people is data, which stands in JSON only;
# what is in a range is a number, however it is written; and signals may hold fields that nobody knows.
_T = "(NUL|an escape sequence|CR LF)"
_E = "(NUL|an escape sequence|CR LF|nothing)"
_N = "(an unknown name|NUL in a name|CR LF in a name)"
_M = "(an unknown name|half a pair for a name|NUL in a name|CR LF in a name|a name of a megabyte|20,000 names)"
_INTEGERS = r"(1\.0|-0|-1|2\*\*63|2\*\*1000)"
_ENDPOINT = rf"description: {_E}|headers\.X-Token: nothing|metadata: (NUL|CR LF) in a name|metadata\.team: {_E}"
HARMLESS = {
    ("POST", "/"): _ENDPOINT,
    ("PUT", "/{operational_endpoint_id}"): _ENDPOINT,
    ("PATCH", "/{operational_endpoint_id}"): _ENDPOINT,
    ("POST", "/{operational_endpoint_id}/secret/rotate"): "grace_period_seconds: -0",
    ("POST", "/{operational_endpoint_id}/replay"): "",
    ("POST", "/events/{event_id}/resend"): "",
    ("POST", "/event_types/{name}"): rf"description: {_T}|schema(\.properties\.days)?: (an object|{_N})"
    rf"|schema\.properties: an object|schema\.properties\.days: a bool|example: (an object|{_N})"
    rf"|example\.days: {_INTEGERS}",
    ("POST", "/events"): rf"data: (an object|{_N})|data\.days: {_INTEGERS}|(dedup_key|summary): {_T}",
    ("POST", "/filters/test"): "",
    ("POST", "/monitored_endpoints/{endpoint_id}/mute"): f"reason: {_T}",
    ("PUT", "/policies/{application_id}"): r"opens_at_share: 1\.0",
    ("POST", "/signals"): rf"(signals\.\d)?: {_M}|signals\.0\.duration_ms: -0"
    rf"|signals\.1\.(description|labels\.tier|actor|reason): {_E}"
    r"|signals\.1\.labels: (NUL|CR LF) in a name|signals\.1\.changes: (an object|deep objects)"
    rf"|signals\.1\.changes\.url: (an object|deep objects|{_M})"
    rf"|signals\.1\.changes\.url\.(from|to): ({_E}|a number|a bool|an array|an object)",
    ("POST", "/sources"): "secret: CR LF",
    ("POST", "/sources/{source_id}"): rf"(target)?: {_M}|is_enabled: (1\.0|-0)"
    rf"|(event_types\.0|description|labels\.tier): {_E}|labels: (NUL|CR LF) in a name",
    ("POST", "/keys"): f"description: {_E}",
}


@of(WITH_BODY)
def test_a_bad_value_is_refused_with_its_place(aws: Aws, refused: Refused, route: Route) -> None:
    request, harmless = bad_input.good(aws, route), re.compile(HARMLESS[route])
    for bad in bad_input.with_bad_values(request):
        if not harmless.fullmatch(bad.place):
            refused(bad)


@of(WITH_BODY)
def test_what_does_no_harm_is_accepted_and_not_logged(aws: Aws, route: Route) -> None:
    request, harmless = bad_input.good(aws, route), re.compile(HARMLESS[route])
    for bad in bad_input.with_bad_values(request):
        if harmless.fullmatch(bad.place):
            assert bad.ask(aws)["statusCode"] in (200, 201, 202), bad.place


@of(WITH_BODY)
def test_of_two_members_of_one_name_the_last_counts(aws: Aws, refused: Refused, route: Route) -> None:
    """RFC 8259 §4 leaves it open. What is checked is what is used."""
    request = bad_input.good(aws, route)
    name, members = next(iter(json.loads(request.content))), request.content.decode()[1:-1]
    assert replace(request, body=f'{{"{name}": {{}}, {members}}}').ask(aws)["statusCode"] in (200, 201, 202)
    refused(replace(request, body=f'{{{members}, "{name}": {{}}}}'))


def test_base64_that_is_none_is_refused(aws: Aws) -> None:
    for route in WITH_BODY:
        if route not in OF_ANY_MEDIA_TYPE:
            event = aws.sample("api") | {"httpMethod": route[0], "path": BASE + route[1], "body": "é%"}
            answer = aws.invoke("api", event | {"isBase64Encoded": True})
            assert problem_of(answer, Request(*route))["status"] in (404, 422)


# ── gzip, of /signals ──


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        pytest.param(b"\x1f\x8b", "gzip", 422, id="its first two bytes"),
        pytest.param(gzip.compress(b"{}")[:-1], "gzip", 422, id="cut off"),
        pytest.param(gzip.compress(b"{}")[:-8] + bytes(8), "gzip", 422, id="a wrong sum"),
        pytest.param(gzip.compress(b"{}") * 2, "gzip", 422, id="two members"),
        pytest.param(gzip.compress(gzip.compress(b"{}")), "gzip", 422, id="gzip in gzip"),
        pytest.param(b"{}", "gzip, gzip", 415, id="twice"),
        pytest.param(b"{}", "br", 415, id="brotli"),
        pytest.param(b"{}", f"{MARK}\r\nX-Injected: yes", 415, id="a header in a header"),
    ],
)
def test_gzip_that_is_broken_is_refused(aws: Aws, refused: Refused, body: bytes, encoding: str, status: int) -> None:
    request = bad_input.good(aws, ("POST", "/signals"))
    problem = refused(replace(request, body=body, headers={"Content-Encoding": encoding}))
    assert problem["status"] == status


def test_a_gigabyte_in_a_megabyte_is_a_413_and_is_not_inflated(aws: Aws) -> None:
    request, before = bad_input.good(aws, ("POST", "/signals")), contents()
    bomb = replace(request, body=bad_input.gzip_bomb(), headers={"Content-Encoding": "gzip"})
    tracemalloc.start()
    answer = bomb.ask(aws)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(bomb.content) < 1_100_000
    assert problem_of(answer, bomb)["id"] == "too_large"
    assert peak < 20_000_000
    assert contents() == before


# ── Ids, parameters and headers ──

# Whatever is an id to a platform is one here; nothing need be known of it.
OF_ANY_ID = {
    ("POST", "/monitored_endpoints/{endpoint_id}/mute"),
    ("GET", "/policies/{application_id}"),
    ("PUT", "/policies/{application_id}"),
    ("DELETE", "/applications/{application_id}"),
    ("GET", "/applications/{application_id}/export"),
}


@of(route for route in ROUTES if "{" in route[1])
def test_an_id_that_is_none_is_refused(aws: Aws, refused: Refused, route: Route) -> None:
    request = bad_input.good(aws, route)
    before, _, after = route[1].partition("{")
    for id_ in bad_input.IDS:
        if route not in OF_ANY_ID or id_ not in bad_input.IDS_OF_SOMEBODY:
            path = before + id_ + after.partition("}")[2]
            assert refused(replace(request, path=path))["status"] in (401, 404, 422)


def parameters(aws: Aws) -> dict[Route, list[str]]:
    """What the routes take in the query, by their signatures."""
    app = aws.function("api").app
    return {
        (route.method, route.openapi_path): [parameter.alias for parameter in route.dependant.query_params]
        for route in [*app._static_routes, *app._dynamic_routes]
    }


# Where a page may be longer than a list's.
LONGER = {(("GET", "/applications/{application_id}/export"), "101")}


@of(route for route in ROUTES if route[0] in ("GET", "DELETE") and route[1] != "/health")
def test_a_bad_parameter_is_refused(aws: Aws, refused: Refused, route: Route) -> None:
    request = bad_input.good(aws, route)
    for name in parameters(aws)[route]:
        for value in bad_input.PARAMETERS.get(name, ()):
            if (route, value) in LONGER:
                continue
            problem = refused(replace(request, query=request.query | {name: value}, place=f"{name}={value!r}"))
            assert problem["status"] == 422
        twice: dict[str, str | list[str]] = {name: ["1", "2"]}
        assert refused(replace(request, query=request.query | twice))["status"] == 422


@pytest.mark.parametrize(
    "query", [{"until": "0001-01-01T00:00:00Z"}, {"until": "9999-12-31T22:30:00Z", "granularity": "day"}], ids=str
)
def test_statistics_of_the_ends_of_time_are_refused(aws: Aws, refused: Refused, query: dict[str, Any]) -> None:
    request = bad_input.good(aws, ("GET", "/stats"))
    assert refused(replace(request, query=request.query | query))["errors"][0]["loc"] == ["until"]


@of(route for route in ROUTES if route[0] == "GET" and route[1] != "/health")
def test_a_parameter_that_names_nothing_finds_nothing_and_one_that_is_unknown_is_ignored(
    aws: Aws, route: Route
) -> None:
    request = bad_input.good(aws, route)
    before = contents()
    for name in parameters(aws)[route]:
        for value in bad_input.TEXT_PARAMETERS if name not in bad_input.PARAMETERS else ():
            odd = replace(request, query=request.query | {name: value}, place=f"{name}={value!r}")
            answer = odd.ask(aws)
            if answer["statusCode"] != 200:
                problem_of(answer, odd)
    assert replace(request, query=request.query | {MARK: "\r\nX-Injected: yes"}).ask(aws)["statusCode"] == 200
    assert contents() | {"Audit": before["Audit"]} == before  # who reads a secret is put on record


@of(route for route in roles.NEEDS if route[0] == "POST")
def test_an_idempotency_key_that_is_none_is_refused(aws: Aws, refused: Refused, route: Route) -> None:
    request = bad_input.good(aws, route)
    for key in bad_input.IDEMPOTENCY_KEYS:
        assert refused(replace(request, headers={"Idempotency-Key": key}))["status"] == 422


@of(route for route in ROUTES if route[1] == "/{operational_endpoint_id}" and route[0] != "GET")
def test_an_if_match_that_is_none_is_refused(aws: Aws, refused: Refused, route: Route) -> None:
    request = bad_input.good(aws, route)
    for tag in bad_input.ETAGS:
        assert refused(replace(request, headers={"If-Match": tag}))["status"] in (412, 422)
