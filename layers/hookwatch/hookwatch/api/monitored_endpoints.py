"""Routes: the health of monitored endpoints, as it is now known, and their mutes. What is failing now?"""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from hookwatch import errors, tables, times
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.api import actor_of, answer, audited, paging, scope
from hookwatch.api.answers import TAKEN, Time, among, answers, no_content
from hookwatch.notifying import mutes
from hookwatch.notifying.mutes import Mute, Spell
from hookwatch.observing import records, sweeping
from hookwatch.observing.given import Id, Moment
from hookwatch.observing.health import Incident
from hookwatch.settings import ApiSettings

router, settings = APIGatewayRouter(), ApiSettings.from_environment()

LONGEST_MUTE = timedelta(days=90)


class MuteBody(BaseModel):
    model_config = TAKEN

    application_id: Id
    until: Annotated[Moment, Field(strict=False)]
    reason: Annotated[str, Field(min_length=1, max_length=256)]


class MuteView(TypedDict):
    until: Time
    reason: str
    created_at: Time


class IncidentView(TypedDict):
    """`dedup_key` is that of all its events; `reopened` counts how often it failed again within its calm."""

    dedup_key: str
    reason: Annotated[str, among(Literal["consecutive", "rate"])]
    opened_at: Time
    reopened: int
    failing_since: Time
    failures_by_cause: dict[str, int]
    messages_failing: int
    messages_exhausted: int


State = Literal["healthy", "failing", "disabled", "deleted"]


class MonitoredEndpointView(TypedDict):
    application_id: str
    endpoint_id: str
    state: Annotated[str, among(State)]
    url: str | None
    description: str | None
    is_enabled: bool | None
    disabled_at: Time | None
    labels: dict[str, str]
    consecutive_failures: int
    last_success_at: Time | None
    last_attempt_at: Time | None
    incident: IncidentView | None
    mute: MuteView | None


def view(item: tables.MonitoredEndpoint, mute: Mute | None) -> MonitoredEndpointView:
    health = records.from_item(item).health
    incident = health.incident
    return {
        "application_id": health.application_id,
        "endpoint_id": health.endpoint_id,
        "state": health.state,
        "url": health.configuration.get("url"),
        "description": health.configuration.get("description"),
        "is_enabled": health.is_enabled,
        "disabled_at": _text(health.disabled_at),
        "labels": health.configuration.get("labels", {}),
        "consecutive_failures": health.consecutive_failures,
        "last_success_at": _text(health.last_success_at),
        "last_attempt_at": _text(health.last_attempt.at if health.last_attempt else None),
        "incident": view_incident(incident) if incident else None,
        "mute": view_mute(mute) if mute else None,
    }


def view_incident(incident: Incident) -> IncidentView:
    return {
        "dedup_key": incident.incident_id,
        "reason": incident.reason,
        "opened_at": times.to_text(incident.announced_at),
        "reopened": incident.reopened,
        "failing_since": times.to_text(incident.failing_since),
        "failures_by_cause": incident.failures_by_cause,
        "messages_failing": incident.messages_failing,
        "messages_exhausted": incident.messages_exhausted,
    }


def view_mute(mute: Mute) -> MuteView:
    return {
        "until": times.to_text(mute.until),
        "reason": mute.reason,
        "created_at": times.to_text(mute.created_at),
    }


def _text(moment: datetime | None) -> str | None:
    return times.to_text(moment) if moment else None


@router.get("/monitored_endpoints", responses=answers(paging.Page[MonitoredEndpointView]))
def list_monitored_endpoints(
    application_id: Annotated[str | None, Query()] = None,
    state: Annotated[State | None, Query()] = None,
    limit: paging.Limit = 50,
    cursor: paging.Cursor = None,
) -> Response[str]:
    """By endpoint id. A page may be short though there are more. Deleted ones are shown only when asked for. Of every
    application (`*`) only those that are failing are listed."""
    application_id = scope(router, application_id)
    if application_id == EVERY_APPLICATION:
        if state != "failing":
            raise errors.invalid(
                "Name one application, or ask for state=failing.",
                {"loc": ["application_id"], "msg": "of every application only what is failing is listed"},
            )
        return answer(200, _failing_anywhere(cursor, limit))
    table = tables.MonitoredEndpoint
    found = table.query(
        application_id,
        filter_condition=table.state == state if state else table.state != "deleted",
        page_size=limit,
        last_evaluated_key=paging.start(router.current_event, cursor, "endpoint_id", application_id=application_id),
    )
    muted = mutes.active(application_id, times.now())
    page = paging.page(
        router.current_event,
        found,
        tables.MonitoredEndpoint,
        lambda item: view(item, muted.get(item.endpoint_id)),
        "endpoint_id",
    )
    return answer(200, page)


def _failing_anywhere(cursor: str | None, limit: int) -> paging.Page[MonitoredEndpointView]:
    """What is failing now, by application and endpoint. The cursor is of the last endpoint on the page."""
    keys = sorted((incident.application_id, incident.endpoint_id) for incident in sweeping.open_incidents("failing"))
    last, now = paging.read(router.current_event, cursor, 2) or ("", ""), times.now()
    left = [key for key in keys if key > last]
    page = left[:limit]
    items = {(item.application_id, item.endpoint_id): item for item in tables.MonitoredEndpoint.batch_get(page)}
    muted = {application_id: mutes.active(application_id, now) for application_id, _ in items}
    data = [view(items[key], muted[key[0]].get(key[1])) for key in page if key in items]
    return {"data": data, "next_cursor": paging.cursor(router.current_event, *page[-1]) if len(left) > limit else None}


@router.get("/monitored_endpoints/<endpoint_id>", responses=answers(MonitoredEndpointView))
def get_monitored_endpoint(endpoint_id: str, application_id: Annotated[str | None, Query()] = None) -> Response[str]:
    application_id = scope(router, application_id)
    try:
        item = tables.MonitoredEndpoint.get(application_id, endpoint_id)
    except tables.MonitoredEndpoint.DoesNotExist:
        raise errors.not_found("monitored endpoint") from None
    return answer(200, view(item, mutes.find_active(application_id, endpoint_id, times.now())))


@router.post("/monitored_endpoints/<endpoint_id>/mute", responses=answers(MuteView, status=201))
def mute_monitored_endpoint(endpoint_id: Annotated[Id, Path()], body: MuteBody) -> Response[str]:
    """From now on, or from now on anew: its incidents are recorded and not delivered. Nothing need be known of it."""
    application_id, now = scope(router, body.application_id), times.now()
    if not now < body.until <= now + LONGEST_MUTE:
        raise errors.invalid(
            "The endpoint cannot be muted until then.",
            {"loc": ["until"], "msg": f"is not ahead, or more than {LONGEST_MUTE.days} days ahead"},
        )
    mute = Mute(
        endpoint_id=endpoint_id,
        created_at=now,
        created_by=actor_of(router.current_event),
        reason=body.reason,
        spell=Spell(_known_to_the_emitter(now), body.until),
    )
    old = mutes.find(application_id, endpoint_id)
    entry = audited(
        router.current_event,
        "mute.created",
        application_id,
        target=endpoint_id,
        before=view_mute(old) if old and old.is_active(now) else None,
        after=view_mute(mute),
    )
    mutes.put(application_id, old, mute, entry)
    return answer(201, view_mute(mute))


@router.get("/monitored_endpoints/<endpoint_id>/mute", responses=answers(MuteView))
def get_mute(endpoint_id: str, application_id: Annotated[str | None, Query()] = None) -> Response[str]:
    """Also of an endpoint that nobody has reported yet."""
    mute = mutes.find_active(scope(router, application_id), endpoint_id, times.now())
    if mute is None:
        raise errors.not_found("mute")
    return answer(200, view_mute(mute))


@router.delete("/monitored_endpoints/<endpoint_id>/mute", responses=no_content(409))
def unmute_monitored_endpoint(endpoint_id: str, application_id: Annotated[str | None, Query()] = None) -> Response[str]:
    application_id, now = scope(router, application_id), times.now()
    mute = mutes.find_active(application_id, endpoint_id, now)
    if mute is None:
        raise errors.not_found("mute")
    entry = audited(router.current_event, "mute.ended", application_id, target=endpoint_id, before=view_mute(mute))
    mutes.end(application_id, mute, _known_to_the_emitter(now), entry)
    return Response(204, body="")


def _known_to_the_emitter(now: datetime) -> datetime:
    """When no emitter uses mutes of before `now` any more. From then on all decide the same, so that no failing is told
    whose recovery is not."""
    return now + timedelta(seconds=settings.endpoint_cache_seconds)
