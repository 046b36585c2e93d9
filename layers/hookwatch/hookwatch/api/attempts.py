"""Routes: what became of deliveries, attempt by attempt."""

import base64
from dataclasses import asdict
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayRouter

from hookwatch import tables, times
from hookwatch.api import is_visible, paging
from hookwatch.api.events import own as own_event
from hookwatch.api.operational_endpoints import own as own_endpoint
from hookwatch.notifying import attempts
from hookwatch.notifying.attempts import OperationalAttempt

router = APIGatewayRouter()

Status = Annotated[Literal["delivered", "retrying", "exhausted", "given_up", "cancelled"] | None, Query()]


def view(attempt: OperationalAttempt) -> dict[str, Any]:
    """`response` as text, where it is UTF-8; else `response_base64`, for a receiver may send any bytes."""
    shown = asdict(attempt)
    del shown["application_id"], shown["attempt_key"]
    response = shown.pop("response")
    try:
        return {**shown, "response": None if response is None else response.decode(), "response_base64": None}
    except UnicodeDecodeError:
        return {**shown, "response": None, "response_base64": base64.b64encode(response).decode()}


@router.get("/events/<event_id>/attempts")
def list_attempts_of_event(
    event_id: str, status: Status = None, limit: paging.Limit = 50, cursor: paging.Cursor = None
) -> dict[str, Any]:
    """Newest first. Those to an operational endpoint of every application are shown to keys of every application."""
    found = [
        attempt
        for attempt in attempts.of_event(own_event(event_id).event_id)
        if status in (None, attempt.status) and is_visible(router, attempt.application_id)
    ]
    last = paging.read(router.current_event, cursor, 2)
    left = [attempt for attempt in found if last is None or attempt.listed_at < last]
    shown = left[:limit]
    return {
        "data": [view(attempt) for attempt in shown],
        "next_cursor": paging.cursor(router.current_event, *shown[-1].listed_at) if len(left) > limit else None,
    }


@router.get("/<operational_endpoint_id>/attempts")
def list_attempts_of_endpoint(
    operational_endpoint_id: str, status: Status = None, limit: paging.Limit = 50, cursor: paging.Cursor = None
) -> dict[str, Any]:
    """Newest first. A page may be short though there are more."""
    table = tables.OperationalAttempt
    condition = table.expires_at > int(times.now().timestamp())
    if status is not None:
        condition &= table.status == status
    found = table.by_operational_endpoint.query(
        own_endpoint(operational_endpoint_id).operational_endpoint_id,
        filter_condition=condition,
        scan_index_forward=False,
        page_size=limit,
        last_evaluated_key=paging.start(
            router.current_event,
            cursor,
            "attempted_at",
            "event_id",
            "attempt_key",
            operational_endpoint_id=operational_endpoint_id,
        ),
    )
    return paging.page(
        router.current_event,
        found,
        tables.OperationalAttempt,
        lambda item: view(attempts.from_item(item)),
        "attempted_at",
        "event_id",
        "attempt_key",
    )
