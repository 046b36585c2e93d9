"""Which operational endpoints an event is for. Pure."""

from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.notifying.endpoints import OperationalEndpoint
from hookwatch.operational_events import OperationalEvent


def matches(endpoint: OperationalEndpoint, event: OperationalEvent) -> bool:
    """Whether `endpoint` receives `event`. That it asked for quiet events counts before what types it asked for."""
    return (
        endpoint.is_enabled
        and endpoint.application_id in (event.application_id, EVERY_APPLICATION)
        and (endpoint.message_events == "all" or not event.quiet)
        and (not endpoint.filter_types or event.type in endpoint.filter_types)
    )
