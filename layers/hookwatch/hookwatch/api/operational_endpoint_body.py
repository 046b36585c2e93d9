"""What an operational endpoint may be, as the API takes it, and shows it."""

import hashlib
import json
import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, Field, ValidationError, ValidationInfo, field_validator
from typing_extensions import TypedDict

from hookwatch.api import merge_patch
from hookwatch.api.answers import TAKEN, Time, among
from hookwatch.notifying import addresses, batches, formats, pacing, predicates
from hookwatch.notifying.endpoints import HIDDEN
from hookwatch.settings import LONGEST_WAIT, ApiSettings

settings = ApiSettings.from_environment()

MessageEvents = Literal["grouped", "all"]

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_HEADER_VALUE = re.compile(r"([\x21-\x7e][\x20-\x7e]{0,499})?")
_ROUTING_KEY = rf"^({re.escape(HIDDEN)}|[0-9A-Za-z]{{32}})$"  # PagerDuty's integration key
# What carries meaning of ours, of HTTP's or of AWS's is refused, for to overwrite it silently would surprise somebody.
_RESERVED_HEADER = re.compile(
    r"(webhook-|svix-|hookwatch-|content-|x-amz|proxy-|sec-|if-|accept).*"
    r"|host|connection|keep-alive|transfer-encoding|te|trailer|upgrade|expect|user-agent|date|via|cookie|range",
    re.IGNORECASE,
)


def _is_parsed(text: str) -> str:
    predicates.parse(text)
    return text


_EXAMPLE = "data.severity == 'critical'"
Filter = Annotated[
    str, Field(min_length=1, max_length=predicates.LONGEST, examples=[_EXAMPLE]), AfterValidator(_is_parsed)
]


class RetryBody(BaseModel):
    """`schedule_seconds` are the waits after the first, second, … failed attempt; none at all make it one attempt."""

    model_config = TAKEN

    schedule_seconds: Annotated[
        list[Annotated[int, Field(ge=1, le=int(LONGEST_WAIT.total_seconds()))]], Field(max_length=4)
    ]


class BatchBody(BaseModel):
    """Several events in one POST: as soon as `max_events` wait, or the first of them has waited `max_wait_seconds`."""

    model_config = TAKEN

    max_events: Annotated[int, Field(ge=1, le=batches.EVENTS_AT_MOST)] = 100
    max_wait_seconds: Annotated[int, Field(ge=1, le=int(batches.WAIT_AT_MOST.total_seconds()))] = 60


_PARTS: dict[str, type[BaseModel]] = {"retry": RetryBody, "batch": BatchBody}


class OperationalEndpointBody(BaseModel):
    model_config = TAKEN

    application_id: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[\x21-\x7e]+$")]
    url: Annotated[str, Field(max_length=2048)]
    description: Annotated[str, Field(max_length=256)] = ""
    is_enabled: bool = True
    filter_types: Annotated[list[str], Field(max_length=100)] = []
    filter: Filter | None = None
    message_events: MessageEvents = "grouped"
    format: formats.Name = "standard"
    routing_key: Annotated[Annotated[str, Field(pattern=_ROUTING_KEY)] | None, Field(validate_default=True)] = None
    rate_limit: Annotated[int, Field(ge=1, le=pacing.RATE_AT_MOST)] | None = None
    retry: RetryBody | None = None
    batch: BatchBody | None = None
    headers: Annotated[dict[str, str], Field(max_length=10)] = {}
    metadata: Annotated[
        dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=50)
    ] = {}

    @property
    def digest(self) -> str:
        """The same for the same fields, in whatever order they were sent. Of the values of headers too: not to be kept
        in clear."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()

    @classmethod
    def checked(cls, body: Any) -> Self:
        """
        Raises:
            RequestValidationError: as for a body that a route takes.
        """
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in error.errors()]) from None

    @classmethod
    def patched(cls, current: dict[str, Any], patch: dict[str, Any]) -> Self:
        """A merge patch leaves a null out for which there is no member; here it is refused, as any unknown member is.

        Raises:
            RequestValidationError: as `checked`.
        """
        body = merge_patch.merged(current, patch)
        objects: list[tuple[Any, Any, type[BaseModel]]] = [(patch, body, cls)]
        objects += [(patch.get(name), body.get(name), model) for name, model in _PARTS.items()]
        for of_patch, of_body, model in objects:
            if isinstance(of_patch, dict):
                of_body.update(dict.fromkeys(of_patch.keys() - model.model_fields.keys() - of_body.keys()))
        return cls.checked(body)

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

    @field_validator("routing_key")
    @classmethod
    def _a_routing_key_is_there_where_the_format_has_one(cls, key: str | None, info: ValidationInfo) -> str | None:
        # A format that is none is not in the data, and is told of itself.
        if "format" in info.data and (info.data["format"] == formats.PAGERDUTY) != (key is not None):
            raise ValueError("the format pagerduty has a routing_key, and no other format has one")
        return key

    @field_validator("batch")
    @classmethod
    def _a_batch_is_in_the_standard_format(cls, batch: BatchBody | None, info: ValidationInfo) -> BatchBody | None:
        if batch and info.data.get("format", formats.STANDARD) != formats.STANDARD:
            raise ValueError("only the format standard has batches")
        return batch

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


class RetryView(TypedDict):
    schedule_seconds: list[int]


class BatchView(TypedDict):
    max_events: int
    max_wait_seconds: int


class OperationalEndpointView(TypedDict):
    """Where operational events are delivered. Of `headers` only the names are shown, and of a
    `routing_key` that there is one."""

    operational_endpoint_id: str
    application_id: str
    url: str
    description: str
    is_enabled: bool
    filter_types: list[str]
    filter: str | None
    message_events: Annotated[str, among(MessageEvents)]
    format: Annotated[str, among(formats.Name)]
    routing_key: Literal["***"] | None
    rate_limit: int | None
    retry: RetryView | None
    batch: BatchView | None
    headers: dict[str, Literal["***"]]
    metadata: dict[str, str]
    disabled_reason: str | None
    failing_since: Time | None
    created_at: Time
    updated_at: Time


class CreatedOperationalEndpoint(OperationalEndpointView):
    """`secret` is null where the request was sent again and the endpoint is gone by then."""

    secret: str | None
