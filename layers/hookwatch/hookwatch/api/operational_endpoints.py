"""Routes: operational endpoints."""

import re
import secrets
from dataclasses import replace
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from pydantic import BaseModel, ConfigDict, Field, field_validator

from hookwatch import custom_types, errors, tables, times
from hookwatch.api import answer, is_visible, paging, scope
from hookwatch.catalogue import CATALOGUE
from hookwatch.encryption import Encryption
from hookwatch.notifying import addresses, endpoints, signing
from hookwatch.notifying.endpoints import Credentials, OperationalEndpoint
from hookwatch.settings import ApiSettings

router, settings = APIGatewayRouter(), ApiSettings.from_environment()
encryption = Encryption(settings.secrets_encryption_key)

HIDDEN = "***"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_HEADER_VALUE = re.compile(r"([\x21-\x7e][\x20-\x7e]{0,499})?")
# What carries meaning of ours, of HTTP's or of AWS's is refused, for to overwrite it silently would surprise somebody.
_RESERVED_HEADER = re.compile(
    r"(webhook-|svix-|hookwatch-|content-|x-amz|proxy-|sec-|if-|accept).*"
    r"|host|connection|keep-alive|transfer-encoding|te|trailer|upgrade|expect|user-agent|date|via|cookie|range",
    re.IGNORECASE,
)


class OperationalEndpointBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    application_id: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[\x21-\x7e]+$")]
    url: Annotated[str, Field(max_length=2048)]
    description: Annotated[str, Field(max_length=256)] = ""
    is_enabled: bool = True
    filter_types: Annotated[list[str], Field(max_length=100)] = []
    message_events: Literal["grouped", "all"] = "grouped"
    headers: Annotated[dict[str, str], Field(max_length=10)] = {}
    metadata: Annotated[
        dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=50)
    ] = {}

    @field_validator("url")
    @classmethod
    def _url_can_be_reached(cls, url: str) -> str:
        parts = urlsplit(url)
        try:
            parts.port  # noqa: B018  # raises where the port is no number below 65536
        except ValueError:
            raise ValueError("the port is not one") from None
        if parts.scheme != "https" and not (parts.scheme == "http" and settings.allow_http):
            raise ValueError("the URL must start with https://")
        if not parts.hostname or not url.isascii() or re.search(r"[\x00-\x20\x7f\\]", url):
            raise ValueError("the URL needs a host, and no spaces or control characters")
        if "@" in parts.netloc:
            raise ValueError("the URL must hold no credentials; use headers")
        address = addresses.parse(parts.hostname)
        if address and not addresses.is_allowed(address, settings.allowed_networks):
            raise ValueError("the address is not allowed")
        return url

    @field_validator("filter_types")
    @classmethod
    def _types_are_named_once(cls, types: list[str]) -> list[str]:
        return list(dict.fromkeys(types))

    @field_validator("headers")
    @classmethod
    def _headers_can_be_sent(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError("a header's name is not one, or is longer than 64 characters")
            if _RESERVED_HEADER.fullmatch(name):
                raise ValueError(f"the header {name} is reserved")
            if not _HEADER_VALUE.fullmatch(value):
                raise ValueError(f"the value of {name} is longer than 500 characters, or not printable ASCII")
        if len({name.lower() for name in headers}) < len(headers):
            raise ValueError("a header is there twice")
        return headers


def view(endpoint: OperationalEndpoint) -> dict[str, Any]:
    """As the API shows it: no secret, and of headers only the names."""
    return {
        "operational_endpoint_id": endpoint.operational_endpoint_id,
        "application_id": endpoint.application_id,
        "url": endpoint.url,
        "description": endpoint.description,
        "is_enabled": endpoint.is_enabled,
        "filter_types": list(endpoint.filter_types),
        "message_events": endpoint.message_events,
        "headers": dict.fromkeys(endpoint.header_names, HIDDEN),
        "metadata": endpoint.metadata,
        "disabled_reason": endpoint.disabled_reason,
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
    }


@router.get("/")
def list_operational_endpoints(
    application_id: Annotated[str | None, Query()] = None, limit: paging.Limit = 50, cursor: paging.Cursor = None
) -> dict[str, Any]:
    application_id, listed_at = scope(router, application_id), paging.start(cursor)
    found = tables.OperationalEndpoint.by_application.query(
        application_id,
        scan_index_forward=False,
        limit=limit,
        last_evaluated_key=None
        if listed_at is None
        else {
            "application_id": {"S": application_id},
            "listed_at": {"S": listed_at},
            "operational_endpoint_id": {"S": listed_at.rpartition("#")[2]},
        },
    )
    return paging.page(found, "listed_at", lambda item: view(endpoints.from_item(item)))


@router.post("/")
def create_operational_endpoint(body: OperationalEndpointBody) -> Response[str]:
    application_id, now = scope(router, body.application_id), times.to_text(times.now())
    operational_endpoint_id = f"oep_{secrets.token_hex(12)}"
    secret = signing.to_secret(secrets.token_bytes(signing.SECRET_BYTES))
    _check_types(body)
    if HIDDEN in body.headers.values():
        raise errors.invalid("There is no header to keep yet.", {"loc": ["headers"], "msg": f"{HIDDEN} keeps a value"})
    endpoint = OperationalEndpoint(
        operational_endpoint_id=operational_endpoint_id,
        application_id=application_id,
        credentials=endpoints.encrypt(Credentials((secret,), body.headers), operational_endpoint_id, encryption),
        created_at=now,
        updated_at=now,
        **_plain(body),
    )
    endpoints.create(endpoint)
    return answer(201, {**view(endpoint), "secret": secret})


@router.get("/<operational_endpoint_id>")
def get_operational_endpoint(operational_endpoint_id: str) -> dict[str, Any]:
    return view(_own(operational_endpoint_id))


@router.put("/<operational_endpoint_id>")
def put_operational_endpoint(operational_endpoint_id: str, body: OperationalEndpointBody) -> dict[str, Any]:
    old = _own(operational_endpoint_id)
    if body.application_id != old.application_id:
        raise errors.invalid("An endpoint stays in its application.", {"loc": ["application_id"], "msg": "differs"})
    _check_types(body, kept=old.filter_types)
    known = endpoints.decrypt(old, encryption)
    headers = {name: _kept(name, value, known) for name, value in body.headers.items()}
    new = replace(
        old,
        credentials=endpoints.encrypt(Credentials(known.secrets, headers), operational_endpoint_id, encryption),
        updated_at=times.to_text(times.now()),
        disabled_reason=None if body.is_enabled else old.disabled_reason,
        **_plain(body),
    )
    endpoints.replace(old, new)
    return view(new)


@router.delete("/<operational_endpoint_id>")
def delete_operational_endpoint(operational_endpoint_id: str) -> Response[str]:
    endpoints.delete(_own(operational_endpoint_id).operational_endpoint_id)
    return Response(204, body="")


def _own(operational_endpoint_id: str) -> OperationalEndpoint:
    endpoint = endpoints.get(operational_endpoint_id)
    if not is_visible(router, endpoint.application_id):
        raise errors.not_found("operational endpoint")
    return endpoint


def _check_types(body: OperationalEndpointBody, kept: tuple[str, ...] = ()) -> None:
    """That the types exist: in the catalogue, or as the application's own. Those in `kept` may be gone by now.

    Raises:
        errors.Problem: 422, one does not.
    """
    unknown = [name for name in body.filter_types if name not in CATALOGUE and name not in kept]
    if unknown:  # custom_types knows none of every application, "*"
        own = custom_types.names(body.application_id)
        unknown = [name for name in unknown if name not in own]
    if unknown:
        raise errors.invalid(
            "The request is not what this route takes.",
            {
                "loc": ["filter_types"],
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


def _plain(body: OperationalEndpointBody) -> dict[str, Any]:
    return {
        "url": body.url,
        "description": body.description,
        "is_enabled": body.is_enabled,
        "filter_types": tuple(body.filter_types),
        "message_events": body.message_events,
        "metadata": body.metadata,
        "header_names": tuple(body.headers),
    }
