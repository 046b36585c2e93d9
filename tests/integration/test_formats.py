"""A format, from the API to the POST: what each receiver gets, and that nobody sees its routing key."""

import json
import threading
from copy import deepcopy
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from hookwatch import times
from hookwatch.notifying.formats import FORMATS
from hookwatch.notifying.queue import Delivery
from hookwatch.notifying.signing import SealKeys
from tests.in_process.api import call
from tests.in_process.aws import SEAL_KEY, Aws
from tests.in_process.deliveries import HEADERS, attempts, deliver, record, register, register_receiver
from tests.in_process.signals import unique
from tests.integration.test_api import create, endpoint_body
from tests.integration.test_custom_events import stream_record
from tests.integration.test_metrics import Written, emitted
from tests.interop import read_by_svix
from tests.local_cloud.receiver import Receiver
from tests.unit.test_formats import SVIX, event, text

ROUTING_KEY, OTHER_KEY = "R0" * 16, "S1" * 16
PAGERDUTY = {"format": "pagerduty", "routing_key": ROUTING_KEY}


@pytest.fixture(autouse=True)
def empty_queues(aws: Aws) -> None:
    aws.renew("Deliveries", "Retries", "DeliveriesDeadLetters")


def emit(aws: Aws, shop: str, **fields: Any) -> list[tuple[Delivery, str]]:
    """What is on DELIVERIES then, and as it lies there. The event is the sample's: of a message that was exhausted."""
    stream = deepcopy(aws.sample("emitter")["Records"][0])
    event_id = {"S": unique("evt")}
    stream["dynamodb"]["Keys"]["event_id"] = event_id
    stream["dynamodb"]["NewImage"] |= {"event_id": event_id, "application_id": {"S": shop}, **fields}
    aws.invoke("emitter", {"Records": [stream]})
    return taken(aws)


def taken(aws: Aws) -> list[tuple[Delivery, str]]:
    bodies = [message["body"] for queue in ("Deliveries", "Retries") for message in aws.take(queue)]
    return [(msgspec.json.decode(body, type=Delivery), body) for body in bodies]


# ── from the stream to the receiver ──


@pytest.mark.parametrize("name", FORMATS)
def test_each_receiver_gets_its_format_signed_and_with_its_content_type(
    aws: Aws, receiver: Receiver, name: str
) -> None:
    shop = unique("shop")
    register_receiver(aws, receiver, application_id=shop, format=name, routing_key=ROUTING_KEY)
    [(delivery, queued)] = emit(aws, shop)
    assert ROUTING_KEY not in queued
    assert deliver(aws, record(queued)) == []
    [receipt] = receiver.receipts
    assert receipt.is_verified
    assert receipt.webhook_id == delivery.event_id
    assert receipt.headers["content-type"] == FORMATS[name].content_type
    assert receipt.headers["x-api-token"] == HEADERS["X-Api-Token"]
    assert receipt.body.pop("routing_key", None) == (ROUTING_KEY if name == "pagerduty" else None)
    assert receipt.body == json.loads(delivery.body)
    assert [attempt["status"] for attempt in attempts(aws, delivery)] == ["delivered"]


def test_one_event_is_told_to_several_in_the_format_of_each(aws: Aws, receiver: Receiver) -> None:
    shop = unique("shop")
    names = {register_receiver(aws, receiver, application_id=shop, format=name): name for name in [*FORMATS, *FORMATS]}
    owed = {delivery.operational_endpoint_id: delivery for delivery, _ in emit(aws, shop)}
    assert {endpoint: delivery.format for endpoint, delivery in owed.items()} == names
    assert len({delivery.body for delivery in owed.values()}) == len(FORMATS)


def test_what_was_rendered_in_one_format_is_posted_in_it_though_the_endpoint_has_another_by_now(
    aws: Aws, receiver: Receiver
) -> None:
    endpoint = create(aws, url=receiver.url, format="cloudevents")
    receiver.secret = endpoint["secret"]
    [(delivery, queued)] = emit(aws, endpoint["application_id"])
    path = f"/{endpoint['operational_endpoint_id']}"
    assert call(aws, "PATCH", path, {"format": "slack"})[0] == 200
    deliver(aws, record(queued, "Retries"))
    [receipt] = receiver.receipts
    assert receipt.headers["content-type"] == "application/cloudevents+json"
    assert receipt.body["id"] == delivery.event_id


def test_the_seal_covers_the_format_and_what_goes_with_it(aws: Aws, receiver: Receiver) -> None:
    shop = unique("shop")
    register_receiver(aws, receiver, application_id=shop, format="cloudevents")
    [(delivery, _)] = emit(aws, shop)
    assert delivery.is_sealed(SealKeys(SEAL_KEY))
    assert delivery.rendered
    forged = [
        replace(delivery, rendered=None),
        replace(delivery, application_id="", rendered=delivery.rendered),
        *(
            replace(delivery, rendered=replace(delivery.rendered, **other))
            for other in (
                {"format": "slack"},
                {"application_id": "another"},
                {"detected_at": times.now()},
                {"expires_at": times.now()},
            )
        ),
    ]
    assert deliver(aws, *map(record, forged)) == []
    assert receiver.receipts == []
    assert aws.waiting("DeliveriesDeadLetters") == len(forged)


def test_how_late_a_delivery_was_is_known_in_each_format(aws: Aws, receiver: Receiver, capsys: Written) -> None:
    detected_at = times.now() - timedelta(seconds=100)
    for name in FORMATS:
        shop = unique("shop")
        register_receiver(aws, receiver, application_id=shop, format=name)
        data = json.loads(aws.sample("emitter")["Records"][0]["dynamodb"]["NewImage"]["data"]["S"])
        data["detected_at"] = times.to_text(detected_at)
        [(_, queued)] = emit(aws, shop, data={"S": json.dumps(data)})
        emitted(capsys)
        deliver(aws, record(queued))
        [lag] = emitted(capsys)["DeliveryLag"]
        assert 100_000 <= lag < 200_000


@pytest.mark.parametrize("name", FORMATS)
def test_a_test_comes_in_the_format_of_its_endpoint(aws: Aws, receiver: Receiver, name: str) -> None:
    key = {"routing_key": ROUTING_KEY} if name == "pagerduty" else {}
    endpoint = create(aws, url=receiver.url, format=name, filter_types=["endpoint.failing"], **key)
    receiver.secret = endpoint["secret"]
    status, owed = call(aws, "POST", f"/{endpoint['operational_endpoint_id']}/test")
    assert status == 202
    aws.invoke("emitter", {"Records": [stream_record(aws, owed["event_id"])]})
    [(_, queued)] = taken(aws)
    assert deliver(aws, record(queued)) == []
    [receipt] = receiver.receipts
    assert receipt.is_verified
    assert receipt.headers["content-type"] == FORMATS[name].content_type


def test_the_routing_key_is_in_no_log_line(aws: Aws, receiver: Receiver, capsys: Written) -> None:
    shop = unique("shop")
    register_receiver(aws, receiver, application_id=shop, **PAGERDUTY)
    with aws.log_of("emitter") as emitter_log, aws.log_of("delivery") as delivery_log:
        [(_, queued)] = emit(aws, shop)
        deliver(aws, record(queued))
    assert len(receiver.receipts) == 1
    assert ROUTING_KEY not in emitter_log.getvalue() + delivery_log.getvalue() + capsys.readouterr().out


def test_a_receiver_that_repeats_what_it_was_told_gives_no_routing_key_away(aws: Aws) -> None:
    class Echo(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(400)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    shop = unique("shop")
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/v2/enqueue"
        name = register(aws, url, application_id=shop, **PAGERDUTY)
        [(_, queued)] = emit(aws, shop)
        deliver(aws, record(queued))
        server.shutdown()
    [attempt] = call(aws, "GET", f"/{name}/attempts")[1]["data"]
    assert (attempt["status"], attempt["response"][:20]) == ("retrying", '{"routing_key":"***"')
    assert ROUTING_KEY not in json.dumps(aws.items("OperationalAttempt"), default=str)


# ── Svix's own models ──


def test_svixs_models_read_each_of_its_events() -> None:
    told = sorted(SVIX - {"webhook.test"})
    bodies = [text("svix", event(name)) for name in told]
    bodies += [text("svix", event(name, attempt=None)) for name in told if name.startswith("message.")]
    bodies += [text("svix", event("endpoint.disabled", trigger="automatic", failing_since="2026-11-23T10:00:00.000Z"))]
    told_again = [without_milliseconds(body) for body in bodies]
    assert read_by_svix(bodies) == told_again


def without_milliseconds(body: str) -> dict[str, Any]:
    """As pydantic writes a time."""
    read: dict[str, Any] = json.loads(body.replace(".000Z", "Z"))
    return read


# ── the API ──


def path_of(endpoint: dict[str, Any]) -> str:
    return f"/{endpoint['operational_endpoint_id']}"


def test_a_format_is_kept_and_shown_and_its_routing_key_never(aws: Aws) -> None:
    endpoint = create(aws, **PAGERDUTY)
    assert (endpoint.pop("format"), endpoint.pop("routing_key")) == ("pagerduty", "***")
    assert (create(aws)["format"], create(aws)["routing_key"]) == ("standard", None)
    answers = [
        call(aws, "GET", path_of(endpoint)),
        call(aws, "PATCH", path_of(endpoint), {"description": "night"}),
        call(aws, "GET", "/", application_id=endpoint["application_id"]),
        call(aws, "GET", f"/applications/{endpoint['application_id']}/export"),
        call(aws, "GET", "/audit", application_id=endpoint["application_id"]),
    ]
    assert [status for status, _ in answers] == [200] * 5
    assert ROUTING_KEY not in json.dumps(answers)
    assert all('"***"' in json.dumps(answer) for answer in answers)


@pytest.mark.parametrize(
    ("method", "change", "posted"),
    [
        pytest.param("PATCH", {"description": "night"}, ROUTING_KEY, id="a patch of another field keeps it"),
        pytest.param("PATCH", {"routing_key": OTHER_KEY}, OTHER_KEY, id="a patch changes it"),
        pytest.param("PATCH", {"format": "pagerduty"}, ROUTING_KEY, id="a patch to the same format keeps it"),
        pytest.param("PUT", {**PAGERDUTY, "routing_key": "***"}, ROUTING_KEY, id="*** keeps it"),
        pytest.param("PUT", {**PAGERDUTY, "routing_key": OTHER_KEY}, OTHER_KEY, id="another replaces it"),
    ],
)
def test_which_routing_key_is_posted(
    aws: Aws, receiver: Receiver, method: str, change: dict[str, Any], posted: str
) -> None:
    endpoint = create(aws, url=receiver.url, **PAGERDUTY)
    body = change if method == "PATCH" else endpoint_body(endpoint["application_id"], url=receiver.url, **change)
    assert call(aws, method, path_of(endpoint), body)[0] == 200
    [(_, queued)] = emit(aws, endpoint["application_id"])
    deliver(aws, record(queued, "Retries"))
    assert [receipt.body["routing_key"] for receipt in receiver.receipts] == [posted]


@pytest.mark.parametrize("change", [{"format": "slack"}, {"format": None}], ids=json.dumps)
def test_another_format_forgets_the_routing_key(aws: Aws, change: dict[str, Any]) -> None:
    endpoint = create(aws, **PAGERDUTY)
    status, patched = call(aws, "PATCH", path_of(endpoint), change)
    assert (status, patched["format"], patched["routing_key"]) == (200, change["format"] or "standard", None)
    for again in ({"format": "pagerduty"}, {"format": "pagerduty", "routing_key": "***"}):
        status, problem = call(aws, "PATCH", path_of(endpoint), again)
        assert (status, problem["errors"][0]["loc"][-1]) == (422, "routing_key")


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"format": "carrier pigeon"}, "format"),
        ({"format": None}, "format"),
        ({"format": "pagerduty"}, "routing_key"),
        ({"format": "pagerduty", "routing_key": None}, "routing_key"),
        ({"format": "pagerduty", "routing_key": "***"}, "routing_key"),
        ({"format": "pagerduty", "routing_key": "R0" * 15}, "routing_key"),
        ({"format": "pagerduty", "routing_key": "R0" * 16 + "\n"}, "routing_key"),
        ({"format": "slack", "routing_key": ROUTING_KEY}, "routing_key"),
        ({"routing_key": ROUTING_KEY}, "routing_key"),
    ],
    ids=json.dumps,
)
def test_a_format_that_is_none_or_without_what_it_needs_is_refused(aws: Aws, wrong: dict[str, Any], where: str) -> None:
    status, problem = call(aws, "POST", "/", endpoint_body("shop") | wrong)
    assert (status, problem["errors"][0]["loc"][0]) == (422, where)
    assert ROUTING_KEY not in json.dumps(problem)
