"""What people set and ask about observing, through the public API of the deployed stack only."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema

from hookwatch.catalogue import CATALOGUE
from tests.e2e.test_the_main_job import ARRIVES_WITHIN, attempts, eventually, register, text, types, unique
from tests.local_cloud.api import Api
from tests.local_cloud.receiver import Receiver

SVIX = json.loads((Path(__file__).parents[1] / "samples" / "svix_operational_webhooks.json").read_text())["events"]
SVIX_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # made up
DOWN: dict[str, Any] = {"outcome": "failed", "response_status_code": 503, "will_retry": True}


def test_svix_announces_and_hookwatch_passes_it_on_as_it_was_announced(api: Api) -> None:
    source = api.post("/sources", {"application_id": None, "kind": "svix", "secret": SVIX_SECRET}).json()
    shop = unique("shop")
    with Receiver() as receiver:
        register(api, receiver, shop)
        for event in SVIX.values():
            body = json.loads(json.dumps(event["example"]).replace("app_1srOrx2ZWZBpBUvZwXKQmoEYga2", shop))
            answer = api.post_as_svix(source["source_id"], unique("msg"), json.dumps(body), secret=SVIX_SECRET)
            assert answer.status_code == 202, answer.text
        expected = sorted(name for name in SVIX if not name.startswith("ingest."))
        assert receiver.wait_until(lambda: len(receiver.receipts) >= len(expected), ARRIVES_WITHIN)
        assert sorted(types(receiver)) == expected
        for receipt in receiver.receipts:
            jsonschema.validate(receipt.body, CATALOGUE[receipt.type].schema)
    summary = api.get("/stats", application_id=shop).json()["summary"]
    assert summary["success_rate"] is summary["attempts"] is None


def test_a_policy_of_its_own_opens_sooner(api: Api) -> None:
    shop, start = unique("shop"), datetime.now(UTC) - timedelta(seconds=60)
    assert api.put(f"/policies/{shop}", {"opens_after_failures": 3, "opens_after_seconds": 5}).status_code == 200
    assert api.get(f"/policies/{shop}").json()["policy"]["opens_after_failures"] == 3
    api.post_signals(shop, attempts("erp", start, 3, every=5, **DOWN))
    assert eventually(lambda: bool(api.get("/events", application_id=shop, type="endpoint.failing").json()["data"]))


def test_a_muted_endpoint_is_recorded_and_not_told(api: Api) -> None:
    shop = unique("shop")
    until = text(datetime.now(UTC) + timedelta(hours=1))
    body = {"application_id": shop, "until": until, "reason": "maintenance"}
    assert api.post("/monitored_endpoints/erp/mute", body).status_code == 201
    with Receiver() as receiver:
        register(api, receiver, shop)

        def fail_until_now(endpoint_id: str) -> None:
            """Its failing is told at the time of its last attempt."""
            now = datetime.now(UTC)
            down = attempts(endpoint_id, now - timedelta(seconds=40), 9, every=1, **DOWN)
            api.post_signals(shop, [*down, *attempts(endpoint_id, now, 1, every=1, **DOWN)])

        def failing(endpoint_id: str) -> list[dict[str, Any]]:
            query = {"application_id": shop, "type": "endpoint.failing", "endpoint_id": endpoint_id}
            return list(api.get("/events", **query).json()["data"])

        time.sleep(2)  # the local cloud's EndpointCacheSeconds is 1, and from then on a mute holds
        fail_until_now("erp")
        assert eventually(lambda: bool(failing("erp")))
        fail_until_now("crm")
        assert receiver.wait_until(lambda: bool(receiver.receipts), ARRIVES_WITHIN)
        assert [event["muted"] for event in failing("erp") + failing("crm")] == [True, False]
        assert {receipt.data["endpoint_id"] for receipt in receiver.receipts} == {"crm"}
    shown = api.get("/monitored_endpoints/erp", application_id=shop).json()
    assert shown["mute"]["reason"] == "maintenance"
    assert api.request("DELETE", "/monitored_endpoints/erp/mute", params={"application_id": shop}).status_code == 204


def test_an_applications_own_event_is_validated_told_and_told_once(api: Api) -> None:
    shop = unique("shop")
    schema = {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "integer"}}}
    own = {"application_id": shop, "description": "An invoice is overdue.", "schema": schema}
    assert api.post("/event_types/invoice.overdue", own).status_code == 201
    with Receiver() as receiver:
        register(api, receiver, shop, filter_types=["invoice.overdue"])
        event = {"application_id": shop, "type": "invoice.overdue", "data": {"amount": 7}}
        first, again = api.post("/events", event), api.post("/events", event)
        assert (first.status_code, again.status_code) == (202, 202)
        assert first.json() == again.json()
        assert api.post("/events", {**event, "data": {"amount": "7"}}).status_code == 422
        assert receiver.wait_until(lambda: bool(receiver.receipts), ARRIVES_WITHIN)
        [receipt] = receiver.receipts
        shown = api.get("/event_types/invoice.overdue", application_id=shop).json()
        jsonschema.validate(receipt.body, shown["schema"])
        assert receipt.data["custom"] == {"amount": 7}


def test_lines_of_signals_are_taken_too(api: Api) -> None:
    shop, start = unique("shop"), datetime.now(UTC) - timedelta(seconds=30)
    lines = "\n".join(json.dumps(signal) for signal in attempts("erp", start, 5, every=1))
    answer = api.request(
        "POST",
        "/signals",
        params={"application_id": shop},
        data=lines,
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert (answer.status_code, answer.json()["accepted"]) == (202, 5)
    assert eventually(lambda: bool(api.get("/stats", application_id=shop).json()["summary"]["attempts"] == 5))
