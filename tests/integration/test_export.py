"""GET /applications/{application_id}/export."""

import json
import os
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from hookwatch import event_items, tables, times
from hookwatch.access import api_keys
from hookwatch.operational_events import OperationalEvent
from tests.in_process import everything
from tests.in_process.api import BASE, ask, call
from tests.in_process.auditing import BY_A_TEST
from tests.in_process.aws import ROOT, Aws
from tests.in_process.erasing import delete_and_erase
from tests.in_process.everything import Everything
from tests.in_process.signals import created, messages, unique
from tests.integration.test_observer import observe
from tests.integration.test_receiving_docs import blocks
from tests.local_cloud.receiver import Receiver

Line = dict[str, Any]
ORDER = (
    *("policy", "mute", "event_type", "source", "key", "operational_endpoint", "monitored_endpoint"),
    *("stats", "event", "attempt", "replay", "audit"),
)
LAMBDA_ANSWERS_WITH = 6_291_556  # bytes (Lambda quotas)


@pytest.fixture(scope="module")
def shop(aws: Aws) -> Iterator[Everything]:
    """Beside another application with the same endpoints."""
    aws.forget_what_is_under_way()
    shop, other = unique("shop"), unique("other")
    with Receiver() as receiver:
        everything.fill(aws, other, receiver.url, shared_with=shop)
        yield everything.fill(aws, shop, receiver.url, shared_with=other)
    for application_id in (shop, other):  # other tests scan the tables
        delete_and_erase(aws, application_id)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/applications/{shop}/export", {}),
        ("/events", {"application_id": "{shop}"}),
        ("/events", {"application_id": "*"}),
    ],
)
def test_an_event_that_cannot_be_read_hides_no_other(aws: Aws, path: str, query: dict[str, str]) -> None:
    shop = unique("shop")
    observe(aws, *messages(shop, created("erp")), *messages(shop, created("crm")))
    erp, crm = tables.OperationalEvent.by_application.query(shop)
    erp.update([tables.OperationalEvent.data.set("{")])
    of_shop = {name: value.format(shop=shop) for name, value in query.items()}
    status, answer = call(aws, "GET", path.format(shop=shop), **of_shop)
    erp.delete()  # other tests count what cannot be read
    listed = [line.get("item", line).get("event_id") for line in answer["data"]]
    assert (status, crm.event_id in listed, erp.event_id in listed) == (200, True, False)


def pages(aws: Aws, application_id: str, **arguments: Any) -> Iterator[list[Line]]:
    cursor: dict[str, str] = {}
    while True:
        status, page = call(aws, "GET", f"/applications/{application_id}/export", **arguments, **cursor)
        assert status == 200, page
        yield page["data"]
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


def export(aws: Aws, application_id: str, **arguments: Any) -> list[Line]:
    return [line for page in pages(aws, application_id, **arguments) for line in page]


def listed(aws: Aws, path: str, **query: str) -> list[Line]:
    status, page = call(aws, "GET", path, **query)
    assert status == 200
    assert page["next_cursor"] is None
    found: list[Line] = page["data"]
    return found


def as_elsewhere(aws: Aws, found: Everything) -> Iterator[tuple[str, Line]]:
    """Everything of an application, as the other routes show it."""
    shop = {"application_id": found.application_id}
    query = shop | {"limit": "100"}
    yield "policy", call(aws, "GET", f"/policies/{found.application_id}")[1]
    yield "mute", {"endpoint_id": "crm"} | call(aws, "GET", "/monitored_endpoints/crm/mute", **shop)[1]
    yield "event_type", call(aws, "GET", f"/event_types/{everything.TYPE}", **shop)[1]
    for id_ in found.ids:
        for kind, path in (("source", "/sources"), ("key", "/keys"), ("replay", "/replays")):
            status, item = call(aws, "GET", f"{path}/{id_}")
            if status == 200:
                yield kind, item
    own = list(listed(aws, "/", **query))
    for endpoint in own:
        yield "operational_endpoint", endpoint
        for attempt in listed(aws, f"/{endpoint['operational_endpoint_id']}/attempts", limit="100"):
            if attempt["event_id"] is None:  # of a batch: once, whatever its events
                yield "attempt", attempt
    for endpoint in listed(aws, "/monitored_endpoints", **query):
        yield "monitored_endpoint", endpoint
        since = {"since": "2026-11-01T00:00:00Z"}
        hours = call(aws, "GET", "/stats", **shop, **since, endpoint_id=endpoint["endpoint_id"])[1]["data"]
        yield from (("stats", hour) for hour in hours)
    for event in listed(aws, "/events", **query):
        yield "event", event
        for attempt in listed(aws, f"/events/{event['event_id']}/attempts", limit="100"):
            is_own = attempt["operational_endpoint_id"] in {each["operational_endpoint_id"] for each in own}
            if attempt["webhook_id"] == event["event_id"] or not is_own:
                yield "attempt", attempt
    for item in listed(aws, "/audit", **query):
        yield "audit", item


def texts(lines: Iterator[tuple[str, Line]]) -> Counter[str]:
    return Counter(json.dumps([kind, item], sort_keys=True) for kind, item in lines)


def kinds_and_items(lines: list[Line]) -> Iterator[tuple[str, Line]]:
    return ((line["kind"], line["item"]) for line in lines)


@pytest.mark.parametrize("limit", ["1", "2", "7", "1000"])
def test_everything_is_in_it_once_as_the_other_routes_show_it_whatever_the_pages(
    aws: Aws, shop: Everything, limit: str
) -> None:
    lines = export(aws, shop.application_id, limit=limit)
    expected = texts(as_elsewhere(aws, shop))
    assert set(expected.values()) == {1}
    assert texts(kinds_and_items(lines)) == expected
    order = [ORDER.index(line["kind"]) for line in lines]
    assert order == sorted(order)
    assert set(order) == set(range(len(ORDER)))
    for page in pages(aws, shop.application_id, limit=limit):
        assert len(page) <= int(limit)
        assert page or limit != "1000"


def test_a_page_that_takes_long_ends_early_and_the_next_goes_on(
    aws: Aws, shop: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = export(aws, shop.application_id, limit="1000")
    monkeypatch.setattr("hookwatch.api.applications._ENDS_BEFORE_MS", 60_000)  # more than the function has
    found = list(pages(aws, shop.application_id, limit="1000"))
    assert max(map(len, found)) == 1
    assert [] in found
    assert [line for page in found for line in page] == at_once


def test_it_has_nothing_of_another_application_and_no_secret(aws: Aws, shop: Everything) -> None:
    lines = export(aws, shop.application_id, limit="1000")
    text = json.dumps(lines)
    others = {
        whose
        for item in aws.items("OperationalEndpoint")
        if (whose := item["application_id"]["S"]) not in ("*", shop.application_id)
    }
    assert len(others) > 0
    assert not [other for other in others if f'"{other}"' in text]
    secrets = [endpoint["item"] for endpoint in lines if endpoint["kind"] == "operational_endpoint"]
    signing = [call(aws, "GET", f"/{each['operational_endpoint_id']}/secret")[1]["secret"] for each in secrets]
    hashes = [item["secret_hash"]["S"] for item in aws.items("ApiKey")]
    assert not [
        secret for secret in (*signing, *hashes, everything.SECRET, everything.ROUTING_KEY, "a-value") if secret in text
    ]
    assert shop.shared_key not in json.dumps([line for line in lines if line["kind"] != "audit"])


def test_a_key_of_the_application_does_not_see_what_went_to_operational_endpoints_of_every_one(
    aws: Aws, shop: Everything
) -> None:
    of_all = export(aws, shop.application_id, limit="1000")
    own = export(aws, shop.application_id, limit="1000", applications=shop.application_id)
    its_own = {line["item"]["operational_endpoint_id"] for line in own if line["kind"] == "operational_endpoint"}
    hidden = [line for line in of_all if line not in own]
    assert {line["kind"] for line in hidden} == {"attempt"}
    assert its_own.isdisjoint(line["item"]["operational_endpoint_id"] for line in hidden)
    assert {line["item"]["operational_endpoint_id"] for line in own if line["kind"] == "attempt"} == its_own


def test_what_has_expired_is_left_out_though_dynamodb_still_has_it(aws: Aws) -> None:
    shop, past = unique("shop"), int(times.now().timestamp()) - 1
    event_id = store(shop, "n")
    tables.OperationalEvent(event_id).update(actions=[tables.OperationalEvent.expires_at.set(past)])
    key, _ = api_keys.new(unique("k"), "viewer", [shop], "", "key:admin")
    assert api_keys.create(key, BY_A_TEST)
    tables.ApiKey(key.key_id).update(actions=[tables.ApiKey.expires_at.set(past)])
    assert [line["kind"] for line in export(aws, shop)] == ["policy"]


def test_attempts_of_an_event_that_has_expired_are_in_it(aws: Aws) -> None:
    shop = unique("shop")
    with Receiver() as receiver:
        everything.fill(aws, shop, receiver.url, shared_with=unique("other"))
    before = [line for line in export(aws, shop, applications=shop, limit="1000") if line["kind"] == "attempt"]
    for item in tables.OperationalEvent.by_application.query(shop):
        item.delete()
    after = [line for line in export(aws, shop, applications=shop, limit="1000") if line["kind"] == "attempt"]
    assert after == before != []
    delete_and_erase(aws, shop)


def test_of_an_application_of_which_nothing_is_known_there_is_the_policy(aws: Aws) -> None:
    assert [line["kind"] for line in export(aws, unique("shop"))] == ["policy"]


# ── Cursors ──


def test_a_cursor_goes_on_for_its_own_key_and_application(aws: Aws, shop: Everything) -> None:
    path = f"/applications/{shop.application_id}/export"
    cursor = call(aws, "GET", path, limit="3")[1]["next_cursor"]
    assert call(aws, "GET", path, limit="5", cursor=cursor)[0] == 200
    for changed in ({"key_id": "k2"}, {"since": "x"}):
        status, problem = call(aws, "GET", path, cursor=cursor, **changed)
        assert (status, problem["errors"][0]["loc"]) == (422, ["cursor"])
    assert call(aws, "GET", "/applications/another/export", cursor=cursor)[0] == 422


def test_a_cursor_of_a_kind_that_there_is_no_more_ends_nothing_silently(
    aws: Aws, shop: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/applications/{shop.application_id}/export"
    cursor = call(aws, "GET", path, limit="1")[1]["next_cursor"]
    monkeypatch.setattr("hookwatch.api.exports.KINDS", {})
    assert call(aws, "GET", path, cursor=cursor)[0] == 422


def test_the_longest_ids_fit_into_a_cursor(aws: Aws) -> None:
    shop, endpoint_id = unique("s" * 240), "\\" * 255
    observe(aws, *messages(shop, created(endpoint_id + "a"), created(endpoint_id + "b")))
    path = f"/applications/{shop}/export"
    for kind in ("monitored_endpoint", "event"):
        query: dict[str, Any] = {"limit": "1"}
        while (page := call(aws, "GET", path, **query)[1])["data"][0]["kind"] != kind:
            query["cursor"] = page["next_cursor"]
        assert call(aws, "GET", path, limit="1", cursor=page["next_cursor"])[1]["data"][0]["kind"] == kind


# ── Sizes ──


def store(shop: str, text: str) -> str:
    event = OperationalEvent(
        event_id=unique("evt"),
        application_id=shop,
        type="invoice.overdue",
        timestamp=times.now(),
        data={"summary": "x", "severity": "info", "custom": {"text": text}},
    )
    assert event_items.create(event, retention_days=1)
    return event.event_id


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x" * 390_000, id="390 KB of letters"),
        pytest.param('"' * 195_000, id="of quotes"),
        pytest.param("é" * 195_000, id="of letters beyond ASCII"),
        pytest.param("\u0001" * 65_000, id="of control characters"),
    ],
)
def test_an_answer_is_never_more_than_a_function_may_answer_with(aws: Aws, text: str) -> None:
    shop, query = unique("shop"), dict[str, Any](limit="1000")
    ids, found = [store(shop, text) for _ in range(16)], list[str]()
    number = 0
    while True:
        answer = ask(aws, "GET", f"/applications/{shop}/export", **query)
        assert len(json.dumps(answer)) < LAMBDA_ANSWERS_WITH
        page, number = json.loads(answer["body"]), number + 1
        found += [line["item"]["event_id"] for line in page["data"] if line["kind"] == "event"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    for event_id in ids:  # other tests scan the table
        tables.OperationalEvent(event_id).delete()
    assert sorted(found) == sorted(ids)
    assert number > 1


# ── docs/api.md ──


class Bridge:
    """The api function behind a port of 127.0.0.1, as API Gateway has it."""

    def __init__(self, aws: Aws) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query: dict[str, Any] = dict(parse_qsl(parts.query))
                answer = ask(aws, "GET", parts.path.removeprefix(BASE), **query)
                self.send_response(answer["statusCode"])
                self.end_headers()
                self.wfile.write(answer["body"].encode())

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{BASE}"

    def __enter__(self) -> "Bridge":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


LOOP = blocks((ROOT / "docs/api.md").read_text())["Everything of an application: sh 1"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="the document's loop asks with curl")
def test_the_loop_of_the_document_saves_every_line(aws: Aws, shop: Everything, tmp_path: Path) -> None:
    (tmp_path / "headers").write_text("Content-Type: application/json\n")
    loop = LOOP.replace("/shop/", f"/{shop.application_id}/").replace("limit=1000", "limit=9")
    with Bridge(aws) as bridge:
        environment = os.environ | {"URL": bridge.url, "no_proxy": "127.0.0.1"}
        done = subprocess.run(["sh", "-c", loop], cwd=tmp_path, env=environment, check=True, capture_output=True)
        assert done.stderr == b""
        saved = [json.loads(line) for line in (tmp_path / "shop.ndjson").read_text().splitlines()]
        assert saved == export(aws, shop.application_id)
        # Where an answer is none, it ends, and says so.
        stopped = subprocess.run(
            ["sh", "-c", LOOP.replace("/shop/", "/*/")], cwd=tmp_path, env=environment, check=False, capture_output=True
        )
    assert b"422" in stopped.stderr
