"""Which operational endpoints an event is for. Pure."""

from collections.abc import Mapping
from typing import Any

from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.notifying import formats, predicates
from hookwatch.notifying.endpoints import OperationalEndpoint
from hookwatch.notifying.predicates import Outcome
from hookwatch.operational_events import HEARTBEAT, TEST, OperationalEvent

_ALL = "all"
# What may stand among types for several of them, and for those that will be added: what is stored is the name.
PRESETS: Mapping[str, frozenset[str]] = {
    "incidents": frozenset(
        {
            *("endpoint.failing", "endpoint.warning", "endpoint.disabled", "endpoint.recovered"),
            *("application.degraded", "application.recovered"),
        }
    ),
    "changes": frozenset(
        {
            *("endpoint.created", "endpoint.updated", "endpoint.deleted"),
            *("endpoint.enabled", "endpoint.disabled"),
        }
    ),
    _ALL: frozenset(),  # applications have types of their own: see `asks_for`
}


def matches(endpoint: OperationalEndpoint, event: OperationalEvent) -> bool:
    """Whether `endpoint` receives `event`, where its filter lets it through. That it asked for quiet events counts
    before what types it asked for. A test is for the endpoint that it names, whatever that asked for; a heartbeat for
    who asked for it by name. What an endpoint's format has no word for is not for it."""
    if event.type == TEST:
        return endpoint.is_enabled and endpoint.operational_endpoint_id == event.data["operational_endpoint_id"]
    return (
        endpoint.is_enabled
        and endpoint.application_id in (event.application_id, EVERY_APPLICATION)
        and (endpoint.message_events == "all" or not event.quiet)
        and formats.tells(endpoint.format, event)
        and asks_for(endpoint.filter_types, event.type)
    )


def filtered(endpoint: OperationalEndpoint, payload: Mapping[str, Any], steps: int = predicates.STEPS) -> Outcome:
    """What the endpoint's filter says, in so many steps, of an event as it is delivered. A test, and a heartbeat, which
    only who names it gets, pass by every filter."""
    if endpoint.filter is None or payload["type"] in (TEST, HEARTBEAT):
        return Outcome(value=True)
    return predicates.evaluate(endpoint.filter, payload, steps)


def asks_for(filter_types: tuple[str, ...], event_type: str) -> bool:
    """Whether a list of types and presets has the type; an empty one has all but the heartbeat."""
    if event_type == HEARTBEAT:
        return HEARTBEAT in filter_types
    is_in_a_preset = any(event_type in PRESETS.get(name, ()) for name in filter_types)
    return not filter_types or _ALL in filter_types or event_type in filter_types or is_in_a_preset
