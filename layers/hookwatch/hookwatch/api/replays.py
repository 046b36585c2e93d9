"""Routes: events that are delivered once more."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from hookwatch import audit, errors, times
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.api import answer, api_url, audited, events, idempotency, is_visible, operational_endpoints
from hookwatch.api.answers import TAKEN, Time, among, answers, no_content
from hookwatch.api.operational_endpoint_body import Filter
from hookwatch.metrics import count
from hookwatch.notifying import emission, formats, mutes, replays
from hookwatch.notifying.endpoints import EndpointCache, OperationalEndpoint
from hookwatch.notifying.replaying import NEVER_REPLAYED
from hookwatch.notifying.replays import OneEvent, Past, Replay
from hookwatch.notifying.wake_ups import WakeUps
from hookwatch.observing.given import OLDEST, Id, Moment
from hookwatch.operational_events import HEARTBEAT, OperationalEvent, linking_to, to_payload
from hookwatch.settings import ApiSettings

router, settings = APIGatewayRouter(), ApiSettings.from_environment()
wake_ups = WakeUps(settings.replays_queue_url)
_TRIES = 3


class ReplayBody(BaseModel):
    """Events that happened from `since` to before `until`, by default now: of what the operational endpoint receives
    anyway, those of these `types`, or all, that `filter` lets through; `failed` are those that never reached it."""

    model_config = TAKEN

    since: Annotated[Moment, Field(strict=False)]
    until: Annotated[Moment | None, Field(strict=False)] = None
    types: Annotated[list[str], Field(max_length=100)] = []
    filter: Filter | None = None
    only: replays.Only = "all"
    rate_per_second: Annotated[int, Field(ge=1, le=replays.RATE_AT_MOST)] = 10
    dry_run: bool = False


class ResendBody(BaseModel):
    """To that operational endpoint, whatever it asks for; or else to all that ask for the event now."""

    model_config = TAKEN

    operational_endpoint_id: Id | None = None


TO_ALL = ResendBody()


class ReplayView(TypedDict):
    """What was asked for, and how far it is. `counted` are the events that it is about among those it has looked at, so
    far up to `reached`; `sent` the deliveries queued of them; `failed` the events that could not be read or told, or
    made a filter fail, and of a resend the operational endpoints that were gone. A resend has an `event_id`, and of a
    time nothing."""

    replay_id: str
    application_id: str
    operational_endpoint_id: str | None
    event_id: str | None
    state: Annotated[str, among(replays.State)]
    reason: str | None
    since: Time | None
    until: Time | None
    types: list[str]
    filter: str | None
    only: Annotated[str, among(replays.Only)]
    rate_per_second: int | None
    dry_run: bool
    counted: int
    sent: int
    failed: int
    reached: Time | None
    created_at: Time
    updated_at: Time
    ended_at: Time | None


class ResentView(TypedDict):
    """`replay_id` is what its attempts have, and where `GET /replays/{replay_id}` shows it."""

    event_id: str
    replay_id: str
    operational_endpoint_ids: list[str]


def view(replay: Replay) -> ReplayView:
    past = replay.asked if isinstance(replay.asked, Past) else None
    return {
        "replay_id": replay.replay_id,
        "application_id": replay.application_id,
        "operational_endpoint_id": past.operational_endpoint_id if past else None,
        "event_id": None if isinstance(replay.asked, Past) else replay.asked.event_id,
        "state": replay.state,
        "reason": replay.reason,
        "since": times.to_text(past.since) if past else None,
        "until": times.to_text(past.until) if past else None,
        "types": list(past.types) if past else [],
        "filter": past.filter if past else None,
        "only": past.only if past else "all",
        "rate_per_second": past.rate_per_second if past else None,
        "dry_run": past is not None and past.dry_run,
        "counted": replay.counted,
        "sent": replay.sent,
        "failed": replay.failed,
        "reached": replay.place.listed_at.partition("#")[0] if replay.place else None,
        "created_at": replay.created_at,
        "updated_at": replay.updated_at,
        "ended_at": replay.ended_at,
    }


@router.post("/<operational_endpoint_id>/replay", responses=answers(ReplayView, 409, status=202))
def replay_events(operational_endpoint_id: str, body: ReplayBody) -> Response[str]:
    """Delivers events once more, at that rate, under their own `webhook-id`s. One at a time to an operational endpoint:
    another is a 409."""
    endpoint, digest = operational_endpoints.own(operational_endpoint_id), _digest(body)
    replay_id, made = idempotency.named(router.current_event, "rpl_", 24, replays.find)
    if made:
        return answer(202, view(_as_asked(made, digest)))
    operational_endpoints.check_enabled(endpoint)
    operational_endpoints.check_types(body.types, endpoint.application_id, field="types")
    if never := NEVER_REPLAYED.intersection(body.types):
        raise _invalid("types", f"{min(never)} is never replayed")
    now = times.now()
    since = max(body.since, now - timedelta(days=settings.event_retention_days) - OLDEST)  # before there is nothing
    until = min(body.until or now, now)
    if since >= until:
        raise _invalid("since", "from then to until there is nothing that can be replayed")
    if running := replays.running(operational_endpoint_id):
        raise _is_running(running)
    asked = Past(
        operational_endpoint_id=operational_endpoint_id,
        since=since,
        until=until,
        types=tuple(dict.fromkeys(body.types)),
        filter=body.filter,
        only=body.only,
        rate_per_second=body.rate_per_second,
        dry_run=body.dry_run,
    )
    replay = _new(replay_id, endpoint.application_id, asked, digest, now)
    if not _begin(replay, "replay.created", target=replay_id, shown=view(replay)):
        raise _is_running(replays.running(operational_endpoint_id))
    return answer(202, view(replay))


@router.post("/events/<event_id>/resend", responses=answers(ResentView, 409, status=202))
def resend_event(event_id: str, body: Annotated[ResendBody, Body()] = TO_ALL) -> Response[str]:
    """Delivers one event once more, at once, under its own `webhook-id`."""
    event, digest = events.own(event_id), _digest(body)
    replay_id, made = idempotency.named(router.current_event, "rpl_", 24, replays.find)
    if made:
        return answer(202, _resent(_as_asked(made, digest)))
    if event.type in NEVER_REPLAYED:
        instead = "the next one follows" if event.type == HEARTBEAT else "ask for another: POST /{id}/test"
        raise errors.Problem(422, "not_replayable", f"A {event.type} is not sent again; {instead}.")
    if body.operational_endpoint_id is None:
        targets = _asking_for(event)
    else:
        targets = [_target(body.operational_endpoint_id, event)]
    names = tuple(endpoint.operational_endpoint_id for endpoint in targets)
    asked = OneEvent(event_id=event_id, operational_endpoint_ids=names)
    replay = _new(replay_id, event.application_id, asked, digest, times.now())
    if not _begin(replay, "event.resent", target=event_id, shown=_resent(replay)):
        raise errors.in_progress()
    return answer(202, _resent(replay))


@router.get("/replays/<replay_id>", responses=answers(ReplayView))
def get_replay(replay_id: str) -> Response[str]:
    return answer(200, view(own(replay_id)))


@router.delete("/replays/<replay_id>", responses=no_content(409))
def cancel_replay(replay_id: str) -> Response[str]:
    """What is queued, some seconds' worth, is still delivered. One that has ended stays as it is."""
    for _ in range(_TRIES):
        replay = own(replay_id)
        if replay.state != "running":
            return Response(204, body="")
        ended = replays.cancelled(replay, times.now())
        entry = audited(
            router.current_event,
            "replay.cancelled",
            replay.application_id,
            target=replay_id,
            before=view(replay),
            after=view(ended),
        )
        if replays.cancel(ended, entry):
            return Response(204, body="")
        # A step was taken at the same moment.
    raise errors.conflict("replay")


def own(replay_id: str) -> Replay:
    """The replay of that id, if the key is for its application.

    Raises:
        errors.Problem: 404.
    """
    replay = replays.find(replay_id)
    if replay is None or not is_visible(router, replay.application_id):
        raise errors.not_found("replay")
    return replay


def _begin(replay: Replay, action: audit.Action, *, target: str, shown: Mapping[str, object]) -> bool:
    """Whether there is a record now, by which the replayer goes. It is woken first: see `replays.next_move`."""
    request = router.current_event
    entry = audited(request, action, replay.application_id, target=target, after=shown)
    wake_ups.send(replay.replay_id, replay.step, asked_by=request.request_context.request_id)
    if not replays.create(replay, entry):
        return False
    count("ReplaysStarted")
    return True


def _new(replay_id: str, application_id: str, asked: replays.Asked, digest: str, now: datetime) -> Replay:
    return Replay(
        replay_id=replay_id,
        application_id=application_id,
        asked=asked,
        request_digest=digest,
        created_at=times.to_text(now),
        updated_at=times.to_text(now),
        goes_on_at=now,
    )


def _digest(body: BaseModel) -> str:
    return hashlib.sha256(json.dumps(body.model_dump(), default=str).encode()).hexdigest()


def _as_asked(made: Replay, digest: str) -> Replay:
    if made.request_digest != digest:
        raise errors.idempotency_conflict()
    return made


def _resent(replay: Replay) -> ResentView:
    asked = replay.asked
    if isinstance(asked, Past):  # the id is a hash of the path too
        raise errors.idempotency_conflict()
    names = list(asked.operational_endpoint_ids)
    return {"event_id": asked.event_id, "replay_id": replay.replay_id, "operational_endpoint_ids": names}


def _asking_for(event: OperationalEvent) -> list[OperationalEndpoint]:
    """As it would be delivered now, if it happened now; of those for every application, where the key is."""
    mute = mutes.of_application(event.application_id).get(event.data.get("endpoint_id", ""))
    if mute is not None and mutes.covers(mute, event):
        return []
    payload = to_payload(event, linking_to(api_url(router.current_event), settings.links))
    found = EndpointCache(0).of_application(event.application_id)
    visible = [endpoint for endpoint in found if is_visible(router, endpoint.application_id)]
    return list(emission.told_of(event, payload, visible))


def _target(operational_endpoint_id: str, event: OperationalEvent) -> OperationalEndpoint:
    """
    Raises:
        errors.Problem: 404, it is another application's; 409, it is disabled; 422, its format cannot tell the event.
    """
    endpoint = operational_endpoints.own(operational_endpoint_id)
    if endpoint.application_id not in (event.application_id, EVERY_APPLICATION):
        raise errors.not_found("operational endpoint")
    operational_endpoints.check_enabled(endpoint)
    if not formats.tells(endpoint.format, event):
        raise _invalid("operational_endpoint_id", f"its format, {endpoint.format}, has no word for a {event.type}")
    return endpoint


def _invalid(field: str, message: str) -> errors.Problem:
    return errors.invalid("The request is not what this route takes.", {"loc": [field], "msg": message})


def _is_running(replay_id: str | None) -> errors.Problem:
    which = f": {replay_id}" if replay_id else ", or was right now"
    return errors.Problem(409, "replay_running", f"A replay to the operational endpoint is running{which}.")
