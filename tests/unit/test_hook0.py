import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hookwatch import times
from hookwatch.errors import Problem
from hookwatch.observing.sources import hook0

TESTS = Path(__file__).parents[1]
VECTORS: list[dict[str, Any]] = json.loads((TESTS / "vectors/hook0_signature.json").read_text())["vectors"]
SAMPLES: list[dict[str, Any]] = json.loads((TESTS / "samples/hook0_subscription_events.json").read_text())["events"]
CREATED, UPDATED, REMOVED = SAMPLES


def is_accepted(vector: dict[str, Any], **other: Any) -> bool:
    told = vector | other
    headers = {**dict(told["headers"]), "x-hook0-signature": told["signature"]}
    now = datetime.fromtimestamp(told["current_time"], UTC)
    try:
        hook0.verify(headers, told["payload"].encode(), secret=told["secret"], now=now)
    except Problem as problem:
        return problem.status != 401
    return True


def headers_of(sample: dict[str, Any]) -> dict[str, str]:
    return {name.lower(): value for name, value in sample["headers"].items()}


def translate(sample: dict[str, Any], source_id: str = "src_1", **body: Any) -> Any:
    content = json.dumps(sample["body"] | body).encode()
    return hook0.translate(headers_of(sample), content, source_id=source_id)


# ── verify ──


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))
def test_a_vector_has_its_verdict(vector: dict[str, Any]) -> None:
    assert is_accepted(vector) is (vector["verdict"] == "accepted")


V0, V1 = VECTORS[:2]


@pytest.mark.parametrize("vector", [V0, V1], ids=["v0", "v1"])
@pytest.mark.parametrize(
    "other",
    [
        {"payload": V0["payload"] + " "},
        {"payload": ""},
        {"secret": "another"},
        {"current_time": 1800000301},
        {"current_time": 1799999699},
        {"signature": ""},
        {"signature": "v0="},
        {"signature": "t=1800000000"},
        {"signature": "t=1800000000,v0="},
        {"signature": "t=1800000000,v1="},
        {"signature": "t=1800000000,h=,v1=" + "0" * 64},
        {"signature": "t=,v0=" + "0" * 64},
        {"signature": "t=soon,v0=" + "0" * 64},
        {"signature": "t=-1,v0=" + "0" * 64},
        {"signature": "t=١٨,v0=" + "0" * 64},
        {"signature": f"t={'9' * 400},v0=" + "0" * 64},
        {"signature": V0["signature"].replace("t=1800000000", "t=1800000001")},
        {"signature": V1["signature"].replace("t=1800000000", "t=1800000001")},
        {"signature": V0["signature"].replace("v0=", "v1=")},
        {"signature": V1["signature"].replace("h=x-event-id x-delivery-id", "h=x-delivery-id x-event-id")},
        {"signature": V1["signature"].replace("h=x-event-id x-delivery-id,", "")},
        {"signature": V1["signature"].replace("v1=", "v0=")},
        {"signature": f"{V1['signature'][:-1]}é"},
        {"signature": V0["signature"][:-1]},
        {"signature": f"{V0['signature']},v1="},
    ],
)
def test_anything_else_is_a_401(vector: dict[str, Any], other: dict[str, Any]) -> None:
    assert not is_accepted(vector, **other)


@pytest.mark.parametrize("vector", [V0, V1], ids=["v0", "v1"])
@pytest.mark.parametrize("moment", [1799999700, 1800000300])
def test_300_seconds_are_tolerated_in_both_directions(vector: dict[str, Any], moment: int) -> None:
    assert is_accepted(vector, current_time=moment)


def test_a_changed_header_that_v1_covers_is_a_401() -> None:
    assert not is_accepted(V1, headers=[["x-event-id", "evt-2"], ["x-delivery-id", "dlv-1"]])


def test_a_missing_signature_is_a_401() -> None:
    with pytest.raises(Problem, match="401"):
        hook0.verify({}, b"", secret="s", now=datetime.now(UTC))  # a made-up one


# ── translate ──


@pytest.mark.parametrize(
    ("sample", "type_", "occurred_at"),
    [
        (CREATED, "endpoint.created", "2026-11-20T08:15:30.120Z"),
        (UPDATED, "endpoint.updated", "2026-11-21T10:00:00.000Z"),
        (REMOVED, "endpoint.deleted", "2026-11-22T09:00:00.000Z"),
    ],
)
def test_a_subscription_is_a_monitored_endpoint(sample: dict[str, Any], type_: str, occurred_at: str) -> None:
    application_id, signal = translate(sample)

    assert application_id == "9f0d8c2a-5c1b-4a7e-9d64-5b1a0f3e0002"
    assert signal.type == type_
    assert signal.endpoint_id == "1a2b3c4d-0000-4000-8000-00000000a001"
    assert times.to_text(signal.occurred_at) == occurred_at
    assert signal.changes is None
    assert signal.configuration == {
        "url": sample["body"]["target"]["url"],
        "description": "ERP import",
        "event_types": sample["body"]["event_types"],
        "labels": {"env": "prod"},
        "is_enabled": sample["body"]["is_enabled"],
    }


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_headers_of_a_target_never_leave_the_adapter(sample: dict[str, Any]) -> None:
    url = "https://user:do-not-leak@erp.example.com/hooks?token=do-not-leak"
    target = {**sample["body"]["target"], "url": url, "headers": {"Authorization": "Bearer do-not-leak"}}

    told = msgspec.json.encode(translate(sample, target=target)).decode()

    assert "do-not-leak" not in told
    assert "uthorization" not in told


def test_the_identity_of_a_signal_is_its_source_and_event_id() -> None:
    ids = {translate(sample, source)[1].signal_id for sample in SAMPLES for source in ("src_1", "src_2")}

    assert len(ids) == 6
    assert translate(CREATED)[1].signal_id == translate(CREATED, description="another")[1].signal_id


@pytest.mark.parametrize("type_", ["api.application.created", "api.subscription", "endpoint.created", ""])
def test_an_unknown_type_is_no_signal(type_: str) -> None:
    assert hook0.translate({"x-event-id": "e", "x-event-type": type_}, b"not even JSON", source_id="src_1") is None


def test_no_type_is_no_signal() -> None:
    assert hook0.translate({"x-event-id": "e"}, b"{}", source_id="src_1") is None


BODY = json.dumps(CREATED["body"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"5",
        b"{}",
        b"{",
        b"\xff",
        b"[" * 100_000,
        BODY.replace('"ERP import"', "NaN").encode(),
        BODY.replace('"is_enabled": true', '"is_enabled": "do-not-leak"').encode(),
        BODY.replace("https://erp", "do-not-leak://erp").encode(),
        BODY.replace("https://erp", "https://user:do-not-leak@\u2100").encode(),
        BODY.replace("2026-11-20T08:15:30.120Z", "do-not-leak").encode(),
        BODY.replace("2026-11-20T08:15:30.120Z", "2026-11-20T08:15:30").encode(),
        BODY.replace("1a2b3c4d-0000-4000-8000-00000000a001", "*").encode(),
        BODY.replace("9f0d8c2a-5c1b-4a7e-9d64-5b1a0f3e0002", "").encode(),
        *(json.dumps({**CREATED["body"], field: None}).encode() for field in ("target", "labels", "is_enabled")),
        *(
            json.dumps({name: value for name, value in CREATED["body"].items() if name != field}).encode()
            for field in ("application_id", "subscription_id", "target", "created_at", "updated_at", "is_enabled")
        ),
    ],
    ids=lambda body: str(body[:40]),
)
def test_a_body_that_is_no_subscription_is_a_422_that_repeats_nothing_of_it(body: bytes) -> None:
    with pytest.raises(Problem) as caught:
        hook0.translate(headers_of(CREATED), body, source_id="src_1")

    told = f"{caught.value.detail} {caught.value.errors}"
    assert (caught.value.status, caught.value.id) == (422, "validation_failed")
    assert "do-not-leak" not in told
    assert "pydantic" not in told
    assert "_Subscription" not in told


@pytest.mark.parametrize("headers", [{}, {"x-event-id": ""}])
def test_without_an_event_id_it_is_a_422(headers: dict[str, str]) -> None:
    with pytest.raises(Problem, match="422"):
        hook0.translate({"x-event-type": "api.subscription.created", **headers}, BODY.encode(), source_id="src_1")


def test_many_event_types_are_kept_short_and_their_change_is_seen() -> None:
    few, many = [f"t{number}" for number in range(20)], [f"t{number}" for number in range(500)]

    assert hook0._short(few) == few
    assert len(hook0._short(many)) == 21
    assert hook0._short(many) == hook0._short(list(many)) != hook0._short([*many[:-1], "another"])
