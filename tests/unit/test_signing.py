import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from hookwatch.notifying import signing
from hookwatch.notifying.signing import SECRET_BYTES, SealKeys

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "vectors/standard_webhooks.json").read_text())[
    "vectors"
]

keys = st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["id"]))
def test_a_vector_has_its_signature(vector: dict[str, Any]) -> None:
    moment = datetime.fromtimestamp(vector["timestamp"], UTC)

    assert signing.sign(vector["secret"], vector["id"], moment, vector["body"]) == vector["signature"]


def test_a_secret_is_whsec_and_the_base64_of_its_32_bytes() -> None:
    key = bytes(range(32))

    assert signing.to_secret(key) == "whsec_" + base64.b64encode(key).decode()


@settings(deadline=None, max_examples=100)
@given(keys, texts)
def test_what_is_signed_verifies_with_standardwebhooks(key: bytes, text: str) -> None:
    body, secret = json.dumps({"x": text}), signing.to_secret(key)

    headers = signing.headers([secret], "evt_1", datetime.now(UTC), body)

    assert Webhook(secret).verify(body, headers) == {"x": text}


def test_each_secret_of_a_rotation_verifies_and_the_newest_signs_first() -> None:
    new, old = signing.to_secret(b"n" * 32), signing.to_secret(b"o" * 32)
    now = datetime.now(UTC)

    headers = signing.headers([new, old], "evt_1", now, "{}")

    assert headers["webhook-signature"] == " ".join(signing.sign(secret, "evt_1", now, "{}") for secret in (new, old))
    for secret in (new, old):
        assert Webhook(secret).verify("{}", headers) == {}


@pytest.mark.parametrize(
    ("webhook_id", "seconds", "body"), [("evt_2", 0, "{}"), ("evt_1", 1, "{}"), ("evt_1", 0, '{"x": 1}')]
)
def test_another_id_time_or_body_does_not_verify(webhook_id: str, seconds: int, body: str) -> None:
    secret, now = signing.to_secret(b"s" * 32), datetime.now(UTC)
    signed = signing.headers([secret], "evt_1", now, "{}")
    sent = signing.headers([], webhook_id, now + timedelta(seconds=seconds), body)

    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, {**sent, "webhook-signature": signed["webhook-signature"]})


def test_the_timestamp_is_in_whole_seconds() -> None:
    moment = datetime(2026, 11, 23, 10, 0, 0, 999_999, tzinfo=UTC)

    assert signing.headers([], "evt_1", moment, "{}") == {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(datetime(2026, 11, 23, 10, tzinfo=UTC).timestamp())),
        "webhook-signature": "",
    }


# ── the deployment's own seal ──


def test_what_the_current_key_sealed_is_sealed() -> None:
    assert SealKeys("now").is_sealed(SealKeys("now").seal("a", "b"), "a", "b")


def test_what_the_previous_key_sealed_is_sealed_still() -> None:
    assert SealKeys("now", "before").is_sealed(SealKeys("before").seal("a"), "a")


def test_seals_are_made_with_the_current_key() -> None:
    assert SealKeys("now", "before").seal("a") == SealKeys("now").seal("a") != SealKeys("before").seal("a")


@pytest.mark.parametrize(
    ("seal", "parts"),
    [
        (SealKeys("now").seal("a", "b"), ("a", "c")),
        (SealKeys("now").seal("a", "b"), ("ab",)),
        (SealKeys("now").seal("a", "b"), ("b", "a")),
        (SealKeys("now").seal("a", "b"), ("a", "b", "")),
        (SealKeys("another").seal("a", "b"), ("a", "b")),
        (SealKeys("").seal("a", "b"), ("a", "b")),
        (SealKeys("now").seal("a", "b")[:-1], ("a", "b")),
        (SealKeys("now").seal("a", "b").upper(), ("a", "b")),
        ("", ("a", "b")),
        ("é", ("a", "b")),
    ],
)
def test_anything_else_is_not(seal: str, parts: tuple[str, ...]) -> None:
    assert not SealKeys("now", "before").is_sealed(seal, *parts)
    assert not SealKeys("now").is_sealed(seal, *parts)


def test_keys_without_any_seal_nothing() -> None:
    assert not SealKeys("").is_sealed(SealKeys("").seal("a"), "a")


@settings(deadline=None, max_examples=100)
@given(st.lists(texts, max_size=3), st.lists(texts, max_size=3))
def test_a_seal_is_of_its_parts_and_of_no_others(parts: list[str], others: list[str]) -> None:
    assert SealKeys("k").is_sealed(SealKeys("k").seal(*parts), *others) is (parts == others)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"current": "now"}', SealKeys("now")),
        ('{"current": "now", "previous": ""}', SealKeys("now")),
        ('{"current": "now", "previous": "before"}', SealKeys("now", "before")),
    ],
)
def test_keys_are_read_from_one_secret(text: str, expected: SealKeys) -> None:
    assert SealKeys.from_json(text) == expected
