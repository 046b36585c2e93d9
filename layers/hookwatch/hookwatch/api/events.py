"""Routes: operational events, and what became of them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from pydantic import AwareDatetime, BaseModel, Field
from pynamodb.expressions.condition import Condition
from typing_extensions import TypedDict

from hookwatch import custom_events, custom_types, errors, event_items, json_schemas, tables, times
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.api import answer, api_url, events_everywhere, identity_of, is_visible, paging, scope
from hookwatch.api.answers import TAKEN, Time, answers
from hookwatch.api.operational_endpoints import Owed
from hookwatch.logs import logger
from hookwatch.notifying import mutes
from hookwatch.notifying.mutes import Mute
from hookwatch.observing.given import FARTHEST_AHEAD, OLDEST, Id, Moment
from hookwatch.operational_events import OperationalEvent, linking_to, to_payload
from hookwatch.settings import ApiSettings

router, settings = APIGatewayRouter(), ApiSettings.from_environment()


class EventBody(BaseModel):
    """An event of one of the application's own types; `data` satisfies the type's schema."""

    model_config = TAKEN

    application_id: Id
    type: Annotated[str, Field(min_length=1, max_length=128)]
    data: dict[str, Any]
    timestamp: Annotated[Moment | None, Field(strict=False)] = None
    dedup_key: Annotated[str | None, Field(min_length=1, max_length=256)] = None
    severity: Literal["info", "warning", "error", "critical"] | None = None
    summary: Annotated[str | None, Field(min_length=1, max_length=512)] = None
    endpoint_id: Id | None = None


class EventView(TypedDict):
    """`type`, `timestamp` and `data` are as receivers get them, by the schema of the type; `quiet` and `muted` say why
    they may not have got them."""

    event_id: str
    type: str
    timestamp: Time
    data: dict[str, Any]
    quiet: bool
    muted: bool


def view(event: OperationalEvent, muted: Mapping[str, Mute]) -> EventView:
    mute = muted.get(event.data.get("endpoint_id", ""))
    payload = to_payload(event, linking_to(api_url(router.current_event), settings.links))
    return {
        "event_id": event.event_id,
        "type": payload["type"],
        "timestamp": payload["timestamp"],
        "data": payload["data"],
        "quiet": event.quiet,
        "muted": mute is not None and mutes.covers(mute, event),
    }


def shown(item: tables.OperationalEvent, muted: Mapping[str, Mute]) -> EventView | None:
    """None of one that cannot be read: it is in the log, and hides no other."""
    try:
        return view(event_items.from_item(item), muted)
    except event_items.MALFORMED:
        logger.exception("an event cannot be shown", event_id=item.event_id)
        return None


@router.get("/events", responses=answers(paging.Page[EventView]))
def list_events(
    application_id: Annotated[str | None, Query()] = None,
    type: Annotated[str | None, Query()] = None,  # noqa: A002  # the parameter's name
    endpoint_id: Annotated[str | None, Query()] = None,
    since: Annotated[AwareDatetime | None, Query()] = None,
    until: Annotated[AwareDatetime | None, Query()] = None,
    limit: paging.Limit = 50,
    cursor: paging.Cursor = None,
) -> Response[str]:
    """Newest first; `since` is in it, `until` is not. Of one application, or of every (`*`)."""
    application_id = scope(router, application_id)
    table = tables.OperationalEvent
    condition = table.expires_at > int(times.now().timestamp())
    if type is not None:
        condition &= table.type == type
    if endpoint_id is not None:
        condition &= table.endpoint_id == endpoint_id
    if application_id == EVERY_APPLICATION:
        return answer(200, _of_every_application(condition, since, until, limit, cursor))
    first, last = paging.between(since, until)
    found = table.by_application.query(
        application_id,
        table.listed_at.between(first, last),
        filter_condition=condition,
        scan_index_forward=False,
        page_size=limit,
        last_evaluated_key=paging.start(
            router.current_event, cursor, "listed_at", "event_id", application_id=application_id
        ),
    )
    muted = mutes.of_application(application_id)
    page = paging.page(
        router.current_event,
        found,
        tables.OperationalEvent,
        lambda item: shown(item, muted),
        "listed_at",
        "event_id",
    )
    return answer(200, page)


def _of_every_application(
    condition: Condition, since: datetime | None, until: datetime | None, limit: int, cursor: str | None
) -> paging.Page[EventView]:
    now = times.now()
    kept_since = now - timedelta(days=settings.event_retention_days) - OLDEST
    newest = now + FARTHEST_AHEAD
    last_read = paging.read(router.current_event, cursor, 1)
    before = last_read[0] if last_read else times.to_text(min(until or newest, newest))
    found, go_on = events_everywhere.newest(max(since or kept_since, kept_since), before, condition, limit)
    muted = {named: mutes.of_application(named) for named in {item.application_id for item in found}}
    return {
        "data": [event for item in found if (event := shown(item, muted[item.application_id]))],
        "next_cursor": paging.cursor(router.current_event, go_on) if go_on else None,
    }


@router.post("/events", responses=answers(Owed, status=202))
def post_event(body: EventBody) -> Response[str]:
    """The same request, sent again, is the same event: by its Idempotency-Key, or else by its body. So an event that
    is like an earlier one, yet another one, needs a `timestamp` or an Idempotency-Key."""
    custom = custom_types.get(scope(router, body.application_id), body.type)
    if custom is None:
        raise errors.invalid(
            "The application has no such type.", {"loc": ["type"], "msg": "is none of the application's own types"}
        )
    json_schemas.check_data(custom.schema, body.data, "data")
    sent, now = router.current_event, times.now()
    request = custom_events.Request(
        key_id=identity_of(sent).key_id,
        application_id=body.application_id,
        type=body.type,
        body=sent.json_body,
        received_on=now.date().isoformat(),
        idempotency_key=sent.headers.get("Idempotency-Key") or "",
    )
    event = custom_events.to_event(
        request,
        now,
        body.timestamp,
        dedup_key=body.dedup_key,
        severity=body.severity,
        summary=body.summary,
        endpoint_id=body.endpoint_id,
        custom=body.data,
    )
    custom_events.store(event, request, retention_days=settings.event_retention_days)
    return answer(202, {"event_id": event.event_id})


@router.get("/events/<event_id>", responses=answers(EventView))
def get_event(event_id: str) -> Response[str]:
    event = own(event_id)
    return answer(200, view(event, mutes.of_application(event.application_id)))


def own(event_id: str) -> OperationalEvent:
    """The event of that id, if the key is for its application.

    Raises:
        errors.Problem: 404.
    """
    try:
        item = tables.OperationalEvent.get(event_id)
    except tables.OperationalEvent.DoesNotExist:
        raise errors.not_found("event") from None
    if item.expires_at <= times.now().timestamp() or not is_visible(router, item.application_id):
        raise errors.not_found("event")
    return event_items.from_item(item)
