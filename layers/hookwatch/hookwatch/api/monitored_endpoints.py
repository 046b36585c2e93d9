"""Routes: the health of monitored endpoints, as it is now known. What is failing now?"""

from typing import Annotated, Any, Literal

import msgspec
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayRouter

from hookwatch import errors, tables, times
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.api import paging, scope
from hookwatch.observing.health import Health

router = APIGatewayRouter()


def view(item: tables.MonitoredEndpoint) -> dict[str, Any]:
    health = msgspec.json.decode(item.health, type=Health)
    incident = health.incident
    return {
        "application_id": health.application_id,
        "endpoint_id": health.endpoint_id,
        "state": health.state,
        "url": health.configuration.get("url"),
        "description": health.configuration.get("description"),
        "is_enabled": health.configuration.get("is_enabled"),
        "labels": health.configuration.get("labels", {}),
        "consecutive_failures": health.consecutive_failures,
        "last_success_at": _text(health.last_success_at),
        "last_attempt_at": _text(health.last_attempt.at if health.last_attempt else None),
        "incident": incident
        and {
            "dedup_key": incident.incident_id,
            "reason": incident.reason,
            "opened_at": _text(incident.opened_at),
            "failing_since": _text(incident.failing_since),
            "failures_by_cause": incident.failures_by_cause,
            "messages_exhausted": incident.messages_exhausted,
        },
    }


def _text(moment: Any) -> str | None:
    return times.to_text(moment) if moment else None


@router.get("/monitored_endpoints")
def list_monitored_endpoints(
    application_id: Annotated[str | None, Query()] = None,
    state: Annotated[Literal["healthy", "failing", "disabled", "deleted"] | None, Query()] = None,
    limit: paging.Limit = 50,
    cursor: paging.Cursor = None,
) -> dict[str, Any]:
    """By endpoint id. A page may be short though there are more. Deleted ones are shown only when asked for."""
    application_id, endpoint_id = scope(router, application_id), paging.start(cursor)
    if application_id == EVERY_APPLICATION:
        raise errors.invalid("Name one application.", {"loc": ["application_id"], "msg": "listed by application"})
    table = tables.MonitoredEndpoint
    found = table.query(
        application_id,
        filter_condition=table.state == state if state else table.state != "deleted",
        page_size=limit,
        limit=limit,
        last_evaluated_key=None
        if endpoint_id is None
        else {"application_id": {"S": application_id}, "endpoint_id": {"S": endpoint_id}},
    )
    return paging.page(found, "endpoint_id", view)


@router.get("/monitored_endpoints/<endpoint_id>")
def get_monitored_endpoint(endpoint_id: str, application_id: Annotated[str | None, Query()] = None) -> dict[str, Any]:
    try:
        return view(tables.MonitoredEndpoint.get(scope(router, application_id), endpoint_id))
    except tables.MonitoredEndpoint.DoesNotExist:
        raise errors.not_found("monitored endpoint") from None
