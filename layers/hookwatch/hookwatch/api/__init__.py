"""The HTTP API: what its routes share. The routes themselves are one module for each thing they are about."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.request import Request
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from hookwatch import errors
from hookwatch.access import roles
from hookwatch.access.keys import EVERY_APPLICATION, Identity
from hookwatch.access.roles import Decision
from hookwatch.audit import Action, Entry

BASE_PATH = "/api/v1/operational_webhooks"


def identity_of(request: APIGatewayProxyEvent) -> Identity:
    """Who asks, as the authorizer found."""
    return Identity.from_context(request.request_context.authorizer)


def actor_of(request: APIGatewayProxyEvent) -> str:
    """Who asks, as it is put on record."""
    return f"key:{identity_of(request).key_id}"


def audited(
    request: APIGatewayProxyEvent,
    action: Action,
    *application_ids: str,
    target: str,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> Entry:
    """What the request does, for the audit."""
    return Entry(
        action=action,
        application_ids=application_ids,
        target=target,
        actor=actor_of(request),
        before=before,
        after=after,
        request_id=request.request_context.request_id,
        source_ip=request.request_context.identity.source_ip,
    )


def authorize(app: APIGatewayRestResolver, next_middleware: Callable[..., Any]) -> Any:
    """Before a route: may this role do that at all, and is the body an object? Whose what it is about is, the route
    finds out.

    Raises:
        errors.Problem: 403; 404, there is no such route, or no rule for it; 415 and 422, see `wrong_body`.
    """
    route = _route(app.request)
    if route not in roles.OPEN:
        if route not in roles.NEEDS:  # not even a key is needed to be told so
            raise errors.not_found("route")
        decision = roles.decide(identity_of(app.current_event), *route)
        if decision is Decision.FORBIDDEN:
            raise errors.forbidden("The role of the key does not allow this.")
        wrong = wrong_body(app)
        if wrong:
            raise wrong
    return next_middleware(app)


_OF_ANY_FORM = {("POST", "/signals"), *roles.OPEN}  # lines too, and JSON by any name
_JSON = {"application/json", "application/merge-patch+json"}
_UTF_8 = {"utf-8", "utf8", "us-ascii"}


def wrong_body(app: APIGatewayRestResolver) -> errors.Problem | None:
    """What is wrong with a body, if there is one, that must be a JSON object in UTF-8: before any field is looked at,
    for Powertools reads forms too, and of a list the first object."""
    request = app.current_event
    if not request.body or request.http_method not in ("POST", "PUT", "PATCH") or _route(app.request) in _OF_ANY_FORM:
        return None
    sent = request.headers.get("Content-Type") or "application/json"
    media_type, *parameters = (part.strip().lower() for part in sent.split(";"))
    charsets = {part.partition("=")[2].strip(' "') for part in parameters if part.startswith("charset")}
    if media_type not in _JSON or not charsets <= _UTF_8:
        return errors.unsupported("Send application/json in UTF-8.")
    try:
        text = raw_body(request).decode()
    except UnicodeDecodeError:
        return errors.invalid("The body is not UTF-8.")
    except errors.Problem as problem:
        return problem
    return errors.invalid("The body must be an object, not a list.") if text.lstrip().startswith("[") else None


def with_plain_media_type(event: dict[str, Any]) -> dict[str, Any]:
    """The request with its Content-Type in lower case: RFC 9110 §8.3.1 knows no other, and Powertools only this one."""
    headers = event["headers"] or {}
    plain = {name: value.lower() for name, value in headers.items() if name.lower() == "content-type"}
    return {**event, "headers": {**headers, **plain}}


def is_visible(router: APIGatewayRouter, application_id: str) -> bool:
    """Whether the key may do what it asks for to what belongs to the application, as was found by an id."""
    request: Request = router.api_resolver.request  # type: ignore[union-attr]  # set by who includes the router
    decision = roles.decide(identity_of(router.current_event), *_route(request), application_id)
    return decision is Decision.ALLOWED


def _route(request: Request) -> tuple[str, str]:
    """Method and path, as the table of roles has them."""
    return request.method, request.route


def scope(router: APIGatewayRouter, application_id: str | None) -> str:
    """The application that the request is about. Nothing is listed without one.

    Raises:
        errors.Problem: 422, none was named and the key is not for exactly one; 404, the key is not for it.
    """
    implied = implied_scope(router, application_id)
    if implied is None:
        raise errors.invalid("Name an application.", {"loc": ["application_id"], "msg": "Field required"})
    return implied


def implied_scope(router: APIGatewayRouter, application_id: str | None) -> str | None:
    """As `scope`, for what can also be asked about no application: None where none was named and the key is not for
    exactly one.

    Raises:
        errors.Problem: 404, the key is not for the application.
    """
    identity = identity_of(router.current_event)
    if application_id is None:
        is_for_one = len(identity.applications) == 1 and identity.applications[0] != EVERY_APPLICATION
        return identity.applications[0] if is_for_one else None
    if not is_visible(router, application_id):
        raise errors.not_found("application")
    return application_id


def api_url(request: APIGatewayProxyEvent) -> str:
    """Where the API was called: under the stage, or under the path that a custom domain maps to it."""
    prefix = (request.request_context.path or "").removesuffix(request.path)
    scheme = request.headers.get("X-Forwarded-Proto", "https")
    return f"{scheme}://{request.headers.get('Host', '')}{prefix}{BASE_PATH}"


def raw_body(request: APIGatewayProxyEvent) -> bytes:
    """The body's bytes, as they were sent.

    Raises:
        errors.Problem: 422, there is none, or it is no text.
    """
    if not request.body:
        raise errors.invalid("The request has no body.")
    try:
        return base64.b64decode(request.body, validate=True) if request.is_base64_encoded else request.body.encode()
    except ValueError:  # no base64, or half a character
        raise errors.invalid("The body cannot be read.") from None


def answer(status: int, body: Mapping[str, object], **headers: str | list[str]) -> Response[str]:
    return Response(status, "application/json", json.dumps(body, separators=(",", ":")), headers)
