"""An application is exported and deleted on the deployed stack: with the permissions that the functions have."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.e2e.test_notifying import attempts
from tests.e2e.test_the_main_job import ARRIVES_WITHIN, eventually, register, text, unique
from tests.e2e.test_the_secrets import tables
from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.local_cloud.receiver import Receiver
from tests.local_cloud.world import delete

STAYS = {"table Idempotency", "table Audit", "table Application"}  # of the last, that it was deleted


def fill(api: Api, receiver: Receiver, shop: str, other: str) -> None:
    """One of everything that the API makes, and what follows from a report."""
    now = datetime.now(UTC)
    name = register(api, receiver, shop, rate_limit=100)
    assert api.put(f"/policies/{shop}", {"opens_after_failures": 7}).ok
    event_type = {"application_id": shop, "description": "x", "schema": {"type": "object"}}
    assert api.post("/event_types/invoice.due", event_type).ok
    mute = {"application_id": shop, "until": text(now + timedelta(hours=1)), "reason": "x"}
    assert api.post("/monitored_endpoints/crm/mute", mute).ok
    assert api.post("/sources", {"application_id": shop, "kind": "hook0", "secret": "a-subscription-secret"}).ok
    for application_ids in ([shop], [shop, other]):
        assert api.post("/keys", {"role": "viewer", "application_ids": application_ids}).ok
    attempted = {"type": "message.attempt", "endpoint_id": "erp", "message_id": "m", "attempt_number": 4}
    attempted |= {"outcome": "failed", "attempted_at": text(now), "will_retry": False}
    assert api.post_signals(shop, [attempted]).json()["accepted"] == 1
    assert receiver.wait_until(lambda: bool(receiver.accepted()), ARRIVES_WITHIN)
    assert eventually(lambda: bool(attempts(api, name, status="delivered")))


def export(api: Api, application_id: str) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 3}
    while True:
        page = api.get(f"/applications/{application_id}/export", **query).json()
        lines += page["data"]
        if page["next_cursor"] is None:
            return lines
        query["cursor"] = page["next_cursor"]


def holding(stack: Stack, shop: str) -> set[str]:
    return {place for place, content in tables(stack) if shop in content}


def test_an_application_is_exported_and_then_deleted_and_another_one_stays(api: Api, stack: Stack) -> None:
    shop, other = unique("shop"), unique("other")
    with Receiver() as receiver, Receiver() as others:
        fill(api, others, other, unique("third"))
        fill(api, receiver, shop, other)
        kept = export(api, other)
        kinds = {line["kind"] for line in export(api, shop)}
        assert kinds == {line["kind"] for line in kept}
        assert len(kinds) == 11
        delete(stack, api, shop)
    assert holding(stack, shop) <= STAYS
    told = api.get(f"/applications/{shop}/deletion").json()
    assert (told["state"], told["application_id"]) == ("deleted", shop)
    assert {line["kind"] for line in export(api, shop)} == {"policy", "audit"}
    assert [line for line in export(api, other) if line["kind"] != "key"] == [
        line for line in kept if line["kind"] != "key"
    ]
    [of_two] = [line["item"] for line in export(api, other) if line["kind"] == "key" and line not in kept]
    assert of_two["application_ids"] == [other]
