"""Routes: operational endpoints."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from msgspec.structs import replace
from typing_extensions import TypedDict

from hookwatch import audit, custom_types, errors, event_items, tables, times
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.api import (
    actor_of,
    answer,
    audited,
    etags,
    idempotency,
    is_visible,
    paging,
    raw_body,
    scope,
)
from hookwatch.api.answers import ETAG, answers, no_content, takes
from hookwatch.api.operational_endpoint_body import (
    CreatedOperationalEndpoint,
    OperationalEndpointBody,
    OperationalEndpointView,
)
from hookwatch.catalogue import CATALOGUE
from hookwatch.encryption import Encryption
from hookwatch.notifying import credentials, endpoints, pacing, signing
from hookwatch.notifying.credentials import Credentials
from hookwatch.notifying.endpoints import HIDDEN, Batching, OperationalEndpoint
from hookwatch.notifying.endpoints import shown as view
from hookwatch.notifying.matching import PRESETS
from hookwatch.observing.bodies import parse_json
from hookwatch.operational_events import HEARTBEAT, TEST, OperationalEvent, event_id
from hookwatch.settings import ApiSettings

router, settings = APIGatewayRouter(), ApiSettings.from_environment()
encryption = Encryption(settings.secrets_encryption_key)


class Owed(TypedDict):
    event_id: str


@router.get("/", responses=answers(paging.Page[OperationalEndpointView]))
def list_operational_endpoints(
    application_id: Annotated[str | None, Query()] = None, limit: paging.Limit = 50, cursor: paging.Cursor = None
) -> Response[str]:
    application_id = scope(router, application_id)
    found = tables.OperationalEndpoint.by_application.query(
        application_id,
        scan_index_forward=False,
        page_size=limit,
        last_evaluated_key=paging.start(
            router.current_event, cursor, "listed_at", "operational_endpoint_id", application_id=application_id
        ),
    )
    page = paging.page(
        router.current_event,
        found,
        tables.OperationalEndpoint,
        lambda item: view(endpoints.from_item(item)),
        "listed_at",
        "operational_endpoint_id",
    )
    return answer(200, page)


@router.post("/", responses=answers(CreatedOperationalEndpoint, status=201, headers=ETAG))
def create_operational_endpoint(body: OperationalEndpointBody) -> Response[str]:
    """With the secret that its deliveries are signed with. Sent again after its answer was lost, it finds the endpoint
    that it made, though there be no room for another."""
    application_id, request, now = scope(router, body.application_id), router.current_event, times.to_text(times.now())
    operational_endpoint_id, made = idempotency.named(request, "oep_", 24, endpoints.find)
    if made:
        return _created(made, _secret_again(made, body))
    check_types(body.filter_types, application_id)
    if endpoints.number_of(application_id) >= settings.endpoints_per_application:
        raise errors.Problem(
            409,
            "limit_reached",
            f"An application has at most {settings.endpoints_per_application} operational endpoints.",
        )
    if HIDDEN in body.headers.values():
        raise errors.invalid("There is no header to keep yet.", {"loc": ["headers"], "msg": f"{HIDDEN} keeps a value"})
    if body.routing_key == HIDDEN:
        raise _nothing_to_keep()
    known = Credentials((signing.new_secret(),), body.headers, asked=body.digest, routing_key=body.routing_key)
    endpoint = OperationalEndpoint(
        operational_endpoint_id=operational_endpoint_id,
        application_id=application_id,
        credentials=credentials.encrypt(known, operational_endpoint_id, encryption),
        created_at=now,
        updated_at=now,
        **_plain(body),
    )
    entry = audited(
        request,
        "operational_endpoint.created",
        application_id,
        target=operational_endpoint_id,
        after=view(endpoint),
    )
    if not endpoints.create(endpoint, entry):
        raise errors.in_progress()
    return _created(endpoint, known.secrets[0])


def _created(endpoint: OperationalEndpoint, secret: str) -> Response[str]:
    return answer(201, {**view(endpoint), "secret": secret}, ETag=etags.of(endpoint.updated_at))


def _secret_again(made: OperationalEndpoint, body: OperationalEndpointBody) -> str:
    """
    Raises:
        errors.Problem: 409, another body made the endpoint.
    """
    known = credentials.decrypt(made, encryption)
    if known.asked != body.digest:
        raise errors.idempotency_conflict()
    audit_reading(made)
    return known.secrets[0]


def audit_reading(endpoint: OperationalEndpoint) -> None:
    """Before the endpoint's secret is shown: where it cannot be noted, nobody sees it."""
    audit.write(
        audited(
            router.current_event,
            "operational_endpoint.secret_read",
            endpoint.application_id,
            target=endpoint.operational_endpoint_id,
        )
    )


@router.get("/<operational_endpoint_id>", responses=answers(OperationalEndpointView, headers=ETAG))
def get_operational_endpoint(operational_endpoint_id: str) -> Response[str]:
    return _shown(own(operational_endpoint_id))


@router.put("/<operational_endpoint_id>", responses=answers(OperationalEndpointView, 409, 412, headers=ETAG))
def put_operational_endpoint(operational_endpoint_id: str, body: OperationalEndpointBody) -> Response[str]:
    """Replaces it: a field that is left out gets its default. A header or a routing_key `***` keeps its value."""
    return _shown(_replace(own(operational_endpoint_id), body))


@router.patch(
    "/<operational_endpoint_id>",
    responses=answers(OperationalEndpointView, 409, 412, headers=ETAG),
    openapi_extensions=takes("OperationalEndpointPatch", "application/json", "application/merge-patch+json"),
)
def patch_operational_endpoint(operational_endpoint_id: str) -> Response[str]:
    """Merges into it (RFC 7396): what is left out stays, and null clears a field, a header or a metadata key."""
    old, patch = own(operational_endpoint_id), parse_json(raw_body(router.current_event))
    if not isinstance(patch, dict):
        raise errors.invalid('The body must be {"description": "…", …}.')
    current = {name: value for name, value in view(old).items() if name in OperationalEndpointBody.model_fields}
    if "format" in patch and patch["format"] != old.format:
        del current["routing_key"]  # it is of the old format
    return _shown(_replace(old, OperationalEndpointBody.patched(current, patch)))


@router.delete("/<operational_endpoint_id>", responses=no_content(409, 412))
def delete_operational_endpoint(operational_endpoint_id: str) -> Response[str]:
    endpoint, request = own(operational_endpoint_id), router.current_event
    etags.check(request, endpoint.updated_at)
    entry = audited(
        request,
        "operational_endpoint.deleted",
        endpoint.application_id,
        target=operational_endpoint_id,
        before=view(endpoint),
    )
    if not endpoints.delete(endpoint, entry):
        endpoints.get(operational_endpoint_id)
        raise _changed_meanwhile()
    return Response(204, body="")


def _replace(old: OperationalEndpoint, body: OperationalEndpointBody) -> OperationalEndpoint:
    """
    Raises:
        errors.Problem: 412, it is not what the request's If-Match names; 409, it was changed at the same moment.
    """
    etags.check(router.current_event, old.updated_at)
    if body.application_id != old.application_id:
        raise errors.invalid("An endpoint stays in its application.", {"loc": ["application_id"], "msg": "differs"})
    check_types(body.filter_types, body.application_id, kept=old.filter_types)
    known = credentials.decrypt(old, encryption)
    known = replace(
        known,
        headers={name: _kept(name, value, known) for name, value in body.headers.items()},
        routing_key=_kept_routing_key(body.routing_key, known),
    )
    new = replace(
        old,
        credentials=credentials.encrypt(known, old.operational_endpoint_id, encryption),
        updated_at=endpoints.next_update(old),
        disabled_reason=None if body.is_enabled else old.disabled_reason,
        **_plain(body),
    )
    is_another = (body.is_enabled and not old.is_enabled) or body.url != old.url
    if is_another:
        new = replace(new, has_succeeded=False, failing_since=None)
    entry = audited(
        router.current_event,
        "operational_endpoint.updated",
        old.application_id,
        target=old.operational_endpoint_id,
        before=view(old),
        after=view(new),
    )
    if new.rate_limit != old.rate_limit:
        # Before it: the same request, sent again because this failed, would find no change to end a line for.
        pacing.disband(old.operational_endpoint_id)
    if not endpoints.replace(old, new, entry, forgets=is_another):
        raise _changed_meanwhile()
    return new


def _changed_meanwhile() -> errors.Problem:
    """Between our read and our write."""
    if router.current_event.headers.get("If-Match"):
        return errors.precondition_failed()
    return errors.conflict("operational endpoint")


def _shown(endpoint: OperationalEndpoint) -> Response[str]:
    return answer(200, view(endpoint), ETag=etags.of(endpoint.updated_at))


@router.post("/<operational_endpoint_id>/test", responses=answers(Owed, status=202))
def test_operational_endpoint(operational_endpoint_id: str) -> Response[str]:
    """Owes it one `webhook.test`, whatever types it asked for. With the same Idempotency-Key it is the same event."""
    endpoint, request, now = own(operational_endpoint_id), router.current_event, times.now()
    check_enabled(endpoint)
    asked_by = actor_of(request)
    asked = request.headers.get("Idempotency-Key") or secrets.token_hex(16)
    named = event_id(endpoint.application_id, TEST, operational_endpoint_id, asked_by, asked)
    event = OperationalEvent(
        event_id=named,
        application_id=endpoint.application_id,
        type=TEST,
        timestamp=now,
        data={
            "operational_endpoint_id": operational_endpoint_id,
            "dedup_key": named,
            "sequence": 1,
            "detected_at": times.to_text(now),
            "labels": {},
            "reported_by": asked_by,
        },
    )
    event_items.create(event, retention_days=settings.event_retention_days)
    return answer(202, {"event_id": named})


def check_enabled(endpoint: OperationalEndpoint) -> None:
    """
    Raises:
        errors.Problem: 409.
    """
    if not endpoint.is_enabled:
        raise errors.Problem(409, "disabled", "The operational endpoint is disabled; enable it first.")


def own(operational_endpoint_id: str) -> OperationalEndpoint:
    """The endpoint of that id, if the key is for its application.

    Raises:
        errors.Problem: 404.
    """
    endpoint = endpoints.get(operational_endpoint_id)
    if not is_visible(router, endpoint.application_id):
        raise errors.not_found("operational endpoint")
    return endpoint


def check_types(
    types: Sequence[str], application_id: str, *, field: str = "filter_types", kept: tuple[str, ...] = ()
) -> None:
    """That the types in `field` exist: in the catalogue, as a preset, or as the application's own. Those in `kept` may
    be gone by now.

    Raises:
        errors.Problem: 422, one does not, or is never told of one application.
    """
    if HEARTBEAT in types and application_id != EVERY_APPLICATION:
        raise errors.invalid(
            "The request is not what this route takes.",
            {"loc": [field], "msg": f"{HEARTBEAT} is of no application: name '*' as the application"},
        )
    known = {*CATALOGUE, *PRESETS, *kept}
    unknown = [name for name in types if name not in known]
    if unknown:  # custom_types knows none of every application, "*"
        own = custom_types.names(application_id)
        unknown = [name for name in unknown if name not in own]
    if unknown:
        raise errors.invalid(
            "The request is not what this route takes.",
            {
                "loc": [field],
                "msg": f"there is no event type {unknown[0][:64]!r}; GET /event_types lists them",
            },
        )


def _kept(name: str, value: str, known: Credentials) -> str:
    """A `***` stands for the value that is stored."""
    if value != HIDDEN:
        return value
    stored = {known_name.lower(): known_value for known_name, known_value in known.headers.items()}
    if name.lower() not in stored:
        raise errors.invalid(
            "There is no such header to keep.", {"loc": ["headers", name], "msg": f"{HIDDEN} keeps a value"}
        )
    return stored[name.lower()]


def _kept_routing_key(value: str | None, known: Credentials) -> str | None:
    if value != HIDDEN:
        return value
    if known.routing_key is None:
        raise _nothing_to_keep()
    return known.routing_key


def _nothing_to_keep() -> errors.Problem:
    return errors.invalid(
        "There is no routing key to keep yet.", {"loc": ["routing_key"], "msg": f"{HIDDEN} keeps a value"}
    )


def _plain(body: OperationalEndpointBody) -> dict[str, Any]:
    return {
        "url": body.url,
        "description": body.description,
        "is_enabled": body.is_enabled,
        "filter_types": tuple(body.filter_types),
        "filter": body.filter,
        "message_events": body.message_events,
        "format": body.format,
        "rate_limit": body.rate_limit,
        "retry_schedule": body.retry and tuple(timedelta(seconds=wait) for wait in body.retry.schedule_seconds),
        "batch": body.batch and Batching(body.batch.max_events, timedelta(seconds=body.batch.max_wait_seconds)),
        "metadata": body.metadata,
        "header_names": tuple(body.headers),
    }
