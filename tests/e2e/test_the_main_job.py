"""A platform's outage in, signed operational webhooks out: through the public API of the deployed stack only."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema

from hookwatch.catalogue import CATALOGUE
from tests.local_cloud.api import Api
from tests.local_cloud.receiver import Receiver
from tests.local_cloud.world import within

SAMPLE = Path(__file__).parents[1] / "samples" / "hook0_subscription_events.json"
ARRIVES_WITHIN = 30.0  # seconds


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def attempts(endpoint_id: str, start: datetime, number: int, *, every: float, **fields: Any) -> list[dict[str, Any]]:
    return [
        {
            "type": "message.attempt",
            "endpoint_id": endpoint_id,
            "message_id": unique("msg"),
            "attempt_number": 1,
            "outcome": "succeeded",
            "attempted_at": text(start + timedelta(seconds=n * every)),
        }
        | fields
        for n in range(number)
    ]


def register(api: Api, receiver: Receiver, application_id: str, **fields: Any) -> str:
    answer = api.post("", {"application_id": application_id, "url": receiver.url} | fields)
    assert answer.status_code == 201, answer.text
    receiver.secret = answer.json()["secret"]
    return str(answer.json()["operational_endpoint_id"])


def eventually(is_so: Callable[[], bool]) -> bool:
    return within(ARRIVES_WITHIN, is_so)


def types(receiver: Receiver) -> list[str]:
    return [receipt.type for receipt in receiver.accepted()]


def test_an_outage_is_two_notifications(api: Api) -> None:
    shop, start = unique("shop"), datetime.now(UTC) - timedelta(seconds=240)
    failing: dict[str, Any] = {"outcome": "failed", "response_status_code": 503}
    down = [
        *attempts("erp", start, 30, every=3, **failing, will_retry=True),
        *attempts("erp", start + timedelta(seconds=60), 20, every=1, **failing, will_retry=False, attempt_number=5),
    ]
    up = attempts("erp", start + timedelta(seconds=120), 400, every=0.25)
    with Receiver() as receiver, Receiver() as curious:
        register(api, receiver, shop)
        register(api, curious, shop, message_events="all", filter_types=["message.attempt.exhausted"])
        for reported in (down, up):
            assert api.post_signals(shop, reported).json()["accepted"] == len(reported)
        assert receiver.wait_until(lambda: len(receiver.receipts) >= 2, ARRIVES_WITHIN)
        assert curious.wait_until(lambda: len(curious.receipts) >= 20, ARRIVES_WITHIN)
        assert sorted(types(receiver)) == ["endpoint.failing", "endpoint.recovered"]
        assert types(curious) == ["message.attempt.exhausted"] * 20
        assert all(receipt.is_verified for receipt in [*receiver.receipts, *curious.receipts])
        for receipt in [*receiver.receipts, *curious.receipts]:
            jsonschema.validate(receipt.body, CATALOGUE[receipt.type].schema)
        assert len({receipt.data["dedup_key"] for receipt in receiver.receipts}) == 1


def test_hook0_tells_of_its_subscriptions(api: Api) -> None:
    secret, shop = "a-subscription-secret", unique("shop")
    source = api.post("/sources", {"application_id": None, "kind": "hook0", "secret": secret}).json()
    with Receiver() as receiver:
        register(api, receiver, shop)
        for number, event in enumerate(json.loads(SAMPLE.read_text())["events"]):
            moment = text(datetime.now(UTC) + timedelta(milliseconds=number))
            body = event["body"] | {"application_id": shop, "created_at": moment, "updated_at": moment}
            answer = api.post_as_hook0(
                source["source_id"],
                event["headers"]["X-Event-Type"],
                event["headers"]["X-Event-Id"],
                json.dumps(body).encode(),
                secret=secret,
            )
            assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
        assert receiver.wait_until(lambda: len(receiver.receipts) == 4, ARRIVES_WITHIN)
    told = sorted(receiver.receipts, key=lambda receipt: int(receipt.data["sequence"]))
    assert [receipt.type.removeprefix("endpoint.") for receipt in told] == ["created", "updated", "disabled", "deleted"]
    assert all(receipt.is_verified for receipt in told)
    assert told[1].data["changes"]["url"] == {
        "from": "https://erp.example.com/hooks/billing",
        "to": "https://erp.example.com/hooks/billing/v2",
    }
    assert told[2].data["trigger"] == "manual"
    assert "do-not-leak" not in json.dumps([receipt.body for receipt in told])


def test_a_receiver_that_is_busy_gets_it_later_and_the_attempts_are_on_record(api: Api) -> None:
    shop = unique("shop")
    with Receiver(lambda _body, attempt: 503 if attempt <= 2 else 200) as receiver:
        register(api, receiver, shop)
        created = {"type": "endpoint.created", "endpoint_id": "crm", "occurred_at": text(datetime.now(UTC))}
        assert api.post_signals(shop, [created]).status_code == 202
        assert receiver.wait_until(lambda: len(receiver.accepted()) == 1, ARRIVES_WITHIN)
        [event] = api.get("/events", application_id=shop).json()["data"]
        path = f"/events/{event['event_id']}/attempts"
        assert eventually(lambda: len(api.get(path).json()["data"]) == 3)
        newest_first = api.get(path).json()["data"]
    assert [attempt["status"] for attempt in newest_first] == ["delivered", "retrying", "retrying"]
    assert {receipt.webhook_id for receipt in receiver.receipts} == {event["event_id"]}
    assert all(receipt.is_verified for receipt in receiver.receipts)  # each signed with its own time


def test_a_receiver_that_never_answers_well_is_given_up_after_five_attempts(api: Api) -> None:
    shop = unique("shop")
    with Receiver(lambda _body, _attempt: 500) as receiver:
        register(api, receiver, shop)
        api.post_signals(
            shop, [{"type": "endpoint.deleted", "endpoint_id": "x", "occurred_at": text(datetime.now(UTC))}]
        )
        assert receiver.wait_until(lambda: len(receiver.receipts) == 5, 60)
        [event] = api.get("/events", application_id=shop).json()["data"]
        path = f"/events/{event['event_id']}/attempts"
        assert eventually(lambda: api.get(path).json()["data"][0]["status"] == "exhausted")
    assert len(receiver.receipts) == 5
    assert [event["type"] for event in api.get("/events", application_id=shop).json()["data"]] == ["endpoint.deleted"]


def test_on_call_registers_once_for_every_application(api: Api) -> None:
    with Receiver() as receiver:
        on_call = register(api, receiver, "*", filter_types=["endpoint.created"])
        shops = [unique("shop") for _ in range(3)]
        for shop in shops:
            created = {"type": "endpoint.created", "endpoint_id": "crm", "occurred_at": text(datetime.now(UTC))}
            api.post_signals(shop, [created])
        own = lambda: {receipt.data["application_id"] for receipt in receiver.receipts} >= set(shops)  # noqa: E731
        assert receiver.wait_until(own, ARRIVES_WITHIN)
        api.delete(f"/{on_call}")


def test_what_is_failing_now_is_one_request(api: Api) -> None:
    shop, start = unique("shop"), datetime.now(UTC) - timedelta(seconds=60)
    reported = attempts("erp", start, 12, every=4, outcome="failed", error="timeout", will_retry=True)
    api.post_signals(shop, reported)
    query = {"application_id": shop, "state": "failing"}
    assert eventually(lambda: bool(api.get("/monitored_endpoints", **query).json()["data"]))
    [erp] = api.get("/monitored_endpoints", **query).json()["data"]
    assert erp["incident"]["failures_by_cause"] == {"timeout": 12}
