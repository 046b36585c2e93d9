"""The audit: what a good request of each route leaves in it, what is on record, and who tests are."""

import json
from typing import Any

from hookwatch.audit import Action, Entry
from tests.in_process.aws import Aws
from tests.in_process.bad_input import Route

# Of what a test does behind the API's back.
BY_A_TEST = Entry(action="operational_endpoint.updated", application_ids=("a test",), target="a test", actor="a test")

# As `bad_input.good` asks, which has made the event type and the mute before. Of every other route it is nothing.
ACTIONS: dict[Route, Action] = {
    ("POST", "/"): "operational_endpoint.created",
    ("PUT", "/{operational_endpoint_id}"): "operational_endpoint.updated",
    ("PATCH", "/{operational_endpoint_id}"): "operational_endpoint.updated",
    ("DELETE", "/{operational_endpoint_id}"): "operational_endpoint.deleted",
    ("GET", "/{operational_endpoint_id}/secret"): "operational_endpoint.secret_read",
    ("POST", "/{operational_endpoint_id}/secret/rotate"): "operational_endpoint.secret_rotated",
    ("POST", "/{operational_endpoint_id}/replay"): "replay.created",
    ("DELETE", "/replays/{replay_id}"): "replay.cancelled",
    ("POST", "/events/{event_id}/resend"): "event.resent",
    ("POST", "/event_types/{name}"): "event_type.updated",
    ("DELETE", "/event_types/{name}"): "event_type.deleted",
    ("POST", "/monitored_endpoints/{endpoint_id}/mute"): "mute.created",
    ("DELETE", "/monitored_endpoints/{endpoint_id}/mute"): "mute.ended",
    ("PUT", "/policies/{application_id}"): "policy.updated",
    ("POST", "/sources"): "source.created",
    ("DELETE", "/sources/{source_id}"): "source.deleted",
    ("POST", "/keys"): "key.created",
    ("DELETE", "/keys/{key_id}"): "key.revoked",
    ("DELETE", "/applications/{application_id}"): "application.deletion_requested",
}
CHANGES = [route for route in ACTIONS if route[0] != "GET"]


def on_record(*application_ids: str) -> list[dict[str, Any]]:
    """The items, or those of these applications, oldest first, `before` and `after` as objects."""
    items = [{name: next(iter(value.values())) for name, value in item.items()} for item in Aws.stored("Audit")]
    return [
        item | {name: json.loads(item[name]) if name in item else None for name in ("before", "after")}
        for item in sorted(items, key=lambda item: item["listed_at"])
        if not application_ids or item["application_id"] in application_ids
    ]


def actions(*application_ids: str) -> list[str]:
    return [item["action"] for item in on_record(*application_ids)]


_CONFIGURATION = ("OperationalEndpoint", "OperationalEventType", "Source", "ApiKey", "Replay")


def configuration() -> list[str]:
    """All that Hookwatch is told to do, and by whom it may be told: as texts, to be compared."""
    items = [item for table in _CONFIGURATION for item in Aws.stored(table)]
    items += [
        item for item in Aws.stored("Application") if item["item"]["S"].startswith(("mute#", "policy", "deletion"))
    ]
    return sorted(json.dumps(item, default=str, sort_keys=True) for item in items)
