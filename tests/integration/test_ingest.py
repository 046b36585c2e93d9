"""HTTP → SIGNALS."""

import base64
import gzip
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hookwatch import times
from hookwatch.encryption import Encryption
from hookwatch.observing import sources
from hookwatch.observing.signals import Announcement, Attempt, EndpointChange, Report
from hookwatch.observing.sources import Kind
from hookwatch.settings import IngestSettings
from tests.in_process.api import BASE
from tests.in_process.auditing import BY_A_TEST
from tests.in_process.aws import ROOT, Aws
from tests.in_process.signals import unique
from tests.local_cloud.api import hook0_headers, svix_headers

SECRET = "a-subscription-secret"  # as in the vectors
SVIX_SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
SVIX: dict[str, Any] = {
    name: sample["example"]
    for name, sample in json.loads((ROOT / "tests/samples/svix_operational_webhooks.json").read_text())[
        "events"
    ].items()
}
SVIX_APPLICATION = "app_1srOrx2ZWZBpBUvZwXKQmoEYga2"


@pytest.fixture(autouse=True)
def empty_queue(aws: Aws) -> None:
    aws.take("Signals")


def now(**delta: float) -> str:
    return times.to_text(datetime.now(UTC) + timedelta(**delta))


def attempt(**fields: Any) -> dict[str, Any]:
    return {
        "type": "message.attempt",
        "endpoint_id": "erp",
        "message_id": "m1",
        "attempt_number": 1,
        "outcome": "succeeded",
        "attempted_at": now(),
    } | fields


def post(aws: Aws, body: Any, **query: str) -> tuple[int, dict[str, Any]]:
    event = aws.sample("ingest") | {
        "body": body if isinstance(body, str) else json.dumps(body),
        "queryStringParameters": query or None,
    }
    answer = aws.invoke("ingest", event)
    return answer["statusCode"], json.loads(answer["body"])


def queued(aws: Aws) -> list[Report]:
    return [Report.from_json(message["body"]) for message in aws.take("Signals")]


def test_the_log_has_the_request_and_its_batch_by_the_ids_that_the_client_has(aws: Aws) -> None:
    with aws.log_of("ingest") as log:
        status, answer = post(aws, {"application_id": unique("shop"), "signals": [attempt()]})
    assert status == 202
    said = json.loads(log.getvalue())
    assert (said["message"], said["batch_id"]) == ("signals queued", answer["batch_id"])
    assert said["request_id"] == aws.sample("ingest")["requestContext"]["requestId"]


def test_the_sample_is_accepted_whole_and_old_signals_are_ignored(aws: Aws) -> None:
    status, answer = post(aws, json.loads(aws.sample("ingest")["body"]))
    assert status == 202
    assert answer["accepted"] + len(answer["ignored"]) == 2
    assert answer["rejected"] == []


def test_signals_are_queued_by_endpoint_and_in_the_order_of_their_times(aws: Aws) -> None:
    signals = [
        attempt(message_id="later", attempted_at=now(seconds=-1)),
        attempt(endpoint_id="crm"),
        attempt(message_id="earlier", attempted_at=now(seconds=-2)),
        {"type": "endpoint.deleted", "endpoint_id": "erp", "occurred_at": now()},
    ]
    status, answer = post(aws, {"application_id": "shop", "signals": signals})
    assert (status, answer["accepted"]) == (202, 4)
    by_endpoint = {report.endpoint_id: report.signals for report in queued(aws)}
    assert [signal.message_id for signal in by_endpoint["erp"] if isinstance(signal, Attempt)] == ["earlier", "later"]
    assert isinstance(by_endpoint["erp"][-1], EndpointChange)
    assert len(by_endpoint["crm"]) == 1


def test_a_request_that_is_repeated_is_queued_once(aws: Aws) -> None:
    body = {"application_id": "shop", "signals": [attempt(message_id="repeated")]}
    assert [post(aws, body)[0] for _ in range(3)] == [202] * 3
    assert len(queued(aws)) == 1


def test_one_bad_signal_is_rejected_and_the_rest_accepted(aws: Aws) -> None:
    status, answer = post(aws, {"application_id": "shop", "signals": [attempt(attempt_number="four"), attempt()]})
    assert (status, answer["accepted"]) == (202, 1)
    assert [(item["index"], item["loc"]) for item in answer["rejected"]] == [(0, ["attempt_number"])]
    assert len(queued(aws)) == 1


@pytest.mark.parametrize("strict", ["", "1", "True", "yes"])
def test_what_strict_means_is_not_guessed(aws: Aws, strict: str) -> None:
    status, problem = post(aws, {"application_id": "shop", "signals": [attempt()]}, strict=strict)
    assert (status, problem["errors"][0]["loc"]) == (422, ["strict"])


@pytest.mark.parametrize("path", ["/sources/\x84", "/sources/a/b", "/nothing", "/signals/x"])
def test_without_a_key_what_is_no_route_is_a_404(aws: Aws, path: str) -> None:
    event = aws.sample("ingest_hook0") | {"path": BASE + path}
    assert "authorizer" not in event["requestContext"]
    assert aws.invoke("ingest", event)["statusCode"] == 404


def test_a_strict_request_is_refused_whole(aws: Aws) -> None:
    status, answer = post(
        aws, {"application_id": "shop", "signals": [attempt(outcome="so-so"), attempt()]}, strict="true"
    )
    assert (status, answer["id"]) == (422, "validation_failed")
    assert queued(aws) == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param("{nope", 422, id="not JSON"),
        pytest.param('{"application_id": "shop", "signals": [NaN]}', 422, id="NaN is not JSON"),
        pytest.param("[]", 422, id="no object"),
        pytest.param({"application_id": "shop"}, 422, id="no signals"),
        pytest.param({"application_id": "shop", "signals": []}, 422, id="no signal"),
        pytest.param({"application_id": "shop", "signals": {}}, 422, id="signals are no list"),
        pytest.param({"signals": [{}]}, 422, id="no application"),
        pytest.param({"application_id": "*", "signals": [{}]}, 422, id="every application"),
        pytest.param({"application_id": 7, "signals": [{}]}, 422, id="the application is a number"),
        pytest.param({"application_id": "shop", "signals": [{}] * 1001}, 422, id="too many signals"),
        pytest.param("[" * 100_000, 422, id="deep nesting"),
        pytest.param('{"application_id": "shop", "signals": ["' + "x" * 1_000_000 + '"]}', 413, id="too long"),
    ],
)
def test_what_is_no_list_of_signals_is_refused_and_nothing_is_queued(aws: Aws, body: Any, status: int) -> None:
    answered, problem = post(aws, body)
    assert answered == status
    assert problem["status"] == status
    assert problem["detail"]
    assert queued(aws) == []


def test_a_key_of_another_application_sees_no_such_application(aws: Aws) -> None:
    event = aws.sample("ingest")
    event["requestContext"]["authorizer"]["applications"] = "warehouse"
    answer = aws.invoke("ingest", event)
    assert answer["statusCode"] == 404
    assert queued(aws) == []


@pytest.fixture
def source_id(aws: Aws) -> str:
    return source(aws, None, "hook0", SECRET)


def source(aws: Aws, application_id: str | None, kind: Kind, secret: str) -> str:
    encryption = Encryption(aws.environment("SECRETS_ENCRYPTION_KEY"))
    new = sources.new(unique("src"), application_id, kind, secret, encryption)
    assert sources.create(new, BY_A_TEST)
    return new.source_id


def hook0(
    aws: Aws, source_id: str, *, secret: str = SECRET, moment: int | None = None, **changes: Any
) -> tuple[int, dict[str, Any]]:
    event = aws.sample("ingest_hook0")
    subscription = json.loads(event["body"]) | {"created_at": now(), "updated_at": now()} | changes
    body = json.dumps(subscription)
    event_type = event["headers"]["X-Event-Type"]
    headers = hook0_headers(event_type, "evt-1", body.encode(), secret=secret, moment=moment or int(time.time()))
    path = f"/api/v1/operational_webhooks/sources/{source_id}"
    answer = aws.invoke("ingest", event | {"path": path, "body": body, "headers": headers})
    return answer["statusCode"], json.loads(answer["body"])


def test_a_webhook_of_hook0_becomes_a_signal_without_its_headers(aws: Aws, source_id: str) -> None:
    status, answer = hook0(aws, source_id)
    assert (status, answer["accepted"]) == (202, 1)
    [message] = aws.take("Signals")
    assert "do-not-leak" not in message["body"]
    report = Report.from_json(message["body"])
    assert report.reported_by == f"source:{source_id}"
    [signal] = report.signals
    assert isinstance(signal, EndpointChange)
    assert signal.type == "endpoint.created"
    assert signal.configuration["url"] == "https://erp.example.com/hooks/billing"


def test_a_body_that_arrives_as_base64_is_the_same_body(aws: Aws) -> None:
    body = json.dumps({"application_id": "shop", "signals": [attempt(message_id="encoded")]}).encode()
    event = aws.sample("ingest") | {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    assert aws.invoke("ingest", event)["statusCode"] == 202


def post_encoded(
    aws: Aws, body: bytes, headers: dict[str, str], *, inflated: bool = False, **query: str
) -> tuple[int, dict[str, Any]]:
    """As API Gateway hands it on: bytes of a binary media type as base64, and a body that it inflated as text."""
    event = aws.sample("ingest")
    told = {"body": body.decode()} if inflated else {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    event |= told | {"headers": event["headers"] | headers, "queryStringParameters": query or None}
    answer = aws.invoke("ingest", event)
    return answer["statusCode"], json.loads(answer["body"])


NDJSON, GZIP = {"Content-Type": "application/x-ndjson"}, {"content-encoding": "gzip"}


@pytest.mark.parametrize("is_gzip", [False, True])
def test_lines_are_queued_for_the_application_of_the_query(aws: Aws, is_gzip: bool) -> None:
    body = "\n".join(
        [json.dumps(attempt(message_id="l1")), "", "{broken", json.dumps(attempt(message_id="l2"))]
    ).encode()
    content, headers = (gzip.compress(body), NDJSON | GZIP) if is_gzip else (body, NDJSON)
    status, answer = post_encoded(aws, content, headers, application_id="shop")
    assert (status, answer["accepted"]) == (202, 2)
    assert [item["index"] for item in answer["rejected"]] == [1]
    [report] = queued(aws)
    assert (report.application_id, len(report.signals)) == ("shop", 2)


def test_lines_are_for_an_application_that_the_key_is_for(aws: Aws) -> None:
    event = aws.sample("ingest")
    event["requestContext"]["authorizer"]["applications"] = "warehouse"
    event |= {
        "body": json.dumps(attempt()),
        "headers": event["headers"] | NDJSON,
        "queryStringParameters": {"application_id": "shop"},
    }
    assert aws.invoke("ingest", event)["statusCode"] == 404
    assert queued(aws) == []


@pytest.mark.parametrize("inflated", [False, True])
def test_gzip_is_accepted_whether_or_not_api_gateway_inflated_it(aws: Aws, inflated: bool) -> None:
    body = json.dumps({"application_id": "shop", "signals": [attempt(message_id=f"zipped-{inflated}")]}).encode()
    status, answer = post_encoded(aws, body if inflated else gzip.compress(body), GZIP, inflated=inflated)
    assert (status, answer["accepted"]) == (202, 1)
    assert len(queued(aws)) == 1


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        pytest.param(gzip.compress(b" " * 5_000_000), GZIP, 413, id="a bomb"),
        pytest.param(gzip.compress(b"\n" * 5_000_000), NDJSON | GZIP, 413, id="a bomb of lines"),
        pytest.param(gzip.compress(b'{"application_id": "shop"')[:-4], GZIP, 422, id="cut off"),
        pytest.param(b"x", {"Content-Encoding": "br"}, 415, id="brotli"),
        pytest.param(b"{}", NDJSON, 422, id="lines of no application"),
    ],
)
def test_a_body_that_cannot_be_unpacked_is_refused(aws: Aws, body: bytes, headers: dict[str, str], status: int) -> None:
    answered, problem = post_encoded(aws, body, headers)
    assert (answered, problem["status"]) == (status, status)
    assert queued(aws) == []


@pytest.fixture
def hidden_paths(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deployment has HideUrlPaths."""
    monkeypatch.setenv("HIDE_URL_PATHS", "true")
    monkeypatch.setattr(aws.function("ingest"), "settings", IngestSettings.from_environment())


@pytest.mark.usefixtures("hidden_paths")
def test_where_paths_are_hidden_none_comes_through_the_door(aws: Aws, source_id: str) -> None:
    url = "https://user:pw@erp.example.com/t0ken?t0ken"
    change = {"type": "endpoint.updated", "endpoint_id": "erp", "url": url, "occurred_at": now()}
    changes = {"url": {"from": url, "to": url}}
    assert post(aws, {"application_id": "shop", "signals": [change | {"changes": changes}]})[0] == 202
    assert hook0(aws, source_id)[0] == 202
    messages = [message["body"] for message in aws.take("Signals")]
    assert len(messages) == 2
    assert all('"url":"https://erp.example.com"' in message for message in messages)
    assert not any("t0ken" in message or "/hooks" in message for message in messages)


def test_paths_are_shown_otherwise(aws: Aws, source_id: str) -> None:
    assert hook0(aws, source_id)[0] == 202
    assert "https://erp.example.com/hooks/billing" in aws.take("Signals")[0]["body"]


def test_a_wrong_signature_is_refused(aws: Aws, source_id: str) -> None:
    status, problem = hook0(aws, source_id, secret="another-secret")
    assert (status, problem["id"]) == (401, "unauthorized")
    assert queued(aws) == []


def test_a_signature_older_than_300_seconds_is_refused(aws: Aws, source_id: str) -> None:
    assert hook0(aws, source_id, moment=int(time.time()) - 310)[0] == 401
    assert queued(aws) == []


def test_a_source_that_does_not_exist_is_not_found(aws: Aws) -> None:
    assert hook0(aws, "src_none")[0] == 404


def test_a_source_of_one_application_takes_no_other(aws: Aws) -> None:
    own = source(aws, "shop", "hook0", SECRET)
    assert hook0(aws, own)[0] == 422
    assert hook0(aws, own, application_id="shop")[0] == 202


def test_a_subscription_that_is_not_one_is_refused(aws: Aws, source_id: str) -> None:
    status, problem = hook0(aws, source_id, is_enabled="perhaps", target={"url": "ftp://example.com"})
    assert status == 422
    assert {tuple(error["loc"]) for error in problem["errors"]} == {("is_enabled",), ("target", "url")}


def svix_source(aws: Aws, application_id: str | None = None) -> str:
    return source(aws, application_id, "svix", SVIX_SECRET)


def svix(aws: Aws, source_id: str, sample: Any, *, secret: str = SVIX_SECRET, age: int = 0) -> tuple[int, Any]:
    body = json.dumps(sample)
    headers = svix_headers("msg_1", body, secret=secret, moment=int(time.time()) - age)
    path = f"/api/v1/operational_webhooks/sources/{source_id}"
    answer = aws.invoke("ingest", aws.sample("ingest_hook0") | {"path": path, "body": body, "headers": headers})
    return answer["statusCode"], json.loads(answer["body"])


@pytest.mark.parametrize("name", [name for name in SVIX if not name.startswith("ingest.")])
def test_a_webhook_of_svix_becomes_a_signal_of_its_application(aws: Aws, name: str) -> None:
    source_id = svix_source(aws)
    status, answer = svix(aws, source_id, SVIX[name])
    assert (status, answer["accepted"], answer["ignored"]) == (202, 1, [])
    [report] = queued(aws)
    assert (report.application_id, report.reported_by) == (SVIX_APPLICATION, f"source:{source_id}")
    [signal] = report.signals
    assert isinstance(signal, EndpointChange | Announcement)
    assert signal.type == name


@pytest.mark.parametrize("sample", [SVIX["ingest.endpoint.disabled"], {"type": "background.done", "data": {}}])
def test_what_svix_says_of_no_application_is_accepted_and_ignored(aws: Aws, sample: dict[str, Any]) -> None:
    status, answer = svix(aws, svix_source(aws), sample)
    assert (status, answer["accepted"], len(answer["ignored"])) == (202, 0, 1)
    assert queued(aws) == []


def test_svix_with_a_wrong_or_old_signature_is_refused(aws: Aws) -> None:
    source_id, sample = svix_source(aws), SVIX["endpoint.created"]
    another = "whsec_" + base64.b64encode(b"x" * 24).decode()
    assert svix(aws, source_id, sample, secret=another)[0] == 401
    assert svix(aws, source_id, sample, age=310)[0] == 401
    assert queued(aws) == []


def test_svix_for_another_application_than_its_sources_is_refused(aws: Aws) -> None:
    assert svix(aws, svix_source(aws, "shop"), SVIX["endpoint.created"])[0] == 422
    assert svix(aws, svix_source(aws, SVIX_APPLICATION), SVIX["endpoint.created"])[0] == 202


def test_a_source_of_one_kind_does_not_take_the_other(aws: Aws, source_id: str) -> None:
    assert svix(aws, source_id, SVIX["endpoint.created"])[0] == 401
    assert hook0(aws, svix_source(aws))[0] == 401


def test_health_needs_no_key(aws: Aws) -> None:
    event = aws.sample("api") | {"path": "/api/v1/operational_webhooks/health"}
    del event["requestContext"]["authorizer"]
    answer = aws.invoke("ingest", event)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["status"] == "ok"
