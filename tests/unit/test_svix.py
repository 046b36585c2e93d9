import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from standardwebhooks import Webhook

from hookwatch.errors import Problem
from hookwatch.observing import incidents
from hookwatch.observing.health import Health
from hookwatch.observing.signals import Announcement, EndpointChange
from hookwatch.observing.sources import svix
from hookwatch.policy import Policy
from tests.unit.factories import report, schema_errors

TESTS = Path(__file__).parents[1]
SAMPLES: dict[str, dict[str, Any]] = {
    name: sample["example"]
    for name, sample in json.loads((TESTS / "samples/svix_operational_webhooks.json").read_text())["events"].items()
}
CHANGES = [name for name in SAMPLES if name.startswith("endpoint.")]
ANNOUNCEMENTS = [name for name in SAMPLES if name.startswith("message.")]
OF_NO_APPLICATION = [name for name in SAMPLES if name.startswith("ingest.")]

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
MOMENT = int(NOW.timestamp())
SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
ANOTHER = "whsec_" + base64.b64encode(b"x" * 24).decode()
BODY = json.dumps(SAMPLES["endpoint.disabled"])


def signature(*, secret: str = SECRET, webhook_id: str = "msg_1", moment: int = MOMENT, body: str = BODY) -> str:
    """By the library of Standard Webhooks, whose scheme is Svix's."""
    return Webhook(secret).sign(webhook_id, datetime.fromtimestamp(moment, UTC), body)


def signed(family: str = "svix", **changed: str) -> dict[str, str]:
    headers = {f"{family}-id": "msg_1", f"{family}-timestamp": str(MOMENT), f"{family}-signature": signature()}
    return headers | {name.replace("_", "-"): value for name, value in changed.items()}


def is_accepted(headers: dict[str, str], body: str = BODY, *, secret: str = SECRET, now: datetime = NOW) -> bool:
    try:
        svix.verify(headers, body.encode(), secret=secret, now=now)
    except Problem as problem:
        return problem.status != 401
    return True


def translate(sample: dict[str, Any], source_id: str = "src_1", webhook_id: str = "msg_1") -> Any:
    return svix.translate(signed(svix_id=webhook_id), json.dumps(sample).encode(), source_id=source_id)


def but(name: str, **data: Any) -> dict[str, Any]:
    """A sample with other data."""
    return {**SAMPLES[name], "data": SAMPLES[name]["data"] | data}


# ── verify ──


@pytest.mark.parametrize("family", ["svix", "webhook"])
def test_what_the_library_signs_is_accepted_under_both_families_of_names(family: str) -> None:
    assert is_accepted(signed(family))


@pytest.mark.parametrize(
    "signatures",
    [
        f"{signature(secret=ANOTHER)} {signature()}",
        f"{signature()} {signature(secret=ANOTHER)}",
        f"v1a,c2lnbmF0dXJl v2,x nonsense  {signature()}",
    ],
)
def test_one_good_signature_of_several_is_enough(signatures: str) -> None:
    assert is_accepted(signed(svix_signature=signatures))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"svix-id": "msg_1"},
        {name: value for name, value in signed().items() if name != "svix-id"},
        {name: value for name, value in signed().items() if name != "svix-timestamp"},
        {name: value for name, value in signed().items() if name != "svix-signature"},
        signed(svix_id=""),
        signed(svix_id="msg_2"),
        signed(svix_id="msg.1", svix_signature=signature(webhook_id="msg.1")),
        signed(svix_id="é", svix_signature=signature(webhook_id="é")),
        signed(svix_id="m" * 257, svix_signature=signature(webhook_id="m" * 257)),
        signed(svix_timestamp=""),
        signed(svix_timestamp="soon"),
        signed(svix_timestamp="-1"),
        signed(svix_timestamp="١٨"),
        signed(svix_timestamp="9" * 400),
        signed(svix_timestamp=f" {MOMENT}"),
        signed(svix_timestamp=f"{MOMENT}.0"),
        signed(svix_timestamp=str(MOMENT + 1)),
        signed(svix_signature=""),
        signed(svix_signature="v1,"),
        signed(svix_signature="v1"),
        signed(svix_signature=signature().removeprefix("v1,")),
        signed(svix_signature=signature().replace("v1,", "v1a,")),
        signed(svix_signature=signature().replace("v1,", "v2,")),
        signed(svix_signature=signature()[:-1]),
        signed(svix_signature=f"{signature()}="),
        signed(svix_signature=f"{signature()[:-2]}é="),
        signed(svix_signature=signature().swapcase()),
        signed(svix_signature=signature(secret=ANOTHER)),
        signed(svix_signature=signature(body=BODY + " ")),
        signed("webhook", svix_id="msg_1"),
    ],
    ids=lambda headers: str(headers)[:60],
)
def test_anything_else_is_a_401(headers: dict[str, str]) -> None:
    assert not is_accepted(headers)


@pytest.mark.parametrize("body", ["", BODY + " ", BODY.replace("automatic", "manual")])
def test_another_body_is_a_401(body: str) -> None:
    assert not is_accepted(signed(), body)


def test_another_secret_is_a_401() -> None:
    assert not is_accepted(signed(), secret=ANOTHER)


@pytest.mark.parametrize(("seconds", "accepted"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_300_seconds_are_tolerated_in_both_directions(seconds: int, accepted: bool) -> None:
    assert is_accepted(signed(), now=datetime.fromtimestamp(MOMENT + seconds, UTC)) is accepted


def test_a_signature_by_the_names_of_one_family_does_not_cover_the_other() -> None:
    assert not is_accepted(signed("webhook") | {"svix-id": "msg_2", "svix-timestamp": str(MOMENT)})


@pytest.mark.parametrize(
    "secret", ["whsec_", "whsec_é", "whsec_a b", "whsec_abc", "plain text", SECRET[6:], "WHSEC_a2tr"]
)
def test_a_secret_of_another_form_has_no_key(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_") as caught:
        svix.key_of(secret)
    assert secret not in str(caught.value) or secret == "whsec_"


# ── translate ──


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_told_of_a_configuration_that_is_unknown(name: str) -> None:
    application_id, signal = translate(SAMPLES[name])

    assert application_id == "app_1srOrx2ZWZBpBUvZwXKQmoEYga2"
    assert isinstance(signal, EndpointChange)
    assert (signal.type, signal.endpoint_id) == (name, "ep_1srOrx2ZWZBpBUvZwXKQmoEYga2")
    assert signal.occurred_at == NOW
    assert (signal.configuration, signal.changes) == ({}, None)


def test_a_disabling_says_who_did_it_and_since_when_it_failed() -> None:
    _, signal = translate(SAMPLES["endpoint.disabled"])

    assert signal.trigger == "automatic"
    assert signal.failing_since == datetime(2022, 11, 6, 15, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("data", [{"trigger": "manual"}, {"trigger": None, "failSince": None}])
def test_a_disabling_by_hand_is_manual(data: dict[str, Any]) -> None:
    assert translate(but("endpoint.disabled", **data))[1].trigger == "manual"


@pytest.mark.parametrize("name", ANNOUNCEMENTS)
def test_what_is_said_of_a_message_is_announced(name: str) -> None:
    application_id, signal = translate(SAMPLES[name])

    assert application_id == "app_1srOrx2ZWZBpBUvZwXKQmoEYga2"
    assert signal == Announcement(
        type=signal.type,
        endpoint_id="ep_1srOrx2ZWZBpBUvZwXKQmoEYga2",
        message_id="msg_1srOrx2ZWZBpBUvZwXKQmoEYga2",
        occurred_at=NOW,
        attempted_at=datetime(2022, 11, 6, 15, 4, 5, tzinfo=UTC),
        response_status_code=200 if name.endswith("recovered") else 500,
    )
    assert signal.type == name


@pytest.mark.parametrize("last_attempt", [None, {"timestamp": "2026-11-23T10:00:00Z", "responseStatusCode": 0}])
def test_an_attempt_that_got_no_answer_has_no_status(last_attempt: dict[str, Any] | None) -> None:
    assert translate(but("message.attempt.failing", lastAttempt=last_attempt))[1].response_status_code is None


@pytest.mark.parametrize("name", OF_NO_APPLICATION)
def test_what_has_no_application_is_no_signal(name: str) -> None:
    assert translate(SAMPLES[name]) is None


@pytest.mark.parametrize(
    "type_", ["", "endpoint", "endpoint.failing", "message.attempt", "background.done", None, 5, []]
)
def test_an_unknown_type_is_no_signal(type_: Any) -> None:
    assert translate({"type": type_, "data": "anything"}) is None


def test_no_type_is_no_signal() -> None:
    assert translate({}) is None


@pytest.mark.parametrize("name", [*CHANGES, *ANNOUNCEMENTS])
def test_whatever_svix_says_becomes_an_event_that_its_schema_accepts(name: str) -> None:
    application_id, signal = translate(SAMPLES[name])
    health = Health(application_id=application_id, endpoint_id=signal.endpoint_id)

    _, events = incidents.fold(health, [report(signal)], {}, Policy())

    assert [(event.type, schema_errors(event)) for event in events] == [(name, [])]


def test_a_change_is_told_from_others_by_its_source_and_id() -> None:
    ids = {translate(SAMPLES["endpoint.updated"], *by)[1].signal_id for by in [("a", "b"), ("a", "c"), ("c", "b")]}

    assert len(ids) == 3
    assert translate(SAMPLES["endpoint.updated"])[1].signal_id == translate(SAMPLES["endpoint.deleted"])[1].signal_id


def test_what_is_not_asked_for_is_not_kept() -> None:
    told = translate({**but("endpoint.created", url="https://do-not-leak/", secret="do-not-leak"), "x": "do-not-leak"})

    assert b"do-not-leak" not in msgspec.json.encode(told)


MALFORMED = [
    b"",
    b"null",
    b"[]",
    b"5",
    b'"endpoint.created"',
    b"{",
    b"\xff",
    b"[" * 100_000,
    b'{"type": "endpoint.created", "data": NaN}',
    *(
        json.dumps(malformed).encode()
        for name in ("endpoint.disabled", "message.attempt.failing")
        for malformed in (
            {"type": name},
            {"type": name, "data": None},
            {"type": name, "data": ["do-not-leak"]},
            *(but(name, appId=wrong) for wrong in (None, "", "*", 5, ["do-not-leak"], "do-not-leak ", "é", "x" * 257)),
            but(name, endpointId="*"),
            but(name, endpointId=None),
        )
    ),
    *(
        json.dumps(malformed).encode()
        for malformed in (
            but("endpoint.disabled", trigger="do-not-leak"),
            but("endpoint.disabled", failSince="do-not-leak"),
            but("endpoint.disabled", failSince=5),
            but("endpoint.disabled", failSince="2022-11-06T15:04:05"),
            but("message.attempt.failing", msgId=None),
            but("message.attempt.failing", lastAttempt="do-not-leak"),
            but("message.attempt.failing", lastAttempt={"timestamp": "do-not-leak"}),
            but("message.attempt.failing", lastAttempt={"timestamp": "9999-12-31T23:59:59-23:59:59"}),
            but(
                "message.attempt.failing",
                lastAttempt={"timestamp": "2026-11-23T10:00:00Z", "responseStatusCode": "do-not-leak"},
            ),
        )
    ),
]


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: str(body[:60]))
def test_a_body_that_is_not_svixs_is_a_422_that_repeats_nothing_of_it(body: bytes) -> None:
    with pytest.raises(Problem) as caught:
        svix.translate(signed(), body, source_id="src_1")

    told = f"{caught.value.detail} {caught.value.errors}"
    assert (caught.value.status, caught.value.id) == (422, "validation_failed")
    assert [word for word in ("do-not-leak", "pydantic", "_Data", "Webhook'") if word in told] == []
