"""What a route takes and answers, as the OpenAPI document tells it. A shape is a TypedDict."""

from http import HTTPStatus
from typing import Annotated, Any, get_args

from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse, OpenAPIResponseHeader
from pydantic import ConfigDict, WithJsonSchema

ETAG: dict[str, OpenAPIResponseHeader] = {
    "ETag": {"description": "Of what is shown; send it as If-Match.", "schema": {"type": "string"}}
}

# Of a body: nothing that is not known, and nothing of another type. What reads it is made when one comes, for a
# function that has just started has one request to answer.
TAKEN = ConfigDict(extra="forbid", strict=True, defer_build=True)

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


def among(literal: Any) -> WithJsonSchema:
    """Of a text that is one of the Literal's, which Python need not know."""
    return WithJsonSchema({"type": "string", "enum": [*get_args(literal)]})


def answers(
    shape: Any, *problems: int, status: int = 200, headers: dict[str, OpenAPIResponseHeader] | None = None
) -> dict[int, OpenAPIResponse]:
    """JSON of that shape, or one of those problems. What every route can meet need not be named."""
    told: OpenAPIResponse = {
        "description": HTTPStatus(status).phrase,
        "content": {"application/json": {"model": shape}},
        "headers": headers or {},
    }
    return {status: told, **_problems(problems)}


def no_content(*problems: int) -> dict[int, OpenAPIResponse]:
    nothing: OpenAPIResponse = {"description": HTTPStatus.NO_CONTENT.phrase, "content": {}}
    return {204: nothing, **_problems(problems)}


def takes(schema: str, *media_types: str) -> dict[str, Any]:
    """A body that the route reads itself, by the name of its schema in the document."""
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    return {"requestBody": {"required": True, "content": dict.fromkeys(media_types or ("application/json",), content)}}


def _problems(statuses: tuple[int, ...]) -> dict[int, OpenAPIResponse]:
    return {status: {"description": HTTPStatus(status).phrase, "content": {}} for status in statuses}
