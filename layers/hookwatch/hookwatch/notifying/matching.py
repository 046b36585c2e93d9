"""Which operational endpoints an event is for. Pure."""

from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.notifying import formats
from hookwatch.notifying.endpoints import OperationalEndpoint
from hookwatch.operational_events import HEARTBEAT, TEST, OperationalEvent


def matches(endpoint: OperationalEndpoint, event: OperationalEvent) -> bool:
    """Whether `endpoint` receives `event`. That it asked for quiet events counts before what types it asked for. A test
    is for the endpoint that it names, whatever that asked for; a heartbeat is for who asked for it by name. What an
    endpoint's format has no word for is not for it."""
    if event.type == TEST:
        return endpoint.is_enabled and endpoint.operational_endpoint_id == event.data["operational_endpoint_id"]
    return (
        endpoint.is_enabled
        and endpoint.application_id in (event.application_id, EVERY_APPLICATION)
        and (endpoint.message_events == "all" or not event.quiet)
        and formats.tells(endpoint.format, event)
        and (event.type in endpoint.filter_types or (not endpoint.filter_types and event.type != HEARTBEAT))
    )
