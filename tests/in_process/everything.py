"""An application with one of everything, made by the functions themselves, and what of it lies in which table."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from moto.dynamodb.models import dynamodb_backends

from hookwatch import times
from tests.in_process.api import call
from tests.in_process.aws import Aws
from tests.in_process.batches import wake, woken_up
from tests.in_process.deliveries import deliver, record
from tests.in_process.signals import START, attempt, created, messages, unique
from tests.integration.test_custom_events import stream_record

Item = dict[str, Any]
TYPE, SECRET, ROUTING_KEY = "invoice.overdue", "a-subscription-secret", "R0" * 16
PAGERDUTY = {"format": "pagerduty", "routing_key": ROUTING_KEY}


@dataclass
class Everything:
    """`ids` are the application's own and those of all that was made for it."""

    application_id: str
    ids: set[str]
    shared_key: str

    def items(self, aws: Aws, table: str) -> list[Item]:
        """The table's that are of it: in which one of its ids stands, wherever. Read where moto says that there are."""
        stored = dynamodb_backends["123456789012"]["eu-central-1"].tables[table].all_items()
        if not any(self._is_in(item.to_json()) for item in stored):
            return []
        return [item for item in aws.items(table) if self._is_in(item)]

    def _is_in(self, item: Any) -> bool:
        text = repr(item)
        return any(id_ in text for id_ in self.ids)


def fill(aws: Aws, shop: str, url: str, *, shared_with: str) -> Everything:
    """Everything that can be known of an application. Receivers of it, and one of every application, are at `url`."""
    made = {shop, *_configure(aws, shop, url)}
    shared = _made(aws, "/keys", {"role": "viewer", "application_ids": [shared_with, shop]}, "key_id")
    on_call = _made(aws, "/", {"application_id": "*", "url": url}, "operational_endpoint_id")
    _report(aws, shop)
    own_event = {"application_id": shop, "type": TYPE, "data": {"amount": 7}}
    assert call(aws, "POST", "/events", own_event, idempotency_key=shop)[0] == 202
    event_ids = [item["event_id"]["S"] for item in aws.items("OperationalEvent") if item["application_id"]["S"] == shop]
    _deliver(aws, event_ids)
    assert call(aws, "DELETE", f"/{on_call}")[0] == 204
    return Everything(shop, {*made, *event_ids}, shared)


def _configure(aws: Aws, shop: str, url: str) -> list[str]:
    named = {"application_id": shop}
    until = times.to_text(times.now() + timedelta(days=1))
    assert call(aws, "PUT", f"/policies/{shop}", {"opens_after_failures": 7})[0] == 200
    event_type = {**named, "description": "An invoice is overdue.", "schema": {"type": "object"}}
    assert call(aws, "POST", f"/event_types/{TYPE}", event_type)[0] == 201
    mute = {**named, "until": until, "reason": "they move"}
    assert call(aws, "POST", "/monitored_endpoints/crm/mute", mute)[0] == 201
    limited = {**named, "url": url, "rate_limit": 100, "message_events": "all"}
    name = _made(aws, "/", limited, "operational_endpoint_id")
    since = times.to_text(times.now() - timedelta(days=1))
    return [
        name,
        _made(aws, f"/{name}/replay", {"since": since}, "replay_id"),
        _made(aws, "/", {**named, "url": url, "batch": {"max_events": 2}}, "operational_endpoint_id"),
        _made(
            aws, "/", {**named, "url": url, "headers": {"X-Token": "a-value"}, **PAGERDUTY}, "operational_endpoint_id"
        ),
        _made(aws, "/sources", {**named, "kind": "hook0", "secret": SECRET}, "source_id"),
        _made(aws, "/keys", {"role": "admin", "application_ids": [shop]}, "key_id"),
    ]


def _made(aws: Aws, path: str, body: Item, id_: str) -> str:
    status, answer = call(aws, "POST", path, body, idempotency_key=unique("request"))
    assert status in (201, 202), answer
    return str(answer[id_])


def _report(aws: Aws, shop: str) -> None:
    """Six endpoints fail, so that the application is degraded; one works for hours, and an attempt at it comes late."""
    outages = [attempt(f"bad{number}", 5 * second) for number in range(6) for second in range(12)]
    healthy = [attempt("erp", second, succeeded=True, duration_ms=9) for second in range(0, 7200, 600)]
    late = attempt("erp", -86_400, message_id="late", will_retry=False)
    for batch in (
        messages(shop, *outages),
        messages(shop, created("erp"), *healthy),
        messages(shop, late, received_at=START),
    ):
        assert aws.invoke("observer", {"Records": batch}) == {"batchItemFailures": []}
    aws.invoke("sweeper", aws.sample("sweeper") | {"time": times.to_text(START + timedelta(minutes=2))})
    post_signals(aws, shop, "erp")


def post_signals(aws: Aws, shop: str, endpoint_id: str, moment: datetime | None = None) -> None:
    """Through ingest, SIGNALS and the observer."""
    said = {"message_id": "m", "attempt_number": 1, "outcome": "succeeded"}
    said |= {
        "type": "message.attempt",
        "endpoint_id": endpoint_id,
        "attempted_at": times.to_text(moment or times.now()),
    }
    body = json.dumps({"application_id": shop, "signals": [said]})
    assert aws.invoke("ingest", aws.sample("ingest") | {"body": body})["statusCode"] == 202
    assert aws.invoke("observer", {"Records": aws.take("Signals")}) == {"batchItemFailures": []}


def _deliver(aws: Aws, event_ids: list[str]) -> None:
    """Through the emitter and the delivery function, a first attempt of each."""
    aws.invoke("emitter", {"Records": [stream_record(aws, event_id) for event_id in event_ids]})
    wake(aws, *dict.fromkeys(batch_id for batch_id, _ in woken_up(aws)))
    for queue in ("Deliveries", "Retries"):
        for message in aws.take(queue):
            deliver(aws, record(message["body"], queue))
