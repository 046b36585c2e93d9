"""The HTTP API: what its routes share. The routes themselves are one module for each thing they are about."""

import base64
import binascii
import json
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from hookwatch import errors
from hookwatch.access.keys import EVERY_APPLICATION, Identity

BASE_PATH = "/api/v1/operational_webhooks"


def identity_of(request: APIGatewayProxyEvent) -> Identity:
    """Who asks, as the authorizer found."""
    return Identity.from_context(request.request_context.authorizer)


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
    if not identity.is_for(application_id):
        raise errors.not_found("application")
    return application_id


def is_visible(router: APIGatewayRouter, application_id: str) -> bool:
    """Whether the key is for the application that an item, found by its id, belongs to."""
    return identity_of(router.current_event).is_for(application_id)


def api_url(request: APIGatewayProxyEvent) -> str:
    """Where the API was called: under the stage, or under the path that a custom domain maps to it."""
    prefix = (request.request_context.path or "").removesuffix(request.path)
    scheme = request.headers.get("X-Forwarded-Proto", "https")
    return f"{scheme}://{request.headers.get('Host', '')}{prefix}{BASE_PATH}"


def raw_body(request: APIGatewayProxyEvent) -> bytes:
    """The body's bytes, as they were sent.

    Raises:
        errors.Problem: 422, there is none.
    """
    if not request.body:
        raise errors.invalid("The request has no body.")
    if not request.is_base64_encoded:
        return request.body.encode()
    try:
        return base64.b64decode(request.body, validate=True)
    except binascii.Error:
        raise errors.invalid("The body cannot be read.") from None


def answer(status: int, body: Any) -> Response[str]:
    return Response(status, "application/json", json.dumps(body))
