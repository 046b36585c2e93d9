"""Routes: what became of deliveries, attempt by attempt."""

import base64
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from typing_extensions import TypedDict

from hookwatch import tables, times
from hookwatch.api import answer, is_visible, paging
from hookwatch.api.answers import Time, among, answers
from hookwatch.api.events import own as own_event
from hookwatch.api.operational_endpoints import own as own_endpoint
from hookwatch.notifying import attempts
from hookwatch.notifying.attempts import OperationalAttempt

router = APIGatewayRouter()

AttemptStatus = Literal["delivered", "retrying", "exhausted", "given_up", "cancelled"]
Status = Annotated[AttemptStatus | None, Query()]


class AttemptView(TypedDict):
    """`webhook_id` is what the receiver saw: the event's id, or that of the batch that it was in. Of a batch `event_id`
    is null in the list of an operational endpoint. `response` is the first kilobyte of the answer as text, where it is
    UTF-8; else it is in `response_base64`, for a receiver may send any bytes."""

    event_id: str | None
    webhook_id: str
    operational_endpoint_id: str
    replay_id: str | None
    number: int
    status: Annotated[str, among(AttemptStatus)]
    attempted_at: Time
    next_attempt_at: Time | None
    response_status_code: int | None
    response: str | None
    response_base64: str | None
    duration_ms: int | None
    error: str | None
    reason: str | None


def view(attempt: OperationalAttempt, event_id: str | None = None) -> AttemptView:
    """`event_id` is the event whose attempts are shown, where it is one's."""
    text, encoded = _told(attempt.response or b"")
    return {
        "event_id": event_id or (None if attempt.is_of_batch else attempt.webhook_id),
        "webhook_id": attempt.webhook_id,
        "operational_endpoint_id": attempt.operational_endpoint_id,
        "replay_id": attempt.replay_id,
        "number": attempt.number,
        "status": attempt.status,
        "attempted_at": attempt.attempted_at,
        "next_attempt_at": attempt.next_attempt_at,
        "response_status_code": attempt.response_status_code,
        "response": None if attempt.response is None else text,
        "response_base64": encoded,
        "duration_ms": attempt.duration_ms,
        "error": attempt.error,
        "reason": attempt.reason,
    }


def _told(response: bytes) -> tuple[str | None, str | None]:
    """(as text, else as base64)"""
    try:
        return response.decode(), None
    except UnicodeDecodeError:
        return None, base64.b64encode(response).decode()


@router.get("/events/<event_id>/attempts", responses=answers(paging.Page[AttemptView]))
def list_attempts_of_event(
    event_id: str, status: Status = None, limit: paging.Limit = 50, cursor: paging.Cursor = None
) -> Response[str]:
    """Newest first. Those to an operational endpoint of every application are shown to keys of every application."""
    found = [
        attempt
        for attempt in attempts.of_event(own_event(event_id).event_id)
        if status in (None, attempt.status) and is_visible(router, attempt.application_id)
    ]
    last = paging.read(router.current_event, cursor, 2)
    left = [attempt for attempt in found if last is None or attempt.listed_at < last]
    shown = left[:limit]
    next_cursor = paging.cursor(router.current_event, *shown[-1].listed_at) if len(left) > limit else None
    return answer(200, {"data": [view(attempt, event_id) for attempt in shown], "next_cursor": next_cursor})


@router.get("/<operational_endpoint_id>/attempts", responses=answers(paging.Page[AttemptView]))
def list_attempts_of_endpoint(
    operational_endpoint_id: str,
    status: Status = None,
    replay_id: Annotated[str | None, Query()] = None,
    limit: paging.Limit = 50,
    cursor: paging.Cursor = None,
) -> Response[str]:
    """Newest first; with `replay_id`, those of that replay. A page may be short though there are more."""
    table = tables.OperationalAttempt
    condition = table.expires_at > int(times.now().timestamp())
    if status is not None:
        condition &= table.status == status
    if replay_id is not None:
        condition &= table.attempt_key.startswith(f"{operational_endpoint_id}#{replay_id}#")
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
    page = paging.page(
        router.current_event,
        found,
        tables.OperationalAttempt,
        lambda item: view(attempts.from_item(item)),
        "attempted_at",
        "event_id",
        "attempt_key",
    )
    return answer(200, page)
