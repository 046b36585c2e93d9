"""Every block of code in docs/receiving.md does what the document says."""

import importlib.util
import ipaddress
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest

from hookwatch.catalogue import CATALOGUE
from hookwatch.notifying import formats, predicates, signing
from hookwatch.notifying.endpoints import HIDDEN, Batching
from hookwatch.notifying.formats import FORMATS
from hookwatch.notifying.matching import PRESETS
from hookwatch.notifying.retry import Responded
from hookwatch.notifying.sender import Sender
from tests.in_process.api import call
from tests.in_process.aws import ROOT, Aws
from tests.in_process.batches import deliveries, emit, happen, wake, woken_up
from tests.in_process.deliveries import deliver, owed, record, register_receiver
from tests.in_process.signals import unique
from tests.interop import run_in_node
from tests.local_cloud.receiver import Receiver

SECRET, OTHER = signing.to_secret(b"s" * 32), signing.to_secret(b"o" * 32)
DOCUMENT = (ROOT / "docs/receiving.md").read_text()


def blocks(document: str) -> dict[str, str]:
    """The fenced blocks, by the heading above, their language and their number below that heading."""
    found: dict[str, str] = {}
    numbers: Counter[str] = Counter()
    heading = ""
    heading_or_block = r"^#+ (?P<heading>[^\n]+)$|^```(?P<language>\w*)\n(?P<code>.*?)^```$"
    for match in re.finditer(heading_or_block, document, re.M | re.S):
        if match["heading"]:
            heading = match["heading"]
        else:
            name = f"{heading}: {match['language']}"
            numbers[name] += 1
            found[f"{name} {numbers[name]}"] = match["code"]
    return found


BLOCKS = blocks(DOCUMENT)
HAVE_A_TEST: set[str] = set()
BUILT_IN = re.compile("|".join(re.escape(name) for name in CATALOGUE))


def block(name: str) -> str:
    """For a test that runs it."""
    HAVE_A_TEST.add(name)
    return BLOCKS[name]


ON_THE_WIRE = block("What arrives: http 1")
FILTERS = block("Choose what arrives:  1")
FILTER_TEST, OF_FILTER_TEST = block("Choose what arrives: json 1"), block("Choose what arrives: json 2")
BY_STANDARDWEBHOOKS = block("Verify: python 1")
BY_SVIX = block("Verify: python 2")
BY_HAND = block("Verify: python 3")
IN_NODE = block("Verify: js 1")
KEEP = block("Keep each event once: python 1")
RECEIVER = block("Answer fast: python 1")
REGISTRATIONS = [block("Formats: sh 1"), block("pagerduty: sh 1"), block("Batches: sh 1")]
BATCH = block("Batches: json 1")
IN_FORMATS = {name: block(f"{name}: json 1") for name in FORMATS if name != formats.STANDARD}
IS_OPEN = block("Incidents and order: python 1")


def test_every_block_has_a_test() -> None:
    assert DOCUMENT.count("\n```") == 2 * len(BLOCKS)
    assert set(BLOCKS) == HAVE_A_TEST


def imported(code: str, folder: Path) -> ModuleType:
    path = folder / "receiver.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location("receiver", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ── what arrives ──


def test_the_post_on_the_wire_is_the_catalogues_example_and_its_signature_is_right() -> None:
    head, body = ON_THE_WIRE.removesuffix("\n").split("\n\n")
    headers = dict(line.split(": ") for line in head.split("\n")[1:])
    event = json.loads(body)
    event_type = CATALOGUE[event["type"]]
    jsonschema.Draft202012Validator(event_type.schema).validate(event)
    assert body == json.dumps(event_type.example, separators=(",", ":"), ensure_ascii=False)
    assert headers["Content-Length"] == str(len(body.encode()))
    secrets = re.findall(r"whsec_[\w+/=]+", DOCUMENT)
    posted_at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    assert signing.headers(secrets, headers["webhook-id"], posted_at, body).items() <= headers.items()


def test_the_post_on_the_wire_has_the_headers_of_a_delivery(aws: Aws) -> None:
    with Receiver() as receiver:
        deliver(aws, record(owed(register_receiver(aws, receiver))))
    [receipt] = receiver.receipts
    shown = dict(line.split(": ") for line in ON_THE_WIRE.split("\n\n")[0].lower().split("\n")[1:])
    assert shown.keys() <= receipt.headers.keys()
    assert shown["content-type"] == receipt.headers["content-type"]
    assert shown["user-agent"].partition("/")[0] == receipt.headers["user-agent"].lower().partition("/")[0]


# ── formats ──


@pytest.mark.parametrize("code", REGISTRATIONS)
def test_an_operational_endpoint_is_made_as_shown(aws: Aws, code: str) -> None:
    body = code.partition("-d '")[2].partition("'")[0]
    status, made = call(aws, "POST", "/", body)
    asked = {**json.loads(body), **({"routing_key": HIDDEN} if "routing_key" in body else {})}
    assert (status, {name: made[name] for name in asked}) == (201, asked)
    call(aws, "DELETE", f"/{made['operational_endpoint_id']}")


def test_a_batch_has_the_fields_that_are_shown(aws: Aws, receiver: Receiver) -> None:
    aws.renew("Batches", "Deliveries")
    shop = unique("shop")
    register_receiver(aws, receiver, application_id=shop, batch=Batching(2, timedelta(minutes=1)))
    emit(aws, happen(shop, 2))
    wake(aws, *dict.fromkeys(batch_id for batch_id, _ in woken_up(aws)))
    [delivery] = deliveries(aws)
    posted, shown = json.loads(delivery.body), json.loads(BATCH)
    assert list(posted) == list(shown)
    assert [list(event) for event in posted["data"]] == [list(event) for event in shown["data"]]
    assert posted["type"] == shown["type"]


@pytest.mark.parametrize(("name", "code"), IN_FORMATS.items(), ids=list(IN_FORMATS))
def test_what_is_shown_of_a_format_is_the_catalogues_example_in_it(name: str, code: str) -> None:
    shown = json.loads(code)
    rendered = [
        formats.render(name, "evt_9b2f0c6d3e7a41d58d1f0a2b3c4d5e6f", CATALOGUE[told].example)
        for told in BUILT_IN.findall(code)
    ]
    assert shown in [json.loads(formats.finished(name, body, shown.get("routing_key"))) for body in rendered]


def test_the_table_of_formats_has_each_with_its_content_type() -> None:
    for name, each in FORMATS.items():
        assert re.search(rf"^\|[^|]*`{name}`[^|]*\| `{re.escape(each.content_type)}` \|", DOCUMENT, re.M)


# ── choose what arrives ──


def test_every_preset_is_listed_with_its_types() -> None:
    rows = re.findall(r"^\| `(incidents|changes|all)` \| (.*) \|$", DOCUMENT, re.M)
    assert {name: frozenset(re.findall(r"`([\w.]+)`", types)) for name, types in rows} == PRESETS


@pytest.mark.parametrize("text", FILTERS.splitlines())
def test_each_filter_matches_some_events_of_the_catalogue_and_fails_for_none(text: str) -> None:
    examples = [event_type.example for event_type in CATALOGUE.values()]
    of_one = {**CATALOGUE["endpoint.failing"].example}
    of_one["data"] = {**of_one["data"], "severity": "critical", "failed_5m": 101}
    outcomes = [predicates.evaluate(text, example) for example in (*examples, of_one)]
    assert [outcome.error for outcome in outcomes] == [None] * len(outcomes)
    assert {outcome.matches for outcome in outcomes} == {True, False}


def test_a_filter_is_tested_as_the_document_says(aws: Aws) -> None:
    assert call(aws, "POST", "/filters/test", json.loads(FILTER_TEST)) == (200, json.loads(OF_FILTER_TEST))


# ── verify ──

# (body, headers) → the event, or None, for each case.
Cases = Mapping[str, tuple[str, dict[str, str]]]
Events = dict[str, dict[str, Any] | None]
BODY = json.dumps(CATALOGUE["endpoint.failing"].example, ensure_ascii=False)


def in_python(code: str, cases: Cases, folder: Path) -> Events:
    event_of = imported(code, folder).event_of
    return {name: event_of(body.encode(), headers) for name, (body, headers) in cases.items()}


def in_node(code: str, cases: Cases, _folder: Path) -> Events:
    script = f"""{code}
const cases = JSON.parse(process.argv[2]);
for (const name in cases) cases[name] = [eventOf(...cases[name]), eventOf(Buffer.from(cases[name][0]), cases[name][1])];
console.log(JSON.stringify(cases));
"""
    answers: dict[str, list[dict[str, Any] | None]] = json.loads(run_in_node(script, json.dumps(cases)))
    assert all(of_text == of_buffer for of_text, of_buffer in answers.values())
    return {name: of_text for name, (of_text, _) in answers.items()}


@pytest.mark.parametrize(
    ("run", "code"),
    [
        pytest.param(in_python, BY_STANDARDWEBHOOKS, id="standardwebhooks"),
        pytest.param(in_python, BY_SVIX, id="svix"),
        pytest.param(in_python, BY_HAND, id="by hand"),
        pytest.param(in_node, IN_NODE, id="in Node"),
    ],
)
def test_a_verifier_takes_what_hookwatch_signed_and_nothing_else(
    run: Callable[[str, Cases, Path], Events], code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOKWATCH_SECRET", SECRET)
    now = datetime.now(UTC)

    def signed(*secrets: str, ago: timedelta = timedelta()) -> dict[str, str]:
        return signing.headers(secrets, "evt_1", now - ago, BODY)

    good = {
        "one signature": (BODY, signed(SECRET)),
        "the old secret of a rotation": (BODY, signed(OTHER, SECRET)),
        "the new secret of a rotation": (BODY, signed(SECRET, OTHER)),
        "four minutes old": (BODY, signed(SECRET, ago=timedelta(minutes=4))),
    }
    bad = {
        "a changed body": (BODY.replace("503", "200"), signed(SECRET)),
        "parsed and written again": (json.dumps(json.loads(BODY), sort_keys=True), signed(SECRET)),
        "another id": (BODY, signed(SECRET) | {"webhook-id": "evt_2"}),
        "another time": (BODY, signed(SECRET) | {"webhook-timestamp": str(int(now.timestamp()) - 1)}),
        "another secret": (BODY, signed(OTHER)),
        "six minutes old": (BODY, signed(SECRET, ago=timedelta(minutes=6))),
        "six minutes ahead": (BODY, signed(SECRET, ago=timedelta(minutes=-6))),
        "no headers": (BODY, {}),
        "no time": (BODY, signed(SECRET) | {"webhook-timestamp": "soon"}),
        "no signature": (BODY, signed(SECRET) | {"webhook-signature": ""}),
        "a signature that is none": (BODY, signed(SECRET) | {"webhook-signature": "v1 v1,é x"}),
        "a signature of another version": (BODY, signed(SECRET) | {"webhook-signature": "v2,AAAA"}),
    }
    events = run(code, good | bad, tmp_path)
    assert events == dict.fromkeys(good, json.loads(BODY)) | dict.fromkeys(bad)


# ── keep each event once ──


def test_a_second_event_of_the_same_id_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    keep = imported(KEEP, tmp_path).keep
    assert [keep(webhook_id, b"{}") for webhook_id in ("evt_1", "evt_1", "evt_2")] == [True, False, True]
    after_a_restart = imported(KEEP, tmp_path).keep
    assert [after_a_restart(webhook_id, b"{}") for webhook_id in ("evt_1", "evt_2", "evt_3")] == [False, False, True]


def test_of_copies_that_arrive_at_the_same_moment_one_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    keep = imported(KEEP, tmp_path).keep
    with ThreadPoolExecutor(8) as threads:
        kept = list(threads.map(lambda _: keep("evt_1", b"{}"), range(8)))
    assert sorted(kept) == [False] * 7 + [True]


# ── answer fast ──


@contextmanager
def started(code: str, folder: Path) -> Iterator[str]:
    """A program that listens on PORT of this machine; its URL. What it prints is in `folder`."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    (folder / "receiver.py").write_text(code)
    environment = os.environ | {"HOOKWATCH_SECRET": SECRET, "PORT": str(port)}
    with (
        (folder / "printed").open("wb") as printed,
        subprocess.Popen([sys.executable, "receiver.py"], cwd=folder, env=environment, stdout=printed) as program,
    ):
        try:
            wait_until(lambda: is_listening(port) or program.poll() is not None)
            assert program.poll() is None
            yield f"http://127.0.0.1:{port}/hookwatch"
        finally:
            program.terminate()


def is_listening(port: int) -> bool:
    with closing(socket.socket()) as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def wait_until(is_so: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < ends_at, "waited in vain"
        time.sleep(0.02)


def test_the_receiver_answers_keeps_and_deals_with_an_event_once(tmp_path: Path) -> None:
    sender = Sender((ipaddress.ip_network("127.0.0.0/8"),), allow_http=True)
    summary = CATALOGUE["endpoint.failing"].example["data"]["summary"]

    def post(url: str, webhook_id: str, secret: str = SECRET) -> int:
        outcome = sender.post(url, BODY, signing.headers([secret], webhook_id, datetime.now(UTC), BODY))
        assert isinstance(outcome, Responded)
        return outcome.status_code

    def are_done(number: int) -> bool:
        with closing(sqlite3.connect(tmp_path / "inbox.db")) as inbox:
            return bool(inbox.execute("SELECT count(done_at) FROM inbox").fetchone() == (number,))

    with started("\n\n".join((BY_HAND, KEEP, RECEIVER)), tmp_path) as url:
        assert [post(url, "evt_1"), post(url, "evt_1"), post(url, "evt_2", OTHER)] == [204, 204, 401]
        wait_until(lambda: are_done(1))
        assert [post(url, "evt_1"), post(url, "evt_3")] == [204, 204]
        wait_until(lambda: are_done(2))
    assert (tmp_path / "printed").read_text().splitlines() == [summary, summary]


# ── incidents and order ──


@pytest.mark.parametrize(
    ("arriving", "expected"),
    [
        ([("endpoint.failing", 1), ("endpoint.recovered", 2)], [True, False]),
        ([("endpoint.recovered", 2), ("endpoint.failing", 1)], [False, False]),
        ([("endpoint.recovered", 3), ("endpoint.failing", 1), ("endpoint.warning", 2)], [False, False, False]),
        ([("endpoint.failing", 1), ("endpoint.failing", 4), ("endpoint.recovered", 3)], [True, True, True]),
        ([("application.recovered", 9), ("application.degraded", 8)], [False, False]),
    ],
    ids=["in order", "turned round", "a warning comes last", "it has reopened", "of an application"],
)
def test_an_incident_is_open_or_closed_in_whatever_order_its_events_arrive(
    arriving: list[tuple[str, int]], expected: list[bool], tmp_path: Path
) -> None:
    is_open = imported(IS_OPEN, tmp_path).is_open
    events = [
        {**(example := CATALOGUE[event_type].example), "data": {**example["data"], "sequence": sequence}}
        for event_type, sequence in arriving
    ]
    assert [is_open(event) for event in events] == expected
    alarm = CATALOGUE["alarm.state_changed"].example
    closed = {**alarm, "data": {**alarm["data"], "state": "OK", "sequence": alarm["data"]["sequence"] + 1}}
    assert [is_open(event) for event in (alarm, closed, alarm)] == [True, False, False]
    other = CATALOGUE["endpoint.failing"].example
    assert is_open({**other, "data": {**other["data"], "dedup_key": "inc_other", "sequence": 1}})
