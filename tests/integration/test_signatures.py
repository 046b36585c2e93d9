"""What is posted verifies with the packages that receivers use: on each attempt, and while a secret is rotated."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from hookwatch import times
from hookwatch.catalogue import CATALOGUE
from hookwatch.notifying import signing
from hookwatch.notifying.queue import Delivery
from hookwatch.notifying.signing import SealKeys
from tests.in_process import deliveries
from tests.in_process.aws import SEAL_KEY, Aws
from tests.in_process.deliveries import SECRET, attempts, deliver, record, register_receiver
from tests.interop import VERIFIERS, Verifier
from tests.local_cloud.receiver import Receiver

OLD, NEW = signing.to_secret(b"o" * 32), signing.to_secret(b"n" * 32)
WINDOW = timedelta(minutes=5)  # Standard Webhooks: how far the time of a signature may be away
AGE = timedelta(minutes=31)


@dataclass(frozen=True)
class Post:
    """What reached a receiver: the body's bytes and every header."""

    body: bytes
    headers: dict[str, str]

    @property
    def posted_at(self) -> datetime:
        return datetime.fromtimestamp(int(self.headers["webhook-timestamp"]), UTC)


class Recorder(Receiver):
    """A receiver that keeps each POST as it arrived. It answers the first attempt of each event with 503."""

    def __init__(self) -> None:
        super().__init__(lambda _body, attempt: 503 if attempt == 1 else 200)
        self.posts: list[Post] = []

    def _receive(self, raw: bytes, headers: dict[str, str]) -> int:
        self.posts.append(Post(raw, headers))
        return super()._receive(raw, headers)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as recorder:
        yield recorder


@pytest.fixture(params=VERIFIERS)
def verifies(request: pytest.FixtureRequest) -> Verifier:
    return VERIFIERS[request.param]


def owed(operational_endpoint_id: str, happened_at: datetime) -> Delivery:
    """Of an event whose summary is not all ASCII."""
    event = CATALOGUE["endpoint.failing"].example | {"timestamp": times.to_text(happened_at)}
    delivery = deliveries.owed(operational_endpoint_id)
    return replace(delivery, body=json.dumps(event, ensure_ascii=False)).sealed(SealKeys(SEAL_KEY))


def make_older(aws: Aws, attempt: Mapping[str, Any], by: timedelta) -> None:
    """An attempt on record and the retry that follows were so much earlier."""
    moved = {
        f":{name}": {"S": times.to_text(times.from_text(attempt[name]) - by)}
        for name in ("attempted_at", "next_attempt_at")
    }
    aws.client("dynamodb").update_item(
        TableName="OperationalAttempt",
        Key={name: {"S": attempt[name]} for name in ("event_id", "attempt_key")},
        UpdateExpression="SET attempted_at = :attempted_at, next_attempt_at = :next_attempt_at",
        ExpressionAttributeValues=moved,
    )


def signed(*secrets: str, at: datetime | None = None) -> Post:
    """As it is posted while these secrets are alive, the newest first."""
    body = json.dumps(CATALOGUE["endpoint.failing"].example, ensure_ascii=False)
    return Post(body.encode(), signing.headers(secrets, "evt_1", at or datetime.now(UTC), body))


def test_a_first_attempt_verifies(aws: Aws, recorder: Recorder, verifies: Verifier) -> None:
    delivery = owed(register_receiver(aws, recorder), datetime.now(UTC))
    deliver(aws, record(delivery))
    [post] = recorder.posts
    assert post.body == delivery.body.encode()
    assert verifies(SECRET, post.body, post.headers)


def test_a_retry_half_an_hour_later_verifies_for_it_is_signed_with_its_own_time(
    aws: Aws, recorder: Recorder, verifies: Verifier
) -> None:
    happened_at = datetime.now(UTC) - AGE
    delivery = owed(register_receiver(aws, recorder), happened_at)
    deliver(aws, record(delivery))
    [attempt] = attempts(aws, delivery)
    make_older(aws, attempt, AGE)
    deliver(aws, record(delivery, "Retries"))
    first, second = recorder.posts
    assert verifies(SECRET, second.body, second.headers)
    assert second.posted_at - happened_at > WINDOW
    assert [attempt["status"] for attempt in attempts(aws, delivery)] == ["retrying", "delivered"]
    assert (second.body, second.headers["webhook-id"]) == (first.body, first.headers["webhook-id"])


@pytest.mark.parametrize("age", [AGE, WINDOW + timedelta(seconds=2), -WINDOW - timedelta(minutes=1)], ids=str)
def test_what_was_signed_outside_the_window_is_refused(verifies: Verifier, age: timedelta) -> None:
    post = signed(SECRET, at=datetime.now(UTC) - age)
    assert not verifies(SECRET, post.body, post.headers)


@pytest.mark.parametrize("secret", [OLD, NEW], ids=["old", "new"])
def test_during_the_grace_of_a_rotation_it_verifies_with_either_secret(verifies: Verifier, secret: str) -> None:
    post = signed(NEW, OLD)
    assert verifies(secret, post.body, post.headers)


def test_after_the_grace_it_verifies_with_the_new_secret_only(verifies: Verifier) -> None:
    post = signed(NEW)
    assert verifies(NEW, post.body, post.headers)
    assert not verifies(OLD, post.body, post.headers)


@pytest.mark.parametrize("secrets", [(SECRET,), (SECRET, OLD)], ids=["one secret", "in a rotation"])
def test_what_was_changed_is_refused(verifies: Verifier, secrets: tuple[str, ...]) -> None:
    post = signed(*secrets)
    now = int(post.headers["webhook-timestamp"])
    assert verifies(SECRET, post.body, post.headers)
    assert not verifies(SECRET, post.body.replace(b'"error"', b'"info"'), post.headers)
    assert not verifies(SECRET, post.body + b" ", post.headers)
    assert not verifies(SECRET, post.body, post.headers | {"webhook-id": "evt_2"})
    assert not verifies(SECRET, post.body, post.headers | {"webhook-timestamp": str(now - 1)})
    assert not verifies(SECRET, post.body, post.headers | {"webhook-signature": ""})
    assert not verifies(NEW, post.body, post.headers)
