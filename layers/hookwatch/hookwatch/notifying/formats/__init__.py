"""What a body looks like: one module for each format, pure, from the payload of `to_payload` to a document in JSON."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from hookwatch.notifying.formats import alertmanager, cloudevents, incident, pagerduty, slack, standard, svix
from hookwatch.operational_events import TEST, OperationalEvent

Name = Literal["standard", "cloudevents", "pagerduty", "slack", "alertmanager", "svix"]

STANDARD, PAGERDUTY = "standard", "pagerduty"
_JSON = "application/json"


class Format(msgspec.Struct, frozen=True):
    """`tells` says whether it has a word for an event: what it has none for is not owed."""

    content_type: str
    render: Callable[[str, dict[str, Any]], dict[str, Any]]
    tells: Callable[[OperationalEvent], bool]


def _everything(_event: OperationalEvent) -> bool:
    return True


def _incidents(event: OperationalEvent) -> bool:
    return incident.step(event.event_id, event.type, event.data) is not None


FORMATS: Mapping[str, Format] = {
    STANDARD: Format(_JSON, standard.render, _everything),
    "cloudevents": Format("application/cloudevents+json", cloudevents.render, _everything),
    PAGERDUTY: Format(_JSON, pagerduty.render, _incidents),
    "slack": Format(_JSON, slack.render, _everything),
    "alertmanager": Format(_JSON, alertmanager.render, _incidents),
    "svix": Format(_JSON, svix.render, lambda event: event.type in svix.TYPES),
}


def tells(name: str, event: OperationalEvent) -> bool:
    """Whether the format has a word for the event. Each has one for a test."""
    return event.type == TEST or FORMATS[name].tells(event)


def render(name: str, event_id: str, payload: dict[str, Any]) -> str:
    """The body, but for what only the receiver may know: see `finished`."""
    return msgspec.json.encode(FORMATS[name].render(event_id, payload)).decode()


def finished(name: str, body: str, routing_key: str | None) -> str:
    """The body as it is posted, with the routing key where the format has one."""
    if name == PAGERDUTY and routing_key:
        return pagerduty.with_routing_key(body, routing_key)
    return body
